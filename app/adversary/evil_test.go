package adversary

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/wire"
	"github.com/moqtgo/moqt/ports/quic"
)

// An evil is a peer that writes what it likes. It does not care for errors: it
// is expected to be thrown out.
type evil struct {
	quic.Connection
	version string
	alias   uint64 // under which it publishes: chosen by the relay where that is the id of a subscription
}

// bytes is hex; 'quoted' words stand for a length and a string.
func bytes(parts ...string) []byte {
	var b []byte
	for _, field := range strings.Fields(strings.Join(parts, " ")) {
		if s, ok := strings.CutPrefix(field, "'"); ok {
			s = strings.TrimSuffix(s, "'")
			b = append(wire.RFC9000.Append(b, uint64(len(s))), s...)
			continue
		}
		d, err := hex.DecodeString(field)
		if err != nil {
			panic(err)
		}
		b = append(b, d...)
	}
	return b
}

// connect dials, without a word; nil where nobody answers.
func (a *arena) connect(node, version string, conf *quic.Config) *evil {
	a.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if conf == nil {
		conf = &quic.Config{EnableDatagrams: true, MaxIncomingStreams: 1 << 20, MaxIncomingUniStreams: 1 << 20}
	}
	c, err := a.stack.dial(node)(ctx, "relay:443", &tls.Config{NextProtos: []string{version}, InsecureSkipVerify: true}, conf)
	if err != nil {
		return nil
	}
	return &evil{Connection: c, version: version, alias: 7}
}

// evil is connect with the session set up.
func (a *arena) evil(node, version string) *evil {
	a.Helper()
	return a.evilWith(node, version, nil)
}

func (a *arena) evilWith(node, version string, conf *quic.Config) *evil {
	a.Helper()
	return a.settled(a.connect(node, version, conf), "/")
}

// evilAt is evil below a root.
func (a *arena) evilAt(node, version, path string) *evil {
	a.Helper()
	return a.settled(a.connect(node, version, nil), path)
}

func (a *arena) settled(e *evil, path string) *evil {
	a.Helper()
	require.NotNil(a, e)
	e.setup(path)
	a.pass(time.Second)
	require.NoError(a, e.Context().Err(), "the session is set up")
	return e
}

// setup asks for a path; none is that of the WebTransport session.
func (e *evil) setup(path string) {
	switch {
	case path == "" && e.version == lite05:
		e.uni(bytes("01 01 00"))
	case path == "" && e.version == moqt19:
		e.uni(bytes("af00 0000"))
	case e.version == lite05:
		param := append(append([]byte{2}, e.number(uint64(len(path)))...), path...)
		body := append([]byte{1}, param...)
		e.uni(append(append([]byte{1}, e.number(uint64(len(body)))...), body...))
	case e.version == moqt19:
		option := append(append([]byte{1}, e.number(uint64(len(path)))...), path...)
		e.uni(message("af00", option))
	case e.version == moqt16:
		e.bidi(bytes("20 0003 01 02 00"))
	}
}

func soon() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Second)
}

// bidi opens a stream with these bytes; nil where it may not.
func (e *evil) bidi(b []byte) quic.Stream {
	ctx, cancel := soon()
	defer cancel()
	st, err := e.OpenStream(ctx)
	if err != nil {
		return nil
	}
	if len(b) > 0 {
		_, _ = st.Write(b)
	}
	return st
}

func (e *evil) uni(b []byte) quic.SendStream {
	ctx, cancel := soon()
	defer cancel()
	st, err := e.OpenUniStream(ctx)
	if err != nil {
		return nil
	}
	_, _ = st.Write(b)
	return st
}

// message is a control message of moq-transport.
func message(kind string, body []byte) []byte {
	b := bytes(kind)
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
	return append(b, body...)
}

// number is an integer as the version writes it.
func (e *evil) number(n uint64) []byte {
	if e.version == moqt19 {
		return wire.LeadingOnes.Append(nil, n)
	}
	return wire.RFC9000.Append(nil, n)
}

// subscribe is a whole SUBSCRIBE, the n-th of the session.
func (e *evil) subscribe(n int, path, name string) []byte {
	if e.version == lite05 {
		body := e.number(uint64(n))
		for _, s := range []string{path, name} {
			body = append(append(body, e.number(uint64(len(s)))...), s...)
		}
		body = append(body, 2, 0, 0, 0, 0)
		return append(append([]byte{2}, e.number(uint64(len(body)))...), body...)
	}
	body := e.number(uint64(2 * n))
	body = append(body, e.namespace(path)...)
	body = append(append(body, e.number(uint64(len(name)))...), name...)
	return message("03", append(body, 0))
}

// namespace is a path of one field for each of its segments.
func (e *evil) namespace(path string) []byte {
	fields := strings.Split(path, "/")
	b := e.number(uint64(len(fields)))
	for _, f := range fields {
		b = append(append(b, e.number(uint64(len(f)))...), f...)
	}
	return b
}

// drain reads a stream to its end and says how it ended.
func drain(st io.Reader) error {
	_, err := io.Copy(io.Discard, st)
	return err
}

// gone reports whether the session has been ended, and with which code.
func (e *evil) gone() (quic.ErrorCode, bool) {
	if e.Context().Err() == nil {
		return 0, false
	}
	end, _ := context.Cause(e.Context()).(*quic.ConnError)
	if end == nil {
		return 0, true
	}
	return end.Code, true
}

func (e *evil) leave() { _ = e.CloseWithError(0, "") }
