package ietf

import "github.com/moqtgo/moqt/core/moq"

// refuse says why a request of the peer is not served, whatever there is: nil
// for most.
func (s *session) refuse(m message) error {
	var namespace moq.Path
	var params *parameters
	switch m := m.(type) {
	case *subscribe:
		namespace, params = m.Name.Path, &m.Params
	case *publish:
		namespace, params = m.Name.Path, &m.Params
	case *fetch:
		namespace, params = m.Name.Path, &m.Params
	case *trackStatus:
		namespace, params = m.Name.Path, &m.Params
	case *publishNamespace:
		namespace, params = m.Namespace, &m.Params
	case *subscribeNamespace:
		params = &m.Params
	case *subscribeTracks:
		params = &m.Params
	default:
		return nil
	}
	if s.p.reserved(namespace) {
		return refused(requestDoesNotExist, "the namespace %q is reserved", namespace)
	}
	return params.refuse()
}

// refuse says why a message with the parameters is refused: we have no cache of
// tokens and allow no range filters, and have said so.
func (m *parameters) refuse() error {
	if err := refuseAliases(m.Tokens); err != nil {
		return err
	}
	return refuseFilters(m.RangeFilters)
}

// An updateError ends a subscription whose REQUEST_UPDATE was refused.
type updateError struct{ error }

func (e updateError) Unwrap() error { return e.error }

// answerUpdate answers the update of a request that has nothing to be changed.
func (c *call) answerUpdate(u *requestUpdate) error {
	if err := u.Params.refuse(); err != nil {
		return c.refuseUpdate(u, err)
	}
	c.send(&requestOK{To: kindUpdate, RequestID: u.RequestID})
	return nil
}

// refuseUpdate answers an update with an error, which ends the request: that is
// errGone, unless err is a violation.
func (c *call) refuseUpdate(u *requestUpdate, err error) error {
	if isViolation(err) {
		return err
	}
	if p := c.s.p; p.AnswersUpdates {
		n, reason := p.requestCode(kindUpdate, err)
		c.send(&requestError{To: kindUpdate, RequestID: u.RequestID, Code: n, Reason: reason})
	}
	return errGone
}
