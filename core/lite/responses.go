package lite

import (
	"errors"
	"io"
	"time"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
)

// respond reads the peer's responses until the subscription ends.
func (in *incoming) respond(ws *wire.Stream) {
	s := in.s
	err := in.responses(ws)
	switch {
	case err == nil: // FIN
		in.published(0, false)
	case isConn(err): // teardown decides
	default:
		var f fatal
		if errors.As(err, &f) {
			s.Close(err)
		}
		s.endIncoming(in, s.fromWire(err))
	}
}

// responses reads what the publisher says until it ends the stream.
func (in *incoming) responses(ws *wire.Stream) error {
	s := in.s
	var timer *time.Timer
	if !s.p.StartEnd {
		timer = time.AfterFunc(s.cfg.RequestTimeout, func() { in.st.CancelRead(s.code(CodeTimeout)) })
		defer timer.Stop()
	}
	for {
		m, err := readResponse(ws, s.p, s.cfg.Limits.ControlBytes)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *subscribeOK:
			timer.Stop()
			in.setInfo(s.p.info(m))
		case *subscribeStart:
			s.mu.Lock()
			if !in.started {
				in.start, in.started = m.Group, true
				in.settle()
			}
			s.mu.Unlock()
		case *subscribeEnd:
			in.published(m.Group, true)
		case *subscribeDrop:
			in.dropped(m)
		}
	}
}

func (in *incoming) dropped(m *subscribeDrop) {
	s := in.s
	start, end := m.Start, m.End
	if s.style.v.Load() == styleSlash && !s.p.StartEnd && start > 0 && end > 0 {
		start, end = start-1, end-1 // such peers write n+1
	}
	if end < start || end-start >= maxSeen {
		return
	}
	in.track.Absent(start, end, time.Now())
	s.mu.Lock()
	for n := range end - start + 1 {
		in.note(start + n)
	}
	s.mu.Unlock()
	in.checkEnd()
}

// lookup returns the subscription with the id, for a group that has come.
func (s *session) lookup(id uint64) (*incoming, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if in := s.ids[id]; in != nil {
		return in, nil
	}
	return nil, moq.Errorf(moq.CodeCanceled, "no subscription has the id %d", id)
}
