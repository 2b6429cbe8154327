package quictest

import (
	"bytes"
	"context"
	"io"

	"github.com/moqtgo/moqt/ports/quic"
)

// streamChecks are about bytes and their end.
var streamChecks = []check{
	{name: "echo", run: echo},
	{name: "half close", run: halfClose},
	{name: "end after data", run: endAfterData},
	{name: "end without data", run: endWithoutData},
	{name: "buffer reuse", run: bufferReuse},
	{name: "invisible until the first byte", run: invisible},
	{name: "state", run: state},
}

func echo(p *pipe) {
	s := p.open()
	p.write(s, []byte("hello"))
	r := p.accept()
	answer := p.start("echo", func() error {
		if _, err := io.Copy(onlyWriter{r}, onlyReader{r}); err != nil {
			return err
		}
		return r.Close()
	})
	p.wantBytes(s, []byte("hello"))
	p.write(s, []byte("again"))
	p.wantBytes(s, []byte("again"))
	p.finish(s)
	p.wantEOF(s)
	answer.ok()
}

type onlyReader struct{ io.Reader }
type onlyWriter struct{ io.Writer }

func halfClose(p *pipe) {
	s, r := p.bidi()
	p.write(s, []byte("question"))
	p.finish(s)
	p.wantBytes(r, []byte("question"))
	p.wantEOF(r)
	p.settle()
	if err := r.Context().Err(); err != nil {
		p.fatalf("FIN of one direction closed the other: %v", context.Cause(r.Context()))
	}
	p.write(r, []byte("answer"))
	p.wantBytes(s, []byte("answer"))
	p.finish(r)
	p.wantEOF(s)
}

func endAfterData(p *pipe) {
	data := pattern(1, 100_000)
	s := p.openUni()
	send := p.start("Write", func() error {
		if _, err := s.Write(data); err != nil {
			return err
		}
		return s.Close()
	})
	r := p.acceptUni()
	var all []byte
	buf := make([]byte, 777)
	for {
		n, err := r.Read(buf)
		all = append(all, buf[:n]...)
		if err == io.EOF {
			break
		}
		p.must(err, "Read")
	}
	if !bytes.Equal(all, data) {
		p.fatalf("read %d bytes, other than the %d written", len(all), len(data))
	}
	p.wantEOF(r)
	send.ok()
}

func endWithoutData(p *pipe) {
	p.finish(p.openUni())
	p.wantEOF(p.acceptUni())
	s := p.open()
	p.finish(s)
	r := p.accept()
	p.wantEOF(r)
	p.finish(r)
	p.wantEOF(s)
}

// bufferReuse scribbles over the buffer as soon as Write has returned.
func bufferReuse(p *pipe) {
	s := p.openUni()
	p.write(s, []byte{'!'})
	r := p.acceptUni()
	p.wantBytes(r, []byte{'!'})
	send := p.start("Write", func() error {
		buf := make([]byte, 1000)
		for i := range 200 {
			copy(buf, pattern(i, len(buf)))
			if _, err := s.Write(buf); err != nil {
				return err
			}
			clear(buf)
		}
		return s.Close()
	})
	if p.conf.Bubble {
		p.settle() // what was kept and not copied is zero by now
	}
	for i := range 200 {
		p.wantBytes(r, pattern(i, 1000))
	}
	p.wantEOF(r)
	send.ok()
}

func invisible(p *pipe) {
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	var uni quic.ReceiveStream
	var bidi quic.Stream
	acceptUni := p.start("AcceptUniStream of a stream without bytes", func() (err error) {
		uni, err = p.b.AcceptUniStream(ctx)
		return err
	})
	accept := p.start("AcceptStream of a stream without bytes", func() (err error) {
		bidi, err = p.b.AcceptStream(ctx)
		return err
	})
	s, t := p.openUni(), p.open()
	acceptUni.blocked()
	accept.blocked()
	p.write(s, []byte("uni"))
	p.write(t, []byte("bidi"))
	acceptUni.ok()
	accept.ok()
	p.wantBytes(uni, []byte("uni"))
	p.wantBytes(bidi, []byte("bidi"))
}

func state(p *pipe) {
	a, b := p.a.State(), p.b.State()
	if a.LocalAddr == nil || a.RemoteAddr == nil || b.LocalAddr == nil || b.RemoteAddr == nil {
		p.fatalf("State without an address: %+v, %+v", a, b)
	}
	if a.Protocol != b.Protocol || a.Transport != b.Transport || a.Datagrams != b.Datagrams {
		p.fatalf("the two sides negotiated different things: %+v, %+v", a, b)
	}
	if (a.URL == nil) != (a.Transport == quic.QUIC) || (b.URL == nil) != (b.Transport == quic.QUIC) {
		p.fatalf("a URL belongs to WebTransport, and to nothing else: %v, %v", a.URL, b.URL)
	}
	if err := p.a.Context().Err(); err != nil {
		p.fatalf("the context of a live connection: %v", err)
	}
	p.a.Stats()
	p.b.Stats()
}
