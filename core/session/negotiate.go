package session

import (
	"context"
	"errors"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/lite"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/ports/quic"
)

// A Pending is a session before the decision to accept it.
type Pending struct {
	dialect.Pending
	conn quic.Connection
	conf *Config
}

// Open chooses the dialect of a connection whose handshake is complete and
// learns what the client asks for. As a server it may wait for the client's
// set-up, for Config.SetupTimeout at most a step. On failure the connection is
// closed.
func Open(ctx context.Context, c quic.Connection, role dialect.Role, conf *Config) (*Pending, error) {
	p, err := open(ctx, c, role, conf)
	if err != nil {
		_ = c.CloseWithError(lite.CodeVersion, err.Error())
		return nil, failed(err)
	}
	return p, nil
}

// failed says what a set-up has failed of: what is not of the transport, of a
// context or said already is what the peer has sent.
func failed(err error) error {
	var said *moq.Error
	var conn *quic.ConnError
	var st *quic.StreamError
	if errors.As(err, &said) || errors.As(err, &conn) || errors.As(err, &st) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &moq.Error{Code: moq.CodeMalformed, Reason: "the set-up is broken", Err: err}
}

func open(ctx context.Context, c quic.Connection, role dialect.Role, conf *Config) (*Pending, error) {
	settings := Config{Versions: conf.Versions, Config: *conf.Config.WithDefaults()}
	if err := c.HandshakeComplete(ctx); err != nil {
		return nil, err
	}
	st := c.State()
	all := choices(conf.Versions)
	var chosen *choice
	for i := range all {
		if all[i].row.Token == st.Protocol {
			chosen = &all[i]
		}
	}
	var in *dialect.InBand
	switch {
	case chosen == nil && st.Protocol != "":
		return nil, moq.Errorf(moq.CodeUnsupported, "the protocol %q is not spoken here", st.Protocol)
	case role == dialect.Server && (chosen == nil || chosen.row.Code != 0):
		var err error
		if chosen, in, err = askInBand(ctx, c, all, &settings); err != nil {
			return nil, err
		}
	case chosen == nil: // a client whose server chose nothing
		for i := range all {
			if all[i].row.Code != 0 {
				chosen = &all[i]
			}
		}
		if chosen == nil {
			return nil, moq.Errorf(moq.CodeUnsupported, "the server chose no protocol")
		}
	}
	p, err := chosen.dialect.Open(ctx, c, chosen.row, role, &settings.Config, in)
	if err != nil {
		return nil, err
	}
	return &Pending{Pending: p, conn: c, conf: &settings}, nil
}
