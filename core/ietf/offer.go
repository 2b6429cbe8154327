package ietf

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
)

// An offer is a PUBLISH_NAMESPACE of ours; where the peer refuses it and says
// when to try again, one after the other.
type offer struct {
	s    *session
	path moq.Path
	over chan struct{} // closed when it is taken back

	sending sync.Mutex // one request or repetition at a time; taken before s.mu

	// guarded by s.mu
	c        *call      // the last one
	params   parameters // the last ones
	refused  bool       // the last one was, and no other will follow
	answered bool
	err      error // the peer has refused it, or has cancelled it later
}

// Accepted implements dialect.Peer.
func (s *session) Accepted(ctx context.Context, path moq.Path) error {
	if s.role == dialect.Server && s.p.NamespaceMessages {
		return moq.Errorf(moq.CodeUnsupported, "NAMESPACE has no answer")
	}
	for {
		s.mu.Lock()
		o, changed := s.offers[path], s.answered
		var answered bool
		var err error
		if o != nil {
			answered, err = o.answered, o.err
		}
		s.mu.Unlock()
		if answered {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.ctx.Done():
			return s.fromWire(context.Cause(s.ctx))
		}
	}
}

// export offers everything of the home view to a server, which has not asked
// for it.
func (s *session) export() {
	wake, woken := waker()
	reader, err := s.home.Watch("", 0, woken)
	if err != nil {
		return
	}
	defer reader.Close()
	e := &exported{s: s, live: map[moq.Path]*offer{}}
	defer e.withdraw()
	s.heed(s.ctx, wake, func() (more, ok bool) { return e.drain(reader) })
}

// waker returns what a reader wakes, and how.
func waker() (wake <-chan struct{}, woken func()) {
	c := make(chan struct{}, 1)
	return c, func() {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// heed says by drain what there is to be said, until ctx ends or nothing can be
// said any more. What changes several times in a lull is said once.
func (s *session) heed(ctx context.Context, wake <-chan struct{}, drain func() (more, ok bool)) {
	for said := false; ctx.Err() == nil; {
		s.cfg.GatherEarly(ctx)
		more, ok := drain()
		if !ok {
			return
		}
		if more {
			said = true
			continue
		}
		if said {
			said = false
			lull := time.NewTimer(s.cfg.Limits.AnnounceLull)
			select {
			case <-lull.C:
			case <-ctx.Done():
				lull.Stop()
			}
			continue
		}
		select {
		case <-wake:
		case <-ctx.Done():
		}
	}
}

// Exported is what was offered to the peer for one reason.
type exported struct {
	s    *session
	live map[moq.Path]*offer
}

// drain offers the next changes. more says that there were any, ok that there
// can be more requests.
func (e *exported) drain(names *route.AnnounceReader) (more, ok bool) {
	for _, a := range names.Drain(64) {
		if more = true; !e.offer(a) {
			return more, false
		}
	}
	return more, true
}

// offer makes a PUBLISH_NAMESPACE of an announcement, repeats it for another
// route, and withdraws it with its end. It returns false when there are no more
// requests.
func (e *exported) offer(a route.Announcement) bool {
	if a.Change == route.Ended || a.Change == route.Replaced {
		e.end(a.Path)
	}
	if o := e.live[a.Path]; a.Change == route.Ended || o != nil && o.again(a) {
		return true
	}
	e.end(a.Path) // it was refused: on another way it may not be
	if e.s.p.reserved(a.Path) {
		e.s.home.Mux().Lost().Count(moq.LossName.Of())
		return true
	}
	o, err := e.s.announce(a)
	if err != nil {
		return false
	}
	e.live[a.Path] = o
	return true
}

func (e *exported) end(p moq.Path) {
	if o := e.live[p]; o != nil {
		delete(e.live, p)
		e.s.withdraw(p, o)
	}
}

func (e *exported) withdraw() {
	for _, p := range slices.Sorted(maps.Keys(e.live)) {
		e.end(p)
	}
}

// announce makes a PUBLISH_NAMESPACE.
func (s *session) announce(a route.Announcement) (*offer, error) {
	o := &offer{s: s, path: a.Path, over: make(chan struct{}), params: s.departs(a)}
	c, err := o.ask()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.offers[a.Path] = o
	s.mu.Unlock()
	s.group.Go(func() { o.serve(c) })
	return o, nil
}

// ask sends the request.
func (o *offer) ask() (*call, error) {
	o.sending.Lock()
	defer o.sending.Unlock()
	o.s.mu.Lock()
	params := o.params
	o.s.mu.Unlock()
	c, err := o.s.open(kindPublishNamespace, func(c *call) message {
		return &publishNamespace{RequestID: c.id, Namespace: o.path, Params: params}
	})
	if err != nil {
		return nil, err
	}
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	c.name.Path = o.path
	o.c = c
	return c, nil
}

// again tells the peer of another route, if it cares. It returns false where the
// peer has refused the offer.
func (o *offer) again(a route.Announcement) bool {
	s := o.s
	if !s.p.Hops {
		return true
	}
	o.sending.Lock()
	defer o.sending.Unlock()
	s.mu.Lock()
	o.params = s.departs(a)
	c, refused := o.c, o.refused
	s.mu.Unlock()
	if !refused && !c.left() && !c.refused.Load() {
		c.send(&publishNamespace{RequestID: c.id, Namespace: o.path, Params: s.departs(a)})
	}
	return !refused
}

// withdraw takes an offer back.
func (s *session) withdraw(path moq.Path, o *offer) {
	close(o.over)
	s.mu.Lock()
	if s.offers[path] == o {
		delete(s.offers, path)
	}
	c := o.c
	s.mu.Unlock()
	o.end(c)
}

// end withdraws a request of the offer.
func (o *offer) end(c *call) {
	if c.left() { // the peer has cancelled it
		c.refused.Store(true)
	} else {
		c.leave()
	}
	c.withdraw(&publishNamespaceDone{RequestID: c.id, Namespace: o.path})
}

// serve reads what the peer says of an offer until it ends. Refused or not, it
// is the peer's business: who wants to know asks Accepted.
func (o *offer) serve(c *call) {
	for {
		err := o.respond(c)
		var r *moq.RefusalError
		if !errors.As(err, &r) || !r.Retry {
			o.s.mu.Lock()
			o.refused = true
			o.s.mu.Unlock()
			return
		}
		timer := time.NewTimer(max(r.After, minRetry))
		select {
		case <-timer.C:
		case <-o.over:
			timer.Stop()
			return
		case <-o.s.ctx.Done():
			timer.Stop()
			return
		}
		c.withdraw(nil) // nothing more is said of it
		if c, err = o.ask(); err != nil {
			return
		}
		select {
		case <-o.over: // withdraw may have seen the one before
			o.end(c)
			return
		default:
		}
	}
}

// minRetry is how long we wait at least before a request is made again.
const minRetry = time.Second

// respond reads what the peer says of one request until it ends, and returns
// why it was refused.
func (o *offer) respond(c *call) error {
	m, err := c.answer()
	if ok, is := m.(*requestOK); err == nil && (!is || ok.To != kindPublishNamespace) {
		err = violated(CodeProtocolViolation, "%T answers PUBLISH_NAMESPACE", m)
	}
	switch {
	case err == nil:
	case isViolation(err):
		o.s.Close(err)
		return nil
	case isGone(err):
		err = moq.Errorf(moq.CodeTimeout, "PUBLISH_NAMESPACE was not answered")
	}
	o.tell(err)
	if err != nil {
		return err
	}
	if err := c.wait(true, func(message) error { return nil }); isViolation(err) {
		o.s.Close(err)
		return nil
	}
	c.leave()
	o.tell(&moq.Error{Code: moq.CodeCanceled, Reason: "the peer has cancelled PUBLISH_NAMESPACE", Remote: true})
	return nil
}

// tell notes the answer.
func (o *offer) tell(err error) {
	s := o.s
	s.mu.Lock()
	defer s.mu.Unlock()
	o.answered, o.err = true, err
	close(s.answered)
	s.answered = make(chan struct{})
}
