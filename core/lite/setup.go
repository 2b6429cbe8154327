package lite

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/core/wire"
	"github.com/moqtgo/moqt/ports/quic"
)

// Dialect speaks the drafts of Profiles.
type Dialect struct{}

// Rows returns the drafts, the preferred one first.
func (Dialect) Rows() []dialect.Row {
	rows := make([]dialect.Row, len(Profiles))
	for i, p := range Profiles {
		rows[i] = dialect.Row{Token: p.Token, Code: p.Code, Carriage: p.Carriage()}
	}
	return rows
}

// A pending is a session before the decision to accept it.
type pending struct {
	c     quic.Connection
	p     *Profile
	role  dialect.Role
	cfg   *dialect.Config
	in    *dialect.InBand
	req   *dialect.Request
	setup *setup // of the peer, where it had to be awaited
}

// Open implements dialect.Dialect. Where the path is in SETUP it waits for
// that, and goes on without one after Config.SetupTimeout.
func (Dialect) Open(ctx context.Context, c quic.Connection, row dialect.Row, role dialect.Role, cfg *dialect.Config, in *dialect.InBand) (dialect.Pending, error) {
	pd := &pending{c: c, role: role, cfg: cfg.WithDefaults(), in: in}
	for _, p := range Profiles {
		if p.Token == row.Token {
			pd.p = p
		}
	}
	if pd.p == nil {
		return nil, moq.Errorf(moq.CodeUnsupported, "lite: unknown protocol %q", row.Token)
	}
	st := c.State()
	pd.req = &dialect.Request{
		Versions: []string{pd.p.Token}, TLS: st.TLS, RemoteAddr: st.RemoteAddr, LocalAddr: st.LocalAddr,
	}
	switch {
	case st.URL != nil:
		pd.req.Path, pd.req.Query, pd.req.Host = st.URL.Path, st.URL.RawQuery, st.URL.Host
	case role == dialect.Server && pd.p.SetupOnUni:
		if err := pd.awaitSetup(ctx); err != nil {
			return nil, err
		}
	}
	if pd.req.Host == "" && st.TLS != nil {
		pd.req.Host = st.TLS.ServerName
	}
	return pd, nil
}

// awaitSetup accepts unidirectional streams until SETUP is found.
func (pd *pending) awaitSetup(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pd.cfg.SetupTimeout)
	defer cancel()
	for {
		st, err := pd.c.AcceptUniStream(ctx)
		switch {
		case err != nil && ctx.Err() == context.DeadlineExceeded:
			return nil // small clients send none: the root, then
		case err != nil:
			return err
		}
		in := wire.NewStream(wire.RFC9000, st)
		stop := context.AfterFunc(ctx, func() { st.CancelRead(mapped(CodeTimeout)) })
		t, err := in.Varint()
		if err == nil && t == typeSetup {
			m, err := readSetup(in, pd.p, pd.cfg.Limits.ControlBytes)
			st.CancelRead(mapped(CodeCancel))
			stop()
			if err != nil {
				_ = pd.c.CloseWithError(codeOf(err), reason(err))
				return err
			}
			pd.setup = m
			path, query, _ := strings.Cut(m.Path, "?")
			pd.req.Path, pd.req.Query = path, query
			return nil
		}
		stop()
		st.CancelRead(mapped(CodeUnexpectedStream)) // no group can have been asked for
	}
}

// readSetup reads a SETUP; whatever follows it is ignored.
func readSetup(in *wire.Stream, p *Profile, limit int) (*setup, error) {
	m := new(setup)
	return m, wire.UnexpectedEOF(readMessage(in, p, limit, m))
}

func (pd *pending) Request() *dialect.Request { return pd.req }

func (pd *pending) Config() *dialect.Config { return pd.cfg }

// Fail ends the connection with the code for err.
func (pd *pending) Fail(err error) error { return pd.c.CloseWithError(codeOf(err), reason(err)) }

// Reject ends the connection.
func (pd *pending) Reject(code quic.ErrorCode, reason string) error {
	return pd.c.CloseWithError(code, reason)
}

// Accept sends our part of the set-up and serves the session.
func (pd *pending) Accept(ctx context.Context, home *route.View) (dialect.Peer, error) {
	s := newSession(pd.c, pd.p, pd.role, pd.cfg, home)
	if err := pd.send(ctx, s); err != nil {
		_ = pd.c.CloseWithError(codeOf(err), reason(err))
		return nil, err
	}
	if pd.setup != nil {
		if err := s.takeSetup(pd.setup); err != nil {
			return nil, err
		}
	}
	s.start()
	return s, nil
}

func (pd *pending) send(ctx context.Context, s *session) error {
	switch {
	case pd.p.SetupOnUni:
		m := &setup{Probe: probeReport, Origin: s.hop}
		if pd.role == dialect.Client && pd.c.State().URL == nil && pd.cfg.Target != "/" {
			m.Path = pd.cfg.Target
		}
		return sendSetup(ctx, pd.c, m.append(appendVarint(nil, typeSetup), pd.p))
	case pd.p.InBandSetup && pd.role == dialect.Server:
		if pd.in == nil {
			return moq.Errorf(moq.CodeMalformed, "no CLIENT_SETUP")
		}
		m := &serverSetup{Version: pd.p.Code}
		if _, err := pd.in.Stream.Write(m.append(nil, pd.p)); err != nil {
			return err
		}
		s.group.Go(func() { s.watchInBand(pd.in.In) })
	case pd.p.InBandSetup:
		return pd.askInBand(ctx, s)
	}
	return nil
}

func sendSetup(ctx context.Context, c quic.Connection, b []byte) error {
	st, err := c.OpenUniStream(ctx)
	if err != nil {
		return err
	}
	if _, err = st.Write(b); err == nil {
		err = st.Close()
	}
	if abortedByPeer(err) {
		return nil // it has read all that it wants
	}
	return err
}

// askInBand sends CLIENT_SETUP and waits for the answer.
func (pd *pending) askInBand(ctx context.Context, s *session) error {
	st, err := pd.c.OpenStream(ctx)
	if err != nil {
		return err
	}
	m := &clientSetup{Versions: []uint64{pd.p.Code}}
	if _, err := st.Write(m.append(nil, pd.p)); err != nil {
		return err
	}
	timer := time.AfterFunc(pd.cfg.SetupTimeout, func() { st.CancelRead(s.code(CodeTimeout)) })
	defer timer.Stop()
	in := wire.NewStream(wire.RFC9000, st)
	t, err := in.Varint()
	if err != nil {
		return wire.UnexpectedEOF(err)
	}
	if t != typeServerSetup {
		return moq.Errorf(moq.CodeMalformed, "the answer to CLIENT_SETUP has type %#x", t)
	}
	var answer serverSetup
	if err := readInBand(in, pd.p, &answer); err != nil {
		return err
	}
	if answer.Version != pd.p.Code {
		return moq.Errorf(moq.CodeUnsupported, "the server chose version %#x", answer.Version)
	}
	s.group.Go(func() { s.watchInBand(in) })
	return nil
}

// watchInBand reads the session stream of drafts with InBandSetup: its end
// ends the session.
func (s *session) watchInBand(in *wire.Stream) {
	for {
		var m sessionInfo
		if err := readMessage(in, s.p, s.cfg.Limits.ControlBytes, &m); err != nil {
			if _, bad := decodeCode(err); bad {
				s.Close(err)
			} else {
				s.Close(nil)
			}
			return
		}
	}
}

// takeSetup records the peer's SETUP; a second one is a violation.
func (s *session) takeSetup(m *setup) error {
	s.mu.Lock()
	if s.setupSeen {
		s.mu.Unlock()
		return fatal{moq.Errorf(moq.CodeMalformed, "second SETUP")}
	}
	s.setupSeen, s.peerSetup = true, *m
	close(s.ready)
	s.mu.Unlock()
	if m.Origin != 0 {
		s.home.SetHop(m.Origin)
	}
	s.updateReceive()
	return nil
}

// awaitPeer waits until the peer's SETUP is in, where the draft has one.
func (s *session) awaitPeer(ctx context.Context) (setup, error) {
	if !s.p.SetupOnUni {
		return setup{Probe: probeReport}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.SetupTimeout)
	defer cancel()
	select {
	case <-s.ready:
		return s.peerSetup, nil
	case <-s.ctx.Done():
		return setup{}, context.Cause(s.ctx)
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return setup{}, moq.Errorf(moq.CodeTimeout, "no SETUP from the peer")
		}
		return setup{}, context.Cause(ctx)
	}
}
