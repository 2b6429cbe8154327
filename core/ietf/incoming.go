package ietf

import (
	"context"
	"slices"
	"time"

	"github.com/moqtgo/moqt/core/moq"
)

// An incoming is one of our subscriptions: a track that the peer feeds.
type incoming struct {
	s     *session
	track *moq.Track
	name  moq.FullTrackName

	// of the request loop
	c    *call
	sent parameters

	// guarded by s.mu
	queued  bool // in s.wanted
	over    bool
	renew   bool        // it is to be updated, so that it does not expire
	expiry  *time.Timer // of that
	updated bool        // an update was sent and is not answered
	bound   bool        // the alias is known
	alias   uint64
	info    moq.TrackInfo
	start   moq.Location // behind the largest object when it was bound
	streams map[*uniStream]struct{}
	came    uint64 // streams that have come
	done    bool   // PUBLISH_DONE has come
	count   uint64 // streams that there will have been
	known   bool   // count is known
	why     *moq.Error
	timer   *time.Timer
	join    *join
	taken   bool // something of what the peer brings was new, or the same
}

// Want implements route.Source.
func (s *session) Want(t *moq.Track) {
	s.mu.Lock()
	if s.released {
		s.mu.Unlock()
		s.giveUp(t)
		return
	}
	in := s.byTrack[t]
	rel, ok := s.home.Relative(t.Name().Path)
	if ended, _ := t.Ended(); in == nil && (ended || s.pushes(moq.FullTrackName{Path: rel, Name: t.Name().Name})) {
		s.mu.Unlock()
		return
	}
	if in == nil {
		if !ok || s.onlyTracks(rel) {
			s.mu.Unlock()
			s.fail(t, moq.Errorf(moq.CodeNotFound, "%q is not published here", t.Name()))
			return
		}
		in = &incoming{s: s, track: t, streams: map[*uniStream]struct{}{}}
		in.name = moq.FullTrackName{Path: rel, Name: t.Name().Name}
		s.byTrack[t] = in
	}
	if !in.queued && !in.over && !s.closing {
		in.queued = true
		s.wanted = append(s.wanted, in)
		if !s.requesting {
			s.requesting = s.group.Go(s.request)
		}
	}
	s.mu.Unlock()
}

// request makes the requests that are wanted, one after the other and in the
// order of names.
func (s *session) request() {
	for {
		s.cfg.Gather(s.ctx)
		s.mu.Lock()
		if len(s.wanted) == 0 || s.closing {
			s.requesting = false
			s.mu.Unlock()
			return
		}
		first := slices.MinFunc(s.wanted, func(a, b *incoming) int { return a.track.Name().Compare(b.track.Name()) })
		s.wanted = slices.DeleteFunc(s.wanted, func(in *incoming) bool { return in == first })
		first.queued = false
		over := first.over
		s.mu.Unlock()
		if over {
			continue
		}
		if err := first.advance(); err != nil && !isConn(err) {
			s.endIncoming(first, s.fromWire(err))
		}
	}
}

// advance does the next step of a subscription. Who wants the info only is
// likely to want the rest next, and there are peers that answer no
// TRACK_STATUS: so it is subscribed at once.
func (in *incoming) advance() error {
	s := in.s
	s.mu.Lock()
	renew := in.renew && in.c != nil
	in.renew = false
	s.mu.Unlock()
	if renew {
		return in.update()
	}
	d := in.track.Demand()
	if d.Readers == 0 {
		return nil
	}
	if s.cfg.Import { // a relay keeps what comes too late for one subscriber
		d.ObjectTimeout, d.SubgroupTimeout = 0, 0
	}
	want := parametersOf(s.p, d)
	if in.c != nil && in.c.kind == kindPublish {
		return nil
	}
	if in.c == nil {
		if group, ok := in.track.Resume(); ok {
			want.Filter = some(locationFilter{Type: filterAbsoluteStart, Start: moq.Location{Group: group}})
		}
		in.sent = want
		if !s.p.MultiSubscription {
			s.supersede(in)
		}
		c, err := s.open(kindSubscribe, func(c *call) message {
			return &subscribe{RequestID: c.id, Name: in.name, Params: want}
		})
		if err != nil {
			return err
		}
		s.mu.Lock()
		in.c = c
		over := in.over
		s.mu.Unlock()
		if over {
			c.withdraw(&unsubscribe{RequestID: c.id})
			return nil
		}
		s.group.Go(in.respond)
		return nil
	}
	return in.change(&want)
}

// supersede withdraws the subscription of another track of the same name: one is
// all that there may be. That one is of what the peer has announced before, and
// its subscribers come back to what it announces now.
func (s *session) supersede(in *incoming) {
	var before []*incoming
	s.mu.Lock()
	for _, other := range s.byTrack {
		if other != in && other.name == in.name && other.c != nil && other.c.kind == kindSubscribe && !other.over {
			before = append(before, other)
		}
	}
	s.mu.Unlock()
	for _, other := range before { // one at most
		s.endIncoming(other, moq.Errorf(moq.CodeReplaced, "%q was announced again", in.name.Path))
	}
}

// respond reads what the peer says of a subscription until it ends.
func (in *incoming) respond() {
	err := in.responses()
	s := in.s
	s.mu.Lock()
	done := in.done
	s.mu.Unlock()
	if s.ctx.Err() != nil {
		return // teardown decides
	}
	if isGone(err) { // to the subscribers of the track it is no withdrawal
		err = moq.Errorf(moq.CodeDropped, "the publisher reset the subscription")
	}
	if err == nil && !done {
		err = moq.Errorf(moq.CodeDropped, "the subscription ended without PUBLISH_DONE")
	}
	switch {
	case err == nil, isConn(err):
	case isViolation(err):
		s.Close(err)
	default:
		s.endIncoming(in, s.fromWire(err))
	}
}

func (in *incoming) responses() error {
	s := in.s
	m, err := in.c.answer()
	if err != nil {
		return err
	}
	ok, is := m.(*subscribeOK)
	if !is {
		return violated(CodeProtocolViolation, "%T answers SUBSCRIBE", m)
	}
	if err := s.p.malformedTrack(ok.Properties); err != nil {
		return err
	}
	info := s.p.info(ok.Properties, &ok.Params)
	in.begins(ok.Params.LargestObject)
	if err := in.bind(ok.TrackAlias, info); err != nil {
		return err
	}
	if _, known := in.track.Info(); !known {
		in.track.SetInfo(info)
	}
	in.expires(ok.Params.Expires.v)
	return in.c.wait(true, in.response)
}

// response takes what the publisher says of a subscription once it stands.
func (in *incoming) response(m message) error {
	switch m := m.(type) {
	case *publishDone:
		if in.done { // only written here
			return violated(CodeProtocolViolation, "a second PUBLISH_DONE")
		}
		in.published(m)
	case *requestOK, *requestError:
		in.updateAnswered()
	case *publishStateNotify:
	default:
		return violated(CodeProtocolViolation, "%T of a subscription", m)
	}
	return nil
}

// bind makes the alias known: streams that came before it go on.
func (in *incoming) bind(alias uint64, info moq.TrackInfo) error {
	s := in.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.aliases[alias]; other != nil && other != in {
		return violated(CodeDuplicateTrackAlias, "track alias %d is in use", alias)
	}
	if in.over {
		return nil
	}
	in.alias, in.bound, in.info = alias, true, info
	s.aliases[alias] = in
	for _, wake := range s.parked[alias] {
		close(wake)
	}
	delete(s.parked, alias)
	return nil
}

// published takes PUBLISH_DONE. Streams may still be under way: the track ends
// when as many have come as the peer says, or when none has for a while.
func (in *incoming) published(m *publishDone) {
	s := in.s
	s.mu.Lock()
	in.done, in.count = true, m.StreamCount
	in.known = m.StreamCount > 0 && m.StreamCount < s.p.StreamCount // there are peers that always say 0
	if e := s.p.doneFailure(m); e.Code != moq.CodeClosed {
		in.why = e
	}
	if !in.over && !s.closing && in.timer == nil {
		in.timer = time.AfterFunc(s.cfg.Limits.ParkTime, in.graceOver)
	}
	s.mu.Unlock()
	in.checkEnd()
}

func (in *incoming) graceOver() {
	s := in.s
	s.mu.Lock()
	if in.over || s.closing {
		s.mu.Unlock()
		return
	}
	if len(in.streams) > 0 || !in.join.isOver() {
		in.timer.Reset(s.cfg.Limits.ParkTime)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	in.finish()
}

func (in *incoming) checkEnd() {
	s := in.s
	s.mu.Lock()
	end := in.done && in.known && !in.over && !s.closing && len(in.streams) == 0 && in.came >= in.count && in.join.isOver()
	s.mu.Unlock()
	if end {
		in.finish()
	}
}

// finish ends the track as the peer has.
func (in *incoming) finish() {
	if in.join != nil {
		in.join.settle()
	}
	if in.why == nil && in.s.home.Mux().Quit(in.track, in.s) { // otherwise others go on
		in.track.Finish(0)
	}
	in.s.endIncoming(in, in.why)
}

// endIncoming forgets a subscription and fails its track with why, if that is
// not nil.
func (s *session) endIncoming(in *incoming, why *moq.Error) {
	s.mu.Lock()
	if in.over || s.closing {
		s.mu.Unlock()
		return
	}
	in.over = true
	if in.expiry != nil {
		in.expiry.Stop()
	}
	if in.timer != nil {
		in.timer.Stop()
	}
	s.mu.Unlock()
	if why != nil {
		s.fail(in.track, why) // before it is forgotten: it must not be wanted anew
	}
	s.mu.Lock()
	delete(s.byTrack, in.track)
	if in.bound && s.aliases[in.alias] == in {
		delete(s.aliases, in.alias)
	}
	streams := make([]*uniStream, 0, len(in.streams))
	for u := range in.streams {
		streams = append(streams, u)
	}
	c, done, j := in.c, in.done, in.join
	s.mu.Unlock()
	if j != nil {
		j.abandon()
		j.settle()
	}
	for _, u := range streams {
		u.CancelRead(s.reset(moq.ErrCanceled))
	}
	switch {
	case c == nil:
	case done:
		c.finish()
		c.leave()
		c.forget()
	default:
		c.leave()
		c.withdraw(&unsubscribe{RequestID: c.id})
	}
}

// fail ends a track, unless others bring it too.
func (s *session) fail(t *moq.Track, why *moq.Error) {
	if s.home.Mux().Quit(t, s) {
		t.Fail(why)
	}
}

// differs ends the track where what this publisher brings is not what is there.
func (in *incoming) differs(why *moq.Error) {
	if why.Code != moq.CodeMalformed {
		return
	}
	if !in.s.home.Mux().Conflict(in.track, why) {
		in.track.Fail(why)
	}
	in.s.endIncoming(in, why)
}

// strange reports whether the peer begins with a group that is older than all
// that others have brought: it is no publisher of the same.
func (in *incoming) strange(group uint64) bool {
	in.s.mu.Lock()
	taken := in.taken
	in.s.mu.Unlock()
	oldest, ok := in.track.Oldest()
	return !taken && ok && group < oldest &&
		in.s.home.Mux().Conflict(in.track, moq.Errorf(moq.CodeReplaced, "another publisher begins with group %d", group))
}

// Drop implements route.Source.
func (s *session) Drop(t *moq.Track) {
	s.mu.Lock()
	in := s.byTrack[t]
	s.mu.Unlock()
	if in != nil {
		s.endIncoming(in, nil)
	}
}

// TrackInfo implements dialect.Peer.
func (s *session) TrackInfo(ctx context.Context, name moq.FullTrackName) (moq.TrackInfo, error) {
	rel, ok := s.home.Relative(name.Path)
	if !ok {
		return moq.TrackInfo{}, moq.Errorf(moq.CodeNotFound, "%q is no name of this session", name)
	}
	c, err := s.open(kindTrackStatus, func(c *call) message {
		m := &trackStatus{RequestID: c.id, Name: moq.FullTrackName{Path: rel, Name: name.Name}}
		m.Params.Filter = some(locationFilter{Type: filterLargestObject})
		return m
	})
	if err != nil {
		return moq.TrackInfo{}, err
	}
	defer context.AfterFunc(ctx, c.abandon)()
	defer c.finish()
	defer c.forget()
	m, err := c.answer()
	if err != nil {
		return moq.TrackInfo{}, s.fromWire(err)
	}
	answer, is := m.(*requestOK)
	if !is {
		return moq.TrackInfo{}, moq.Errorf(moq.CodeMalformed, "%T answers TRACK_STATUS", m)
	}
	return s.p.info(answer.Properties, &answer.Params), nil
}

// Probe implements dialect.Peer.
func (s *session) Probe(context.Context) (*moq.ProbeReader, error) {
	return nil, moq.Errorf(moq.CodeUnsupported, "%s has no PROBE", s.p.Token)
}
