package lite

import (
	"context"
	"time"

	"github.com/moqtgo/moqt/core/moq"
)

// goaway takes a GOAWAY: the peer asks us to leave.
func (r *request) goaway() error {
	var m goaway
	if err := r.read(&m); err != nil {
		return err
	}
	if f := r.s.cfg.OnGoaway; f != nil {
		f(m.URI, 0)
	}
	return r.finish()
}

// Goaway implements dialect.Peer. Drafts without GOAWAY return
// moq.ErrUnsupported; the timeout has no place on the wire.
func (s *session) Goaway(_ context.Context, uri string, _ time.Duration) error {
	if !s.p.Goaway {
		return moq.Errorf(moq.CodeUnsupported, "%s has no GOAWAY", s.p.Token)
	}
	st, err := s.open(typeGoaway, &goaway{URI: uri})
	if err != nil {
		return s.fromWire(err)
	}
	err = st.Close()
	stop(s, st)
	return err
}
