package lite

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/core/wire"
	"github.com/moqtgo/moqt/ports/quic"
)

// An imported is what the peer announces below a prefix, entered into a view.
type imported struct {
	s    *session
	into *route.View
	// base is put before the suffixes that the peer sends.
	base moq.Path
	hop  uint64                          // of the peer, from ANNOUNCE_OK
	pubs map[moq.Path]*route.Publication // nil: refused, a reflection for example
}

// importAll enters everything that the peer announces into the home view.
func (s *session) importAll() {
	in := &imported{s: s, into: s.home, pubs: map[moq.Path]*route.Publication{}}
	s.mu.Lock()
	s.imports = append(s.imports, in)
	s.mu.Unlock()
	st, err := in.open("")
	if err != nil {
		return
	}
	err = in.read(st)
	var f fatal
	switch {
	case errors.As(err, &f):
		s.Close(err)
	case !isConn(err): // the peer has nothing more to announce
		in.end()
	}
}

func (in *imported) open(prefix moq.Path) (quic.Stream, error) {
	s := in.s
	text, ok := s.prefix(prefix)
	if !ok {
		return nil, moq.Errorf(moq.CodeUnsupported, "moq-lite cannot carry %q", prefix)
	}
	return s.open(typeAnnounce, &announceRequest{Prefix: text, ExcludeHop: s.hop})
}

// read enters announcements until the stream ends.
func (in *imported) read(st quic.Stream) error {
	s := in.s
	ws := wire.NewStream(wire.RFC9000, st)
	limit := s.cfg.Limits.ControlBytes
	switch {
	case s.p.AnnounceInit:
		var m announceInit
		if err := readMessage(ws, s.p, limit, &m); err != nil {
			return in.judge(err)
		}
		for _, suffix := range m.Suffixes {
			if err := in.take(&announce{Active: true, Suffix: suffix}); err != nil {
				return err
			}
		}
	case s.p.AnnounceOK:
		var m announceOK
		if err := readMessage(ws, s.p, limit, &m); err != nil {
			return in.judge(err)
		}
		if in.hop = m.Hop; m.Hop != 0 && in.into == s.home {
			s.home.SetHop(m.Hop)
		}
	}
	for {
		var m announce
		if err := readMessage(ws, s.p, limit, &m); err != nil {
			_ = st.Close()
			return in.judge(err)
		}
		if err := in.take(&m); err != nil {
			return err
		}
	}
}

// judge makes what cannot be decoded fatal: nothing after it can be trusted.
func (in *imported) judge(err error) error {
	if err == io.EOF {
		return err
	}
	if _, bad := decodeCode(err); bad {
		return fatal{err}
	}
	return err
}

// take enters one announcement.
func (in *imported) take(m *announce) error {
	s := in.s
	path := in.base.Join(moq.ParsePath(m.Suffix))
	pub, had := in.pubs[path]
	if !m.Active {
		if had {
			in.remove(path)
		}
		return nil // of an unknown path: tolerated
	}
	r := route.Route{Hops: in.hops(m.Hops)}
	r.Cost = uint64(len(r.Hops))
	switch {
	case had && !s.p.Replace:
		return fatal{moq.Errorf(moq.CodeDuplicate, "%q was announced twice", path)}
	case had && pub != nil:
		if pub.Update(r) != nil {
			s.mu.Lock()
			in.pubs[path] = nil
			s.mu.Unlock()
		}
		return nil
	case !had && !s.budget.Announcements.Take():
		return fatal{moq.Errorf(moq.CodeTooMany, "more than %d announcements", s.cfg.Limits.Announcements)}
	}
	pub, _ = in.into.Publish(path, r, s) // refused: remembered as nil
	s.mu.Lock()
	in.pubs[path] = pub
	s.mu.Unlock()
	return nil
}

// hops returns the whole way of an announcement, the peer last.
func (in *imported) hops(hops []uint64) []uint64 {
	switch in.s.p.Hops {
	case HopsWithoutSender:
		return append(hops, in.hop)
	case HopsAbsent:
		return []uint64{0}
	}
	if len(hops) == 0 {
		return []uint64{0} // a peer without an id
	}
	return hops
}

func (in *imported) remove(path moq.Path) {
	in.s.mu.Lock()
	pub := in.pubs[path]
	delete(in.pubs, path)
	in.s.mu.Unlock()
	in.s.budget.Announcements.Release()
	if pub != nil {
		pub.End()
	}
}

// end takes everything back.
func (in *imported) end() {
	in.s.mu.Lock()
	pubs := in.pubs
	in.pubs = map[moq.Path]*route.Publication{}
	in.s.mu.Unlock()
	for _, pub := range pubs {
		in.s.budget.Announcements.Release()
		if pub != nil {
			pub.End()
		}
	}
}

// lose takes everything back because the session has ended: a peer that closed
// it in order has ended its broadcasts, any other has vanished.
func (in *imported) lose(now time.Time) {
	if cleanEnd(context.Cause(in.s.ctx)) {
		in.end()
		return
	}
	in.s.mu.Lock()
	pubs := in.pubs
	in.pubs = nil
	in.s.mu.Unlock()
	for _, pub := range pubs {
		if pub != nil {
			pub.Lose(now)
		}
	}
}

// cleanEnd reports whether a session was closed with code 0.
func cleanEnd(err error) bool {
	var conn *quic.ConnError
	return errors.As(err, &conn) && conn.Err == nil && conn.Code == CodeCancel
}

// Announced implements dialect.Peer.
func (s *session) Announced(ctx context.Context, prefix moq.Path) (*route.AnnounceReader, error) {
	view := route.NewMux(route.Config{Linger: -1}).View(route.Scope{})
	reader, err := view.Watch("", 0, nil)
	if err != nil {
		return nil, err
	}
	reader.Gather(s.cfg.Gather)
	in := &imported{s: s, into: view, base: prefix, pubs: map[moq.Path]*route.Publication{}}
	st, err := in.open(prefix)
	if err != nil {
		reader.Close()
		return nil, s.fromWire(err)
	}
	stop := func() {
		_ = st.Close()
		st.CancelRead(s.code(CodeCancel))
	}
	unhook := context.AfterFunc(ctx, func() { reader.Fail(context.Cause(ctx)) })
	reader.OnEnd(func() {
		unhook()
		stop()
	})
	read := func() {
		err := in.read(st)
		var f fatal
		if errors.As(err, &f) {
			s.Close(err)
		}
		if err == io.EOF {
			err = moq.ErrClosed
		}
		in.end()
		reader.Fail(err)
	}
	if !s.group.Go(read) {
		reader.Fail(moq.ErrDropped)
	}
	return reader, nil
}
