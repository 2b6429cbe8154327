package lite

import (
	"errors"
	"io"
	"math"
	"sync"
	"time"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/ports/quic"
)

// subscription returns what the peer asks for.
func (m *subscribeRange) subscription(priority uint8) moq.Subscription {
	s := moq.Subscription{Priority: priority, MaxLatency: m.MaxLatency}
	if m.Ordered {
		s.Order = moq.Ascending
	}
	if m.Start.has {
		s.From, s.Start = moq.FromAbsolute, moq.Location{Group: m.Start.n}
	}
	if m.End.has {
		s.Ends, s.End = true, moq.Location{Group: m.End.n, Object: math.MaxUint64}
	}
	return s
}

// A serving is a subscription of the peer.
type serving struct {
	s     *session
	r     *request
	out   *dialect.Outbox
	eg    *dialect.Outgoing
	asked subscribe
	info  moq.TrackInfo

	accepted bool // of the runner
	final    func() (uint64, bool)

	mu    sync.Mutex
	drops []subscribeDrop // to be sent
}

// subscribe serves a SUBSCRIBE until the peer ends it.
func (r *request) subscribe() error {
	s := r.s
	v := &serving{s: s, r: r}
	if err := r.read(&v.asked); err != nil {
		return err
	}
	s.style.learn(v.asked.Path)
	if !s.budget.Subscriptions.Take() {
		return moq.Errorf(moq.CodeTooMany, "more than %d subscriptions", s.cfg.Limits.Subscriptions)
	}
	defer s.budget.Subscriptions.Release()
	if !s.serve(v.asked.ID) {
		return moq.Errorf(moq.CodeDuplicate, "subscribe id %d is in use", v.asked.ID)
	}
	defer s.unserve(v.asked.ID)
	v.out = dialect.NewOutbox(s.runner, 1<<32|r.ordinal, r.Stream)
	v.eg = s.egress.Serve(v.asked.ID, dialect.Served{Accepted: v.accept, Started: v.started, Dropped: v.dropped, Ended: v.ended})
	v.out.Ask(v.dropping, 0)
	name := moq.FullTrackName{Path: moq.ParsePath(v.asked.Path), Name: v.asked.Track}
	reader, err := s.home.Subscribe(name, v.asked.subscription(v.asked.Priority), time.Now(), v.eg.Wake)
	if err != nil {
		return err
	}
	v.final = reader.Final
	v.eg.Start(reader)
	defer r.untilStopped()()
	err = v.updates()
	v.eg.Close()
	if err != nil {
		v.out.Reset(s.code(codeOf(err)))
		r.CancelRead(s.code(codeOf(err)))
		var f fatal
		if errors.As(err, &f) {
			return err
		}
		return nil
	}
	v.out.Close()
	return nil
}

// serve takes an id that the peer has drawn; false says that it is in use.
func (s *session) serve(id uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, dup := s.served[id]; dup {
		return false
	}
	s.served[id] = struct{}{}
	return true
}

func (s *session) unserve(id uint64) {
	s.mu.Lock()
	delete(s.served, id)
	s.mu.Unlock()
}

// updates reads SUBSCRIBE_UPDATEs until the peer ends the subscription.
func (v *serving) updates() error {
	for {
		if !v.s.p.SubscribeParams {
			v.r.closedByPeer()
			return nil
		}
		var m subscribeUpdate
		err := readMessage(v.r.in, v.s.p, v.s.cfg.Limits.ControlBytes, &m)
		if err != nil {
			var reset *quic.StreamError
			if err == io.EOF || errors.As(err, &reset) || isConn(err) {
				return nil // FIN or reset: it is not wanted any more
			}
			return err
		}
		v.eg.Update(m.subscription(m.Priority))
		if !v.s.intake.Pace(v.s.ctx) {
			return nil
		}
	}
}

// accept is called by the runner when the track's info is known.
func (v *serving) accept(info moq.TrackInfo, start moq.Location, known bool) {
	v.accepted, v.info = true, info
	if v.s.p.StartEnd {
		return // implied by START
	}
	v.ok(start.Group, known)
}

// ok sends SUBSCRIBE_OK, as drafts without StartEnd have it.
func (v *serving) ok(start uint64, known bool) {
	m := subscribeOK{Priority: v.info.Priority, subscribeRange: subscribeRange{
		Ordered: v.info.Order == moq.Ascending, MaxLatency: v.info.MaxAge, End: v.asked.End,
	}}
	if known {
		m.Start = some(start)
	}
	v.out.Send(m.append(nil, v.s.p))
}

// started is called by the runner when the first group is known. Drafts
// without StartEnd want a second OK then, where the first could not name it; no
// shipped peer sends one, and there are some that never see the end of a stream
// with bytes they do not expect.
func (v *serving) started(group uint64) {
	if v.s.p.StartEnd {
		m := subscribeStart{Group: group}
		v.out.Send(m.append(nil, v.s.p))
	}
}

// maxDrops bounds the ranges of groups that wait to be told of.
const maxDrops = 64

// dropped is called by the runner when a group will not come. Shipped
// subscribers of drafts without StartEnd read the first reply only, see started.
func (v *serving) dropped(group uint64) {
	if !v.s.p.StartEnd {
		return
	}
	v.mu.Lock()
	if n := len(v.drops); n > 0 && v.drops[n-1].End+1 == group {
		v.drops[n-1].End = group
	} else if n < maxDrops {
		v.drops = append(v.drops, subscribeDrop{Start: group, End: group, Error: uint64(CodeOld)})
	}
	v.mu.Unlock()
	v.out.Wake()
}

// dropping returns the messages for what was dropped: ranges, however long the
// peer has not read.
func (v *serving) dropping() []byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	var b []byte
	for i := range v.drops {
		b = v.drops[i].append(b, v.s.p)
	}
	v.drops = nil
	return b
}

// ended is called by the runner when everything has been sent.
func (v *serving) ended(err error) {
	s := v.s
	if err != nil {
		v.out.Reset(s.code(codeOf(err)))
		v.r.CancelRead(s.code(codeOf(err)))
		return
	}
	v.out.Send(v.dropping())
	if final, ok := v.final(); ok && s.p.StartEnd {
		m := subscribeEnd{Group: final}
		v.out.Send(m.append(nil, s.p))
	}
	v.out.Close()
	v.r.release()
}

// track serves a TRACK.
func (r *request) track() error {
	s := r.s
	var m track
	if err := r.read(&m); err != nil {
		return err
	}
	s.style.learn(m.Path)
	info, err := s.homeInfo(r, moq.FullTrackName{Path: moq.ParsePath(m.Path), Name: m.Track})
	if err != nil {
		return err
	}
	info, lost, ok := moq.Sent(s.p.Carriage()).Track(info)
	if s.home.Mux().Lost().Count(lost); !ok {
		return moq.Errorf(moq.CodeUnsupported, "the track has a property that moq-lite cannot tell")
	}
	t := trackInfo{Priority: info.Priority, Ordered: info.Order == moq.Ascending, MaxLatency: info.MaxAge, Timescale: info.Timescale}
	if _, err := r.Write(t.append(nil, s.p)); err != nil {
		return err
	}
	return r.finish()
}

// finish ends a request that was answered.
func (r *request) finish() error {
	if err := r.Close(); err != nil {
		return err
	}
	r.release()
	r.closedByPeer()
	return nil
}

// release gives the peer some time to end its side of a request that is over.
// To stop it at once would overtake our FIN, and there are peers that take the
// one for an error before they see the other.
func (r *request) release() {
	r.timer.Reset(r.s.cfg.Limits.HeaderTime)
}

// homeInfo asks the home view for a track's info, for as long as the request
// lives.
func (s *session) homeInfo(r *request, name moq.FullTrackName) (moq.TrackInfo, error) {
	reader, err := s.home.Subscribe(name, moq.Subscription{Paused: true}, time.Now(), nil)
	if err != nil {
		return moq.TrackInfo{}, err
	}
	defer reader.Close()
	ctx, cancel := s.timeout(r.Context(), s.cfg.RequestTimeout, "no info of the track in time")
	defer cancel()
	return reader.WaitInfo(ctx)
}
