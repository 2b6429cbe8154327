package lite

import (
	"context"
	"slices"
	"time"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
	"github.com/moqtgo/moqt/ports/quic"
)

// An incoming is one of our subscriptions: a track that the peer feeds.
type incoming struct {
	s     *session
	track *moq.Track
	path  string // as the peer writes it
	name  string

	// of the request loop
	asked bool // TRACK was sent
	out   *dialect.Outbox
	st    quic.Stream
	id    uint64

	// of the request loop, then of out
	sent subscribeRange
	prio uint8

	// guarded by s.mu
	known   bool // the track's info is known
	queued  bool // in s.wanted
	over    bool
	streams map[*uniStream]struct{}
	start   uint64              // every group below has come, or never will
	seen    map[uint64]struct{} // groups above that have come
	started bool
	final   uint64
	ends    bool // final is known
	fin     bool // the peer has ended the subscription
	timer   *time.Timer
	quiet   bool
}

// Track implements route.Source: a peer's tracks exist with us once wanted.
func (s *session) Track(moq.FullTrackName) *moq.Track { return nil }

// Want implements route.Source.
func (s *session) Want(t *moq.Track) {
	s.mu.Lock()
	if s.released {
		s.mu.Unlock()
		s.giveUp(t)
		return
	}
	in := s.byTrack[t]
	if ended, _ := t.Ended(); ended && in == nil {
		s.mu.Unlock()
		return
	}
	if in == nil {
		rel, ok := s.home.Relative(t.Name().Path)
		path, plain := s.path(rel)
		if !ok || !plain {
			s.mu.Unlock()
			t.Fail(moq.Errorf(moq.CodeNotFound, "%q is no name of this session", t.Name()))
			return
		}
		in = &incoming{s: s, track: t, path: path, name: t.Name().Name, streams: map[*uniStream]struct{}{}}
		s.byTrack[t] = in
	}
	s.enqueue(in)
	s.mu.Unlock()
}

// enqueue makes the request loop look at in. s.mu is held.
func (s *session) enqueue(in *incoming) {
	if in.queued || in.over || s.closing {
		return
	}
	in.queued = true
	s.wanted = append(s.wanted, in)
	if !s.requesting {
		s.requesting = s.group.Go(s.request)
	}
}

// request opens what is wanted, one after the other and in the order of names:
// so what happens on the wire does not depend on who asked first.
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

// advance does the next step of a subscription.
func (in *incoming) advance() error {
	s := in.s
	d := in.track.Demand()
	if d.Readers == 0 {
		return nil
	}
	s.mu.Lock()
	known := in.known
	s.mu.Unlock()
	switch {
	case s.p.TrackStream && !known:
		if in.asked {
			return nil
		}
		in.asked = true
		return in.askInfo()
	case d.Paused && in.st == nil && s.p.TrackStream:
		return nil
	case in.st == nil:
		return in.subscribe(d)
	case s.p.SubscribeParams:
		in.out.Wake()
	}
	return nil
}

// updateLull is between two updates of a subscription: subscribers who change
// their mind are no reason to flood the publisher.
const updateLull = 10 * time.Millisecond

// update returns what the peer is to be told of a subscription that has changed.
func (in *incoming) update() []byte {
	d := in.track.Demand()
	r := rangeOf(d)
	r.Start = in.sent.Start // it never goes back
	if d.Readers == 0 || d.Paused || r == in.sent && d.Priority == in.prio {
		return nil
	}
	in.sent, in.prio = r, d.Priority
	m := subscribeUpdate{Priority: d.Priority, subscribeRange: r}
	return m.append(nil, in.s.p)
}

// info returns what a SUBSCRIBE_OK says of a track.
func (p *Profile) info(m *subscribeOK) moq.TrackInfo {
	info := unknownInfo
	if p.TypedResponses {
		info.Priority, info.MaxAge = m.Priority, m.MaxLatency
		if m.Ordered {
			info.Order = moq.Ascending
		}
	}
	return info
}

// unknownInfo is that of a track of which the draft says nothing.
var unknownInfo = moq.TrackInfo{Priority: moq.DefaultPriority, Timescale: moq.DefaultTimescale}

func (in *incoming) setInfo(info moq.TrackInfo) {
	in.s.mu.Lock()
	first := !in.known
	in.known = true
	in.s.mu.Unlock()
	if first {
		if _, known := in.track.Info(); !known {
			in.track.SetInfo(info)
		}
	}
}

func rangeOf(d moq.Demand) subscribeRange {
	r := subscribeRange{Ordered: d.Order == moq.Ascending, MaxLatency: d.MaxLatency}
	if d.From == moq.FromAbsolute {
		r.Start = some(d.Start.Group)
	}
	if d.Ends {
		r.End = some(d.End.Group)
	}
	return r
}

// askInfo sends TRACK and reads the answer in a goroutine.
func (in *incoming) askInfo() error {
	s := in.s
	m := track{Path: in.path, Track: in.name}
	st, err := s.open(typeTrack, &m)
	if err != nil {
		return err
	}
	s.group.Go(func() {
		info, err := s.readInfo(st)
		switch {
		case err == nil:
			in.setInfo(info)
			s.mu.Lock()
			s.enqueue(in)
			s.mu.Unlock()
		case !isConn(err):
			s.endIncoming(in, s.fromWire(err))
		}
	})
	return nil
}

// readInfo reads the answer to TRACK. Our side ends after it: there are peers to
// whom an earlier FIN says that nobody waits any more.
func (s *session) readInfo(st quic.Stream) (moq.TrackInfo, error) {
	defer st.Close()
	timer := time.AfterFunc(s.cfg.RequestTimeout, func() { st.CancelRead(s.code(CodeTimeout)) })
	defer timer.Stop()
	var m trackInfo
	err := wire.UnexpectedEOF(readMessage(wire.NewStream(wire.RFC9000, st), s.p, s.cfg.Limits.ControlBytes, &m))
	st.CancelRead(s.code(CodeCancel))
	info := moq.TrackInfo{Priority: m.Priority, MaxAge: m.MaxLatency, Timescale: m.Timescale}
	if m.Ordered {
		info.Order = moq.Ascending
	}
	return info, err
}

// open opens a request stream and writes its type and first message.
func (s *session) open(t uint64, m message) (quic.Stream, error) {
	st, err := s.conn.OpenStream(s.ctx)
	if err != nil {
		return nil, err
	}
	b := appendVarint(nil, t)
	if m != nil {
		b = m.append(b, s.p)
	}
	if _, err := st.Write(b); err != nil {
		return nil, err
	}
	return st, nil
}

// subscribe sends SUBSCRIBE; the id is known before the peer can use it. A
// track that had another source goes on where that stopped.
func (in *incoming) subscribe(d moq.Demand) error {
	s := in.s
	in.sent, in.prio = rangeOf(d), d.Priority
	if group, ok := in.track.Resume(); ok {
		in.sent.Start = some(group)
	}
	s.mu.Lock()
	if in.over {
		s.mu.Unlock()
		return nil
	}
	in.id = s.nextID
	s.nextID++
	s.ids[in.id] = in
	s.mu.Unlock()
	s.updateReceive()
	m := subscribe{ID: in.id, Path: in.path, Track: in.name, Priority: d.Priority, subscribeRange: in.sent}
	st, err := s.open(typeSubscribe, &m)
	if err != nil {
		return err
	}
	s.mu.Lock()
	in.st, in.out = st, dialect.NewOutbox(s.runner, 1<<62|in.id, st)
	over := in.over
	s.mu.Unlock()
	if over {
		in.cancel()
		return nil
	}
	if s.p.SubscribeParams {
		in.out.Ask(in.update, updateLull)
	}
	s.group.Go(func() { in.respond(wire.NewStream(wire.RFC9000, st)) })
	return nil
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
	path, plain := s.path(rel)
	if !ok || !plain {
		return moq.TrackInfo{}, moq.Errorf(moq.CodeNotFound, "moq-lite cannot carry %q", name)
	}
	if !s.p.TrackStream {
		return unknownInfo, nil
	}
	m := track{Path: path, Track: name.Name}
	st, err := s.open(typeTrack, &m)
	if err != nil {
		return moq.TrackInfo{}, s.fromWire(err)
	}
	defer context.AfterFunc(ctx, func() { st.CancelRead(s.code(CodeCancel)) })()
	info, err := s.readInfo(st)
	if err != nil {
		return info, s.fromWire(err)
	}
	return info, nil
}

// Accepted implements dialect.Peer.
func (s *session) Accepted(context.Context, moq.Path) error {
	return moq.Errorf(moq.CodeUnsupported, "moq-lite does not answer announcements")
}

// Publish implements dialect.Peer.
func (s *session) Publish(context.Context, moq.FullTrackName, *moq.Track) error {
	return moq.ErrUnsupported
}

// SubscribeTracks implements dialect.Peer.
func (s *session) SubscribeTracks(context.Context, moq.Path) error { return moq.ErrUnsupported }
