package quictest

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/moqtgo/moqt/ports/quic"
)

// A PuppetStream is a stream at the puppet's end. A goroutine reads it, so that
// flow control never stops the peer.
type PuppetStream struct {
	p    *Puppet
	send quic.SendStream
	recv quic.ReceiveStream
	news chan struct{}

	mu  sync.Mutex
	got []byte // and not wanted yet
	end error
}

func (s *PuppetStream) read() {
	buf := make([]byte, 32<<10)
	for {
		n, err := s.recv.Read(buf)
		s.mu.Lock()
		s.got = append(s.got, buf[:n]...)
		s.end = err
		s.mu.Unlock()
		select {
		case s.news <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// Send writes data.
func (s *PuppetStream) Send(data ...[]byte) *PuppetStream {
	s.p.tb.Helper()
	for _, piece := range data {
		if _, err := s.send.Write(piece); err != nil {
			s.p.tb.Fatalf("puppet: Write: %v", err)
		}
	}
	return s
}

// FIN ends our direction.
func (s *PuppetStream) FIN() *PuppetStream {
	s.p.tb.Helper()
	if err := s.send.Close(); err != nil {
		s.p.tb.Fatalf("puppet: Close: %v", err)
	}
	return s
}

// Reset resets our direction.
func (s *PuppetStream) Reset(code quic.ErrorCode) { s.send.CancelWrite(code) }

// Stop asks the peer to stop sending.
func (s *PuppetStream) Stop(code quic.ErrorCode) { s.recv.CancelRead(code) }

// until waits until ok says so; it is called with the lock held.
func (s *PuppetStream) until(ok func() bool) bool {
	timer := time.NewTimer(failSafe)
	defer timer.Stop()
	for {
		s.mu.Lock()
		done := ok()
		ended := s.end != nil
		s.mu.Unlock()
		if done {
			return true
		}
		if ended {
			return false
		}
		select {
		case <-s.news:
		case <-timer.C:
			return false
		}
	}
}

// Read returns the next n bytes.
func (s *PuppetStream) Read(n int) []byte {
	s.p.tb.Helper()
	if !s.until(func() bool { return len(s.got) >= n }) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.p.tb.Fatalf("puppet: wanted %d bytes, got %d (%s) and then: %v", n, len(s.got), dump(s.got), orNothing(s.end))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	data := s.got[:n:n]
	s.got = s.got[n:]
	return data
}

// WantBytes wants exactly these bytes next; more may follow.
func (s *PuppetStream) WantBytes(want []byte) *PuppetStream {
	s.p.tb.Helper()
	s.until(func() bool { return len(s.got) >= len(want) })
	s.mu.Lock()
	defer s.mu.Unlock()
	if !bytes.HasPrefix(s.got, want) {
		got := s.got[:min(len(s.got), len(want))]
		s.p.tb.Fatalf("puppet: wrong bytes, and then %v:\n got %s\nwant %s", orNothing(s.end), dump(got), dump(want))
	}
	s.got = s.got[len(want):]
	return s
}

// WantHex is WantBytes for hex digits; spaces do not count.
func (s *PuppetStream) WantHex(want string) *PuppetStream {
	s.p.tb.Helper()
	data, err := hex.DecodeString(strings.Join(strings.Fields(want), ""))
	if err != nil {
		s.p.tb.Fatalf("puppet: WantHex(%q): %v", want, err)
	}
	return s.WantBytes(data)
}

// wantEnd wants the end without further bytes.
func (s *PuppetStream) wantEnd(what string, is func(error) bool) {
	s.p.tb.Helper()
	s.until(func() bool { return s.end != nil })
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.got) > 0 || s.end == nil || !is(s.end) {
		s.p.tb.Fatalf("puppet: wanted %s; got %d more bytes (%s) and then: %v", what, len(s.got), dump(s.got), orNothing(s.end))
	}
}

// WantFIN wants FIN next.
func (s *PuppetStream) WantFIN() {
	s.p.tb.Helper()
	s.wantEnd("FIN", func(err error) bool { return err == io.EOF })
}

// WantReset wants RESET_STREAM with this code. Bytes that came before do not
// count: a reset may overtake them.
func (s *PuppetStream) WantReset(code quic.ErrorCode) {
	s.p.tb.Helper()
	s.until(func() bool { return s.end != nil })
	s.mu.Lock()
	s.got = nil
	s.mu.Unlock()
	s.wantEnd(fmt.Sprintf("a reset with code %#x", uint64(code)), func(err error) bool {
		e, ok := errors.AsType[*quic.StreamError](err)
		return ok && e.Remote && e.Code == code
	})
}

// WantStop wants STOP_SENDING with this code for our direction.
func (s *PuppetStream) WantStop(code quic.ErrorCode) {
	s.p.tb.Helper()
	timer := time.NewTimer(failSafe)
	defer timer.Stop()
	select {
	case <-s.send.Context().Done():
	case <-timer.C:
		s.p.tb.Fatalf("puppet: wanted STOP_SENDING with code %#x; got nothing", uint64(code))
	}
	cause := context.Cause(s.send.Context())
	if e, ok := errors.AsType[*quic.StreamError](cause); !ok || !e.Remote || e.Code != code {
		s.p.tb.Fatalf("puppet: wanted STOP_SENDING with code %#x; the stream ended with: %v", uint64(code), cause)
	}
}

// WantIdle wants no byte, no end and no STOP_SENDING.
func (s *PuppetStream) WantIdle() {
	s.p.tb.Helper()
	timer := time.NewTimer(idle)
	defer timer.Stop()
	<-timer.C
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.got) > 0 || s.end != nil {
		s.p.tb.Fatalf("puppet: wanted nothing; got %d bytes (%s) and then: %v", len(s.got), dump(s.got), orNothing(s.end))
	}
	if s.send != nil {
		cause := context.Cause(s.send.Context())
		if e, ok := errors.AsType[*quic.StreamError](cause); ok && e.Remote {
			s.p.tb.Fatalf("puppet: wanted nothing; got STOP_SENDING with code %#x", uint64(e.Code))
		}
	}
}

func dump(data []byte) string {
	if len(data) > 256 {
		return fmt.Sprintf("% x … of %d bytes", data[:256], len(data))
	}
	return fmt.Sprintf("% x", data)
}

func orNothing(err error) any {
	if err == nil {
		return "nothing"
	}
	return err
}
