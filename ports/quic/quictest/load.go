package quictest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/moqtgo/moqt/ports/quic"
)

// loadChecks are about much at once.
var loadChecks = []check{
	{name: "many streams", conf: quic.Config{MaxIncomingStreams: 20, MaxIncomingUniStreams: 20}, run: manyStreams},
	{name: "concurrent methods", conf: withDatagrams, run: concurrent},
	{name: "ten megabytes", run: tenMegabytes},
}

// manyStreams sends 300 streams and asks 100 questions a direction through a
// limit of 20.
func manyStreams(p *pipe) {
	const n = 300
	var calls []*call
	for _, d := range [][2]quic.Connection{{p.a, p.b}, {p.b, p.a}} {
		from, to := d[0], d[1]
		calls = append(calls,
			p.start("sending streams", func() error {
				for i := range n {
					s, err := from.OpenUniStream(p.ctx)
					if err != nil {
						return err
					}
					if _, err := s.Write(append([]byte{byte(i >> 8), byte(i)}, pattern(i, i*7)...)); err != nil {
						return err
					}
					if err := s.Close(); err != nil {
						return err
					}
				}
				return nil
			}),
			p.start("receiving streams", func() error {
				var seen [n]bool
				for range n {
					r, err := to.AcceptUniStream(p.ctx)
					if err != nil {
						return err
					}
					data, err := readAll(r)
					if err != io.EOF {
						return err
					}
					if len(data) < 2 {
						return fmt.Errorf("a stream of %d bytes, which nobody sent", len(data))
					}
					i := int(data[0])<<8 | int(data[1])
					if i >= n || seen[i] || !bytes.Equal(data[2:], pattern(i, i*7)) {
						return fmt.Errorf("stream %d came twice or changed", i)
					}
					seen[i] = true
				}
				return nil
			}),
			p.start("asking", func() error {
				for i := range n / 3 {
					s, err := from.OpenStream(p.ctx)
					if err != nil {
						return err
					}
					if _, err := s.Write(pattern(i, 10)); err != nil {
						return err
					}
					if err := s.Close(); err != nil {
						return err
					}
					if data, err := readAll(s); err != io.EOF || !bytes.Equal(data, pattern(i, 10)) {
						return fmt.Errorf("answer %d: %d bytes, %w", i, len(data), err)
					}
				}
				return nil
			}),
			p.start("answering", func() error {
				for range n / 3 {
					s, err := to.AcceptStream(p.ctx)
					if err != nil {
						return err
					}
					data, err := readAll(s)
					if err != io.EOF {
						return err
					}
					if _, err := s.Write(data); err != nil {
						return err
					}
					if err := s.Close(); err != nil {
						return err
					}
				}
				return nil
			}),
		)
	}
	for _, c := range calls {
		c.ok()
	}
}

// concurrent calls every method that may be called concurrently, and closes in
// the middle. Only -race sees more than a panic or a hang here.
func concurrent(p *pipe) {
	isEnd := func(err error) error {
		if _, ok := err.(*quic.ConnError); ok || errors.Is(err, quic.ErrWouldBlock) {
			return nil
		}
		if s := (*quic.StreamError)(nil); errors.As(err, &s) || errors.Is(err, quic.ErrFinished) || err == io.EOF {
			return nil
		}
		return err
	}
	var calls []*call
	rounds := make(chan error, 1000) // of the openers
	for _, c := range []quic.Connection{p.a, p.b} {
		for i := range 4 {
			calls = append(calls,
				p.start("opening", func() (err error) {
					report := func(err error) {
						select {
						case rounds <- err:
						default:
						}
					}
					defer func() { report(err) }()
					for c.Context().Err() == nil {
						s, err := c.OpenUniStream(p.ctx)
						if err != nil {
							return isEnd(err)
						}
						w := p.start("Write", func() error { _, err := s.Write(make([]byte, 3000)); return isEnd(err) })
						s.SetPriority(uint8(i), i%2 == 0)
						s.SetReliableBoundary()
						if i%2 == 0 {
							s.CancelWrite(quic.ErrorCode(i))
						}
						<-w.done
						if w.err != nil {
							return w.err
						}
						if err := isEnd(s.Close()); err != nil {
							return err
						}
						report(nil)
					}
					return nil
				}),
				p.start("accepting", func() error {
					for {
						r, err := c.AcceptUniStream(p.ctx)
						if err != nil {
							return isEnd(err)
						}
						read := p.start("Read", func() error { _, err := readAll(r); return isEnd(err) })
						if i == 0 {
							r.CancelRead(3)
						}
						<-read.done
						if read.err != nil {
							return read.err
						}
					}
				}),
				p.start("asking", func() error {
					for {
						s, err := c.OpenStream(p.ctx)
						if err != nil {
							return isEnd(err)
						}
						if _, err := s.Write([]byte("x")); isEnd(err) != nil {
							return err
						}
						s.CancelWrite(1)
						s.CancelRead(1)
					}
				}),
				p.start("answering", func() error {
					for {
						s, err := c.AcceptStream(p.ctx)
						if err != nil {
							return isEnd(err)
						}
						s.CancelRead(2)
						s.CancelWrite(2)
					}
				}),
				p.start("looking", func() error {
					for range 200 {
						c.State()
						c.Stats()
						if err := c.SendDatagram([]byte("x")); isEnd(err) != nil && !errors.Is(err, quic.ErrNoDatagrams) {
							return err
						}
						runtime.Gosched()
					}
					return nil
				}),
			)
		}
	}
	for range 100 {
		if err := <-rounds; err != nil {
			p.fatalf("opening: %v", err)
		}
		p.a.Stats()
		p.b.State()
	}
	calls = append(calls,
		p.start("CloseWithError", func() error { return p.a.CloseWithError(1, "one") }),
		p.start("CloseWithError", func() error { return p.b.CloseWithError(2, "two") }),
	)
	for _, c := range calls {
		c.ok()
	}
}

func tenMegabytes(p *pipe) {
	const n = 10_000_000
	data := pattern(12, n)
	s := p.open()
	send := p.start("Write of 10 MB", func() error {
		if _, err := s.Write(data); err != nil {
			return err
		}
		return s.Close()
	})
	r := p.accept()
	h := sha256.New()
	got, err := io.Copy(h, onlyReader{r})
	p.must(err, "Read")
	if want := sha256.Sum256(data); got != n || !bytes.Equal(h.Sum(nil), want[:]) {
		p.fatalf("read %d bytes, other than the %d written", got, n)
	}
	send.ok()
}

// goroutines returns the stacks of all goroutines of this bubble, or of all
// outside bubbles, by their number.
func goroutines() map[string]string {
	buf := make([]byte, 4<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var bubble string
	all := make(map[string]string)
	for i, stack := range strings.Split(string(buf), "\n\n") {
		head, _, _ := strings.Cut(stack, "\n")
		tag := ""
		if at := strings.Index(head, "synctest bubble"); at >= 0 {
			tag = strings.TrimSuffix(head[at:], "]:")
		}
		if i == 0 {
			bubble = tag // the caller comes first
		}
		if tag == bubble {
			id, _, _ := strings.Cut(strings.TrimPrefix(head, "goroutine "), " ")
			all[id] = stack
		}
	}
	return all
}
