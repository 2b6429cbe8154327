package lite

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
	"github.com/moqtgo/moqt/ports/quic"
)

// A loop is a goroutine that runs while it is needed.
type loop struct{ stop context.CancelFunc }

// set starts or stops the loop. s.mu is held.
func (l *loop) set(s *session, needed bool, run func(context.Context)) {
	switch {
	case needed && l.stop == nil:
		ctx, cancel := context.WithCancel(s.ctx)
		l.stop = cancel
		s.group.Go(func() { run(ctx) })
	case !needed && l.stop != nil:
		l.stop()
		l.stop = nil
	}
}

// updateReceive starts and stops the loops that accept groups: they run while
// we have a subscription, that of streams until SETUP is in, too.
func (s *session) updateReceive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	subscribed := len(s.ids) > 0 && !s.closing
	s.groups.set(s, subscribed || s.p.SetupOnUni && !s.setupSeen && !s.closing, s.acceptGroups)
	s.datagrams.set(s, subscribed && s.p.Datagrams && s.conn.State().Datagrams, s.receiveDatagrams)
}

func (s *session) acceptGroups(ctx context.Context) {
	for {
		st, err := s.conn.AcceptUniStream(ctx)
		if err != nil {
			return
		}
		u := &uniStream{s: s, ReceiveStream: st}
		if !s.group.Go(u.handle) {
			return
		}
	}
}

// A uniStream is a unidirectional stream that the peer opened.
type uniStream struct {
	quic.ReceiveStream
	s     *session
	in    *wire.Stream
	begun bool // its first message is in
}

func (u *uniStream) handle() {
	s := u.s
	u.in = wire.NewStream(wire.RFC9000, u.ReceiveStream)
	timer := time.AfterFunc(s.cfg.Limits.HeaderTime, func() { u.CancelRead(s.code(CodeTimeout)) })
	err := u.dispatch(timer)
	timer.Stop()
	s.abuse(s.churn.Check(!u.begun && abortedByPeer(err), time.Now()))
	if err == nil {
		return
	}
	var f fatal
	if errors.As(err, &f) {
		s.Close(err)
	}
	u.CancelRead(s.code(codeOf(err)))
}

func (u *uniStream) dispatch(timer *time.Timer) error {
	t, err := u.in.Varint()
	if err != nil {
		return wire.UnexpectedEOF(err)
	}
	switch {
	case t == typeGroup:
		h, err := readGroupHeader(u.in, u.s.p)
		timer.Stop()
		if err != nil {
			return err
		}
		u.begun = true
		return u.group(h)
	case t == typeSetup && u.s.p.SetupOnUni:
		m, err := readSetup(u.in, u.s.p, u.s.cfg.Limits.ControlBytes)
		if err != nil {
			return u.malformed(err)
		}
		u.CancelRead(u.s.code(CodeCancel))
		return u.s.takeSetup(m)
	}
	return moq.Errorf(moq.CodeUnsupported, "unknown stream type %#x", t)
}

// malformed makes a SETUP that makes no sense fatal; one that was cut off is
// as if there had been none.
func (u *uniStream) malformed(err error) error {
	if _, bad := decodeCode(err); bad {
		return fatal{err}
	}
	return err
}

// group reads a group into the log of its track.
func (u *uniStream) group(h groupHeader) error {
	in, err := u.s.lookup(h.ID)
	if err != nil {
		return err
	}
	if !in.opened(u, h.Sequence) {
		return moq.ErrCanceled
	}
	defer in.finished(u)
	w, e := in.track.OpenGroup(h.Sequence, time.Now())
	if e != nil {
		return e
	}
	return readObjects(u.in, u, u.s, w)
}

// readObjects appends the frames of the stream st, which in reads, to w until
// it ends. What goes wrong stops st before anybody learns of it.
func readObjects(in *wire.Stream, st quic.ReceiveStream, s *session, w *moq.SubgroupWriter) error {
	defer w.AfterEviction(func() { st.CancelRead(s.code(codeOf(moq.ErrEvicted))) })()
	h := moq.ObjectHeader{Priority: w.Priority()}
	stamp := int64(0)
	for ; ; h.ID++ {
		m, err := readFrameHeader(in, s.p)
		if err == io.EOF {
			if e := w.Finish(true); e != nil {
				return e
			}
			return nil
		}
		if err == nil && s.p.Timestamps {
			if stamp += m.Delta; stamp < 0 {
				err = moq.Errorf(moq.CodeMalformed, "negative timestamp")
			}
			h.Timed, h.Timestamp = true, uint64(stamp)
		}
		if err == nil {
			err = readPayload(in, w, h, m.Size)
		}
		if err != nil {
			st.CancelRead(s.code(codeOf(err)))
			if isConn(err) {
				w.Leave()
			} else {
				w.Reset(s.fromWire(err))
			}
			return err
		}
	}
}

func readPayload(in *wire.Stream, w *moq.SubgroupWriter, h moq.ObjectHeader, size uint64) error {
	if e := w.Begin(h, size, time.Now()); e != nil {
		return e
	}
	for {
		buf := w.Space()
		if len(buf) == 0 {
			return nil
		}
		n, err := in.Read(buf)
		if n > 0 {
			if e := w.Advance(n); e != nil {
				return e
			}
		}
		if err != nil && w.Missing() > 0 {
			return wire.UnexpectedEOF(err)
		}
	}
}

func (s *session) receiveDatagrams(ctx context.Context) {
	for {
		b, err := s.conn.ReceiveDatagram(ctx)
		if err != nil {
			return
		}
		var m datagram
		if decode(b, s.p, &m) != nil {
			continue
		}
		in, err := s.lookup(m.ID)
		if err != nil {
			continue // unknown or over: dropped in silence
		}
		if e := in.track.AddGroup(m.Sequence, moq.Frame{Timed: true, Timestamp: m.Timestamp, Payload: m.Payload}, time.Now()); e == nil {
			in.counted(m.Sequence)
		}
	}
}
