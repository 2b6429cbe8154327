package ietf

import (
	"context"
	"io"
	"strings"

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

// A pending is a session before the decision to accept it. The peer's set-up
// has been read.
type pending struct {
	c    quic.Connection
	p    *Profile
	role dialect.Role
	cfg  *dialect.Config
	req  *dialect.Request
	st   quic.Stream        // the control stream, with ControlStream
	uni  quic.ReceiveStream // the peer's, with SetupOnUni
	in   *wire.Stream       // of either
	peer setupOptions
}

// What we call ourselves. A relay that joins another one says what it is: there
// is no other field for it, and what it was told by relays must not come back.
const (
	implementation = "moqtgo"
	ourRelay       = "moqtgo-relay"
)

// Open implements dialect.Dialect.
func (Dialect) Open(ctx context.Context, c quic.Connection, row dialect.Row, role dialect.Role, cfg *dialect.Config, in *dialect.InBand) (dialect.Pending, error) {
	pd := &pending{c: c, role: role, cfg: cfg.WithDefaults()}
	for _, p := range Profiles {
		if p.Token == row.Token {
			pd.p = p
		}
	}
	if pd.p == nil {
		return nil, moq.Errorf(moq.CodeUnsupported, "ietf: unknown protocol %q", row.Token)
	}
	st := c.State()
	pd.req = &dialect.Request{
		Versions: []string{pd.p.Token}, TLS: st.TLS, RemoteAddr: st.RemoteAddr, LocalAddr: st.LocalAddr,
	}
	if st.URL != nil {
		pd.req.Path, pd.req.Query, pd.req.Host = st.URL.Path, st.URL.RawQuery, st.URL.Host
	}
	if role == dialect.Server {
		if err := pd.await(ctx, in); err != nil {
			_ = c.CloseWithError(sessionCode(err), err.Error())
			return nil, err
		}
		pd.fill()
	}
	return pd, nil
}

// fill takes from the set-up what the transport does not say.
func (pd *pending) fill() {
	if pd.c.State().URL == nil {
		pd.req.Path, pd.req.Query, _ = strings.Cut(pd.peer.Path.v, "?")
		pd.req.Host = pd.peer.Authority.v
	}
	if st := pd.c.State(); pd.req.Host == "" && st.TLS != nil {
		pd.req.Host = st.TLS.ServerName
	}
}

// await reads the client's set-up.
func (pd *pending) await(ctx context.Context, in *dialect.InBand) error {
	ctx, cancel := context.WithTimeoutCause(ctx, pd.cfg.SetupTimeout, moq.Errorf(moq.CodeTimeout, "no set-up in time"))
	defer cancel()
	switch {
	case pd.p.SetupOnUni:
		return pd.awaitUni(ctx)
	case in != nil:
		pd.st, pd.in = in.Stream, in.In
		r := wire.NewReader(pd.p.Varint, in.Params)
		pd.peer.read(&r, pd.p)
		if err := r.Close(); err != nil {
			return err
		}
		return pd.checkPeer()
	}
	st, err := pd.c.AcceptStream(ctx)
	if err != nil {
		return late(ctx, err)
	}
	pd.st, pd.in = st, wire.NewStream(pd.p.Varint, st)
	m, err := pd.readSetup(ctx)
	if err != nil {
		return err
	}
	client, ok := m.(*clientSetup)
	if !ok {
		return violated(CodeProtocolViolation, "%T instead of CLIENT_SETUP", m)
	}
	pd.peer = client.Options
	return pd.checkPeer()
}

// checkPeer checks what only a client on native QUIC may say.
func (pd *pending) checkPeer() error {
	path, authority := pd.peer.Path, pd.peer.Authority
	native := pd.role == dialect.Server && pd.c.State().URL == nil
	switch {
	case path.has && !native:
		return violated(CodeInvalidPath, "a path that has no place here")
	case path.has && path.v != "" && path.v[0] != '/' && path.v[0] != '?':
		return violated(CodeMalformedPath, "the path %q does not begin with a slash", path.v)
	case authority.has && !native:
		return violated(CodeInvalidAuthority, "an authority that has no place here")
	}
	return nil
}

// awaitUni accepts the peer's control stream, which must be its first stream:
// no data can have been asked for.
func (pd *pending) awaitUni(ctx context.Context) error {
	st, err := pd.c.AcceptUniStream(ctx)
	if err != nil {
		return late(ctx, err)
	}
	pd.uni, pd.in = st, wire.NewStream(pd.p.Varint, st)
	m, err := pd.readSetup(ctx)
	if err != nil {
		return err
	}
	su, ok := m.(*setup)
	if !ok {
		return violated(CodeProtocolViolation, "%T instead of SETUP", m)
	}
	pd.peer = su.Options
	return pd.checkPeer()
}

// readSetup reads the first message of the control stream.
func (pd *pending) readSetup(ctx context.Context) (message, error) {
	stop := context.AfterFunc(ctx, func() {
		if pd.uni != nil {
			pd.uni.CancelRead(0)
		} else {
			pd.st.CancelRead(0)
		}
	})
	defer stop()
	m, err := readMessage(pd.in, pd.p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return m, late(ctx, err)
}

// late says what a step that ctx has ended has failed of.
func late(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && !isConn(err) {
		return moq.Errorf(moq.CodeTimeout, "no set-up in time")
	}
	return err
}

func (pd *pending) Request() *dialect.Request { return pd.req }

func (pd *pending) Config() *dialect.Config { return pd.cfg }

// Fail ends the connection with the code for err.
func (pd *pending) Fail(err error) error { return pd.c.CloseWithError(sessionCode(err), reason(err)) }

// Reject ends the connection.
func (pd *pending) Reject(code quic.ErrorCode, reason string) error {
	return pd.c.CloseWithError(code, reason)
}

// options is what we say of ourselves.
func (pd *pending) options(s *session) setupOptions {
	o := setupOptions{Implementation: implementation}
	if s.hop != 0 {
		o.RelayHops = some(s.hop)
	}
	if pd.role == dialect.Client && pd.cfg.Import {
		o.Implementation = ourRelay
	}
	if pd.p.MaxRequestID {
		o.MaxRequestID = 2 * window(&pd.cfg.Limits)
	}
	if pd.p.LimitUpdates {
		o.MaxRequestUpdates = uint64(pd.cfg.Limits.Updates)
	}
	if pd.role == dialect.Client && pd.c.State().URL == nil {
		if target := pd.cfg.Target; target != "" {
			o.Path = some(target)
		}
		if pd.cfg.Host != "" {
			o.Authority = some(pd.cfg.Host)
		}
	}
	return o
}

// Accept sends our set-up, as a client reads the server's, and serves the
// session.
func (pd *pending) Accept(ctx context.Context, home *route.View) (dialect.Peer, error) {
	s := newSession(pd.c, pd.p, pd.role, pd.cfg, home)
	s.hop = pd.hop(home)
	s.control = &control{s: s, granted: 2 * window(&s.cfg.Limits)}
	if pd.role == dialect.Client {
		s.control.granted++
	}
	ctx, cancel := context.WithTimeout(ctx, pd.cfg.SetupTimeout)
	defer cancel()
	var err error
	if pd.p.SetupOnUni {
		err = pd.exchangeUni(ctx, s)
	} else {
		err = pd.exchange(ctx, s)
	}
	if err != nil {
		_ = pd.c.CloseWithError(sessionCode(err), err.Error())
		return nil, err
	}
	pd.negotiate(s)
	s.control.in = pd.in
	s.start()
	return s, nil
}

// relation returns where the peer stands.
func (pd *pending) relation() route.Relation {
	switch {
	case pd.role == dialect.Client && pd.cfg.Import:
		return route.Upstream
	case pd.role == dialect.Server && (pd.cfg.Leaf || pd.peer.Implementation == ourRelay):
		return route.Leaf
	}
	return route.Stranger
}

func (pd *pending) exchangeUni(ctx context.Context, s *session) error {
	st, err := pd.c.OpenUniStream(ctx)
	if err != nil {
		return err
	}
	m := &setup{Options: pd.options(s)}
	if _, err := st.Write(m.append(nil, pd.p)); err != nil {
		return err
	}
	s.control.out = dialect.NewOutbox(s.runner, 0, st)
	if pd.role == dialect.Server {
		return nil
	}
	return pd.awaitUni(ctx)
}

func (pd *pending) exchange(ctx context.Context, s *session) error {
	if pd.role == dialect.Server {
		m := &serverSetup{Version: pd.p.Code, Options: pd.options(s)}
		if _, err := pd.st.Write(m.append(nil, pd.p)); err != nil {
			return err
		}
		s.control.out = dialect.NewOutbox(s.runner, 0, pd.st)
		return nil
	}
	st, err := pd.c.OpenStream(ctx)
	if err != nil {
		return err
	}
	pd.st, pd.in = st, wire.NewStream(pd.p.Varint, st)
	m := &clientSetup{Options: pd.options(s)}
	if pd.p.VersionList {
		m.Versions = []uint64{pd.p.Code}
	}
	if _, err := st.Write(m.append(nil, pd.p)); err != nil {
		return err
	}
	answer, err := pd.readSetup(ctx)
	if err != nil {
		return err
	}
	server, ok := answer.(*serverSetup)
	if !ok {
		return violated(CodeProtocolViolation, "%T instead of SERVER_SETUP", answer)
	}
	if pd.p.VersionList && server.Version != pd.p.Code {
		return moq.Errorf(moq.CodeUnsupported, "the server chose the version %#x, which was not offered", server.Version)
	}
	pd.peer = server.Options
	if err := pd.checkPeer(); err != nil {
		return err
	}
	s.control.out = dialect.NewOutbox(s.runner, 0, st)
	return nil
}
