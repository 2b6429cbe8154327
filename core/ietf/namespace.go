package ietf

import (
	"context"
	"slices"
	"sync"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
)

// publishNamespace serves a PUBLISH_NAMESPACE: the namespace and all below it
// are the peer's until it withdraws.
func (c *call) publishNamespace(m *publishNamespace) error {
	s := c.s
	s.mu.Lock()
	told := s.askedFor(m.Namespace)
	s.mu.Unlock()
	if !s.cfg.Import && len(told) == 0 {
		return refused(requestUninterested, "nothing is published here")
	}
	if !s.budget.Announcements.Take() {
		return moq.Errorf(moq.CodeTooMany, "more than %d namespaces", s.cfg.Limits.Announcements)
	}
	defer s.budget.Announcements.Release()
	tell := func(r *route.Route) {
		for _, a := range told {
			a.report(m.Namespace, c, r)
		}
	}
	take := func(m *publishNamespace) (err error) {
		r := s.arrived(&m.Params)
		if tell(&r); s.cfg.Import {
			err = s.enter(m.Namespace, c, r)
		}
		return err
	}
	defer func() {
		if s.ctx.Err() == nil { // that of the session fails who has asked
			tell(nil)
		}
	}()
	err := take(m)
	if c.entered != nil {
		close(c.entered)
	}
	if err != nil && !s.looped(err) {
		return err
	}
	c.send(&requestOK{To: kindPublishNamespace, RequestID: c.id})
	err = c.wait(true, func(m message) error {
		switch u := m.(type) {
		case *requestUpdate:
			if s.p.AnswersUpdates {
				return c.answerUpdate(u)
			}
		case *publishNamespace:
			err := c.again(u)
			if err == nil {
				_ = take(u)
			}
			return err
		}
		return violated(CodeProtocolViolation, "%T on a PUBLISH_NAMESPACE", m)
	})
	if s.cfg.Import && s.ctx.Err() == nil {
		s.withdrawn(m.Namespace, c)
	}
	c.finish()
	return err
}

// An asked is a SUBSCRIBE_NAMESPACE of ours that is answered with requests.
type asked struct {
	prefix moq.Path
	report report
}

// A report is told of a namespace that the request by has brought, over another
// route than before maybe, or taken back (nil). Requests are served at once: what
// a later one has brought, an earlier one cannot take back.
type report func(path moq.Path, by *call, r *route.Route)

// askedFor returns who wants to be told of a namespace. s.mu is held.
func (s *session) askedFor(ns moq.Path) []*asked {
	var told []*asked
	for _, a := range s.asked {
		if _, ok := ns.Under(a.prefix); ok {
			told = append(told, a)
		}
	}
	return told
}

// tell returns NAMESPACE and NAMESPACE_DONE for what has changed below a prefix.
func (c *call) tell(prefix moq.Path, changes []route.Announcement) []byte {
	var b []byte
	say := func(m message) {
		var err error
		if b, err = encode(b, c.s.p, m); err != nil {
			c.s.Close(err)
		}
	}
	for _, a := range changes {
		suffix, _ := a.Path.Under(prefix)
		if c.s.p.reserved(a.Path) {
			if a.Change == route.Active {
				c.s.home.Mux().Lost().Count(moq.LossName.Of())
			}
			continue
		}
		if a.Change == route.Ended || a.Change == route.Replaced {
			say(&namespaceDone{Suffix: suffix})
		}
		if a.Change == route.Active || a.Change == route.Replaced || a.Change == route.Rerouted && c.s.p.Hops {
			say(&namespace{Suffix: suffix, Params: c.s.departs(a)})
		}
	}
	return b
}

// importAll asks a server for what it has, to enter it into the home view. A
// server is told by its clients without asking.
func (s *session) importAll() {
	err := s.namespaces("", func(path moq.Path, by *call, r *route.Route) {
		if r != nil {
			_ = s.enter(path, by, *r)
		} else {
			s.withdrawn(path, by)
		}
	})
	if isViolation(err) {
		s.Close(err)
	}
}

// namespaces asks for the namespaces below a prefix and reports each change
// until the request or the session ends.
func (s *session) namespaces(prefix moq.Path, report report) error {
	c, err := s.open(kindSubscribeNamespace, func(c *call) message {
		return &subscribeNamespace{RequestID: c.id, Prefix: prefix, Options: wantNamespace}
	})
	if err != nil {
		return err
	}
	return s.readNamespaces(c, prefix, report)
}

func (s *session) readNamespaces(c *call, prefix moq.Path, report report) error {
	if _, err := c.answer(); err != nil {
		return err
	}
	active := map[moq.Path]struct{}{}
	defer func() { // the end of the request is that of all it has told of
		for path := range active {
			if s.ctx.Err() == nil {
				report(path, c, nil)
			}
			s.budget.Announcements.Release()
		}
	}()
	return c.wait(true, func(m message) error {
		switch m := m.(type) {
		case *namespace:
			path := prefix.Join(m.Suffix)
			if _, again := active[path]; !again {
				if !s.budget.Announcements.Take() {
					return violated(CodeProtocolViolation, "more than %d namespaces", s.cfg.Limits.Announcements)
				}
				active[path] = struct{}{}
			}
			r := s.arrived(&m.Params)
			report(path, c, &r)
		case *namespaceDone:
			path := prefix.Join(m.Suffix)
			if _, was := active[path]; !was {
				return violated(CodeProtocolViolation, "NAMESPACE_DONE of %q, which is not there", path)
			}
			delete(active, path)
			s.budget.Announcements.Release()
			report(path, c, nil)
		case *requestOK, *requestError, *publishSkipped:
		default:
			return violated(CodeProtocolViolation, "%T on a SUBSCRIBE_NAMESPACE", m)
		}
		return nil
	})
}

// Announced implements dialect.Peer.
func (s *session) Announced(ctx context.Context, prefix moq.Path) (*route.AnnounceReader, error) {
	view := route.NewMux(route.Config{Linger: -1}).View(route.Scope{})
	reader, err := view.Watch("", 0, nil)
	if err != nil {
		return nil, err
	}
	reader.Gather(s.cfg.Gather)
	var pubsMu sync.Mutex
	pubs := map[moq.Path]entry{}
	report := func(path moq.Path, by *call, r *route.Route) {
		pubsMu.Lock()
		defer pubsMu.Unlock()
		old, had := pubs[path]
		switch {
		case r == nil && (!had || old.by != by):
			return
		case r == nil:
			old.pub.End()
			delete(pubs, path)
			return
		}
		way := *r
		way.Prefix = true
		var err error
		e := entry{pub: old.pub, by: by}
		switch {
		case had && old.by == by && s.p.Hops:
			err = old.pub.Reroute(way)
		case had: // of another request
			err = old.pub.Replace(way)
		default:
			e.pub, err = view.Publish(path, way, s)
		}
		if err == nil {
			pubs[path] = e
		} else {
			delete(pubs, path)
		}
	}
	a := &asked{prefix: prefix, report: report}
	forget := func() {
		s.mu.Lock()
		s.asked = slices.DeleteFunc(s.asked, func(b *asked) bool { return a == b })
		s.mu.Unlock()
	}
	if !s.p.NamespaceMessages {
		s.mu.Lock()
		s.asked = append(s.asked, a)
		s.mu.Unlock()
	}
	c, err := s.open(kindSubscribeNamespace, func(c *call) message {
		return &subscribeNamespace{RequestID: c.id, Prefix: prefix, Options: wantNamespace}
	})
	if err != nil {
		forget()
		reader.Close()
		return nil, s.fromWire(err)
	}
	unhook := context.AfterFunc(ctx, func() { reader.Fail(context.Cause(ctx)) })
	reader.OnEnd(func() {
		unhook()
		forget()
		c.leave()
		c.withdraw(&unsubscribeNamespace{Prefix: prefix})
	})
	started := s.group.Go(func() {
		err := s.readNamespaces(c, prefix, report)
		switch {
		case isViolation(err):
			s.Close(err)
		case err == nil:
			err = moq.ErrClosed
		}
		reader.Fail(err)
	})
	if !started {
		reader.Fail(moq.ErrClosed)
	}
	return reader, nil
}
