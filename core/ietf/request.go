package ietf

// opens says what request m is the first message of, and its Request ID.
func opens(m message) (id uint64, kind requestKind, ok bool) {
	switch m := m.(type) {
	case *subscribe:
		return m.RequestID, kindSubscribe, true
	case *publish:
		return m.RequestID, kindPublish, true
	case *fetch:
		return m.RequestID, kindFetch, true
	case *trackStatus:
		return m.RequestID, kindTrackStatus, true
	case *publishNamespace:
		return m.RequestID, kindPublishNamespace, true
	case *subscribeNamespace:
		return m.RequestID, kindSubscribeNamespace, true
	case *subscribeTracks:
		return m.RequestID, kindSubscribeTracks, true
	}
	return 0, kindUnknown, false
}

// belongsTo says which request a later message on a ControlStream belongs to.
// A requestOK or requestError may also belong to a requestUpdate, by that
// one's own Request ID. ok is false for messages about the session, and for
// those that name a namespace instead.
func belongsTo(p *Profile, m message) (id uint64, ok bool) {
	switch m := m.(type) {
	case *subscribeOK:
		return m.RequestID, true
	case *fetchOK:
		return m.RequestID, true
	case *requestOK:
		return m.RequestID, true
	case *requestError:
		return m.RequestID, true
	case *requestUpdate:
		return m.ExistingID, true
	case *publishDone:
		return m.RequestID, true
	case *unsubscribe:
		return m.RequestID, true
	case *fetchCancel:
		return m.RequestID, true
	case *publishNamespaceDone:
		return m.RequestID, p.NamespaceRequestID
	case *publishNamespaceCancel:
		return m.RequestID, p.NamespaceRequestID
	}
	return 0, false
}
