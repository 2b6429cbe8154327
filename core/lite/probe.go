package lite

import (
	"context"
	"time"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
	"github.com/moqtgo/moqt/ports/quic"
)

const (
	probeTick    = 100 * time.Millisecond
	probeSilence = 10 * time.Second // an estimate is repeated after that
)

// probe serves a PROBE stream: it reports what the transport estimates. What
// the peer writes on it, a target, is ignored.
func (r *request) probe() error {
	r.begin()
	s := r.s
	if !s.budget.Probes.Take() {
		return moq.Errorf(moq.CodeTooMany, "more than %d probe streams", s.cfg.Limits.Probes)
	}
	defer s.budget.Probes.Release()
	if s.conn.Stats().SmoothedRTT < 0 && s.conn.Stats().CongestionWindow < 0 {
		return moq.Errorf(moq.CodeUnsupported, "this transport has no estimates")
	}
	gone := make(chan struct{})
	s.group.Go(func() {
		defer close(gone)
		r.closedByPeer()
	})
	ticker := time.NewTicker(probeTick)
	defer ticker.Stop()
	var last probe
	var at time.Time
	for {
		now := time.Now()
		if p := estimate(s.conn.Stats(), s.p); at.IsZero() || probeDue(last, p, now.Sub(at)) {
			if _, err := r.Write(p.append(nil, s.p)); err != nil {
				return err
			}
			last, at = p, now
		}
		select {
		case <-ticker.C:
		case <-gone:
			return r.Close()
		case <-r.Context().Done():
			r.CancelRead(s.code(CodeCancel))
			return r.Close()
		}
	}
}

// estimate returns what a transport says of its path: the congestion window a
// round trip is the bitrate.
func estimate(st quic.Stats, p *Profile) probe {
	var m probe
	if st.SmoothedRTT <= 0 {
		return m
	}
	if st.CongestionWindow > 0 {
		m.Bitrate = uint64(float64(st.CongestionWindow) * 8 / st.SmoothedRTT.Seconds())
	}
	if p.ProbeRTT {
		m.RTT = max(st.SmoothedRTT.Truncate(time.Millisecond), time.Millisecond)
	}
	return m
}

// probeDue reports whether an estimate has to be sent, since after the last
// one. The change of bitrate that matters falls from 25 % to none within
// probeSilence, that of the round trip is 25 %. What became unknown is taken
// back once.
func probeDue(last, now probe, since time.Duration) bool {
	if since >= probeSilence && now != (probe{}) {
		return true
	}
	if (last.Bitrate == 0) != (now.Bitrate == 0) || (last.RTT == 0) != (now.RTT == 0) {
		return true
	}
	limit := 0.25 * (1 - since.Seconds()/probeSilence.Seconds())
	return moved(float64(last.Bitrate), float64(now.Bitrate), limit) || moved(float64(last.RTT), float64(now.RTT), 0.25)
}

func moved(from, to, limit float64) bool {
	if from == to {
		return false
	}
	return max(from-to, to-from)/from >= limit
}

// Probe implements dialect.Peer.
func (s *session) Probe(ctx context.Context) (*moq.ProbeReader, error) {
	if !s.p.Probe {
		return nil, moq.Errorf(moq.CodeUnsupported, "%s has no PROBE", s.p.Token)
	}
	peer, err := s.awaitPeer(ctx)
	if err != nil {
		return nil, err
	}
	if peer.Probe == probeNone {
		return nil, moq.Errorf(moq.CodeUnsupported, "the peer does not report estimates")
	}
	st, err := s.open(typeProbe, nil)
	if err != nil {
		return nil, s.fromWire(err)
	}
	r := moq.NewProbeReader(func() {
		_ = st.Close()
		stop(s, st)
	})
	read := func() {
		ws := wire.NewStream(wire.RFC9000, st)
		for {
			var m probe
			if err := readMessage(ws, s.p, s.cfg.Limits.ControlBytes, &m); err != nil {
				stop(s, st)
				r.Fail(s.fromWire(err))
				return
			}
			r.Set(moq.Probe{Bitrate: m.Bitrate, RTT: m.RTT})
		}
	}
	if !s.group.Go(read) {
		return nil, moq.ErrDropped
	}
	return r, nil
}
