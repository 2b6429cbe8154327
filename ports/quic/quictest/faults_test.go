package quictest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/ports/quic"
)

// A fault is a way of being broken, and the checks that must see it.
type fault struct {
	name   string
	red    []string
	wrap   func(quic.Connection) quic.Connection // of both ends
	conf   func(*quic.Config)
	around func(t testing.TB, stop func()) func()
}

type (
	sender   = quic.SendStream
	receiver = quic.ReceiveStream
)

var faults = []fault{
	{name: "a bit flips", red: []string{"echo"}, wrap: send(func(s sender) sender {
		return &brokenSend{SendStream: s, write: func(p []byte) (int, error) {
			p = bytes.Clone(p)
			p[len(p)-1]++
			return s.Write(p)
		}}
	})},
	{name: "a late bit flips", red: []string{"ten megabytes"}, wrap: recv(func(r receiver) receiver {
		total := 0
		return &brokenRecv{ReceiveStream: r, read: func(p []byte) (int, error) {
			n, err := r.Read(p)
			if total += n; n > 0 && total >= 9_000_000 && total-n < 9_000_000 {
				p[0] ^= 1
			}
			return n, err
		}}
	})},
	{name: "FIN is lost", red: []string{"echo", "half close", "end after data", "end without data", "many streams"},
		wrap: send(func(s sender) sender {
			return &brokenSend{SendStream: s, close: func() error { return nil }}
		})},
	{name: "FIN of an empty stream is lost", red: []string{"end without data"}, wrap: send(func(s sender) sender {
		b, written := &brokenSend{SendStream: s}, false
		b.write = func(p []byte) (int, error) { written = true; return s.Write(p) }
		b.close = func() error {
			if !written {
				return nil
			}
			return s.Close()
		}
		return b
	})},
	{name: "FIN cuts the data short", red: []string{"end after data"}, wrap: recv(func(r receiver) receiver {
		total := 0
		return &brokenRecv{ReceiveStream: r, read: func(p []byte) (int, error) {
			if total >= 99_000 {
				return 0, io.EOF
			}
			n, err := r.Read(p)
			total += n
			return n, err
		}}
	})},
	{name: "FIN closes both directions", red: []string{"half close"}, wrap: send(func(s sender) sender {
		return &brokenSend{SendStream: s, close: func() error {
			if b, ok := s.(quic.Stream); ok {
				b.CancelRead(0)
			}
			return s.Close()
		}}
	})},
	{name: "Write keeps the buffer", red: []string{"buffer reuse"}, wrap: send(func(s sender) sender {
		var kept []byte
		flush := func() error { _, err := s.Write(kept); return err }
		return &brokenSend{SendStream: s,
			write: func(p []byte) (int, error) {
				err := flush()
				kept = p
				if len(p) < 100 {
					err, kept = flush(), nil
				}
				return len(p), err
			},
			close: func() error {
				if err := flush(); err != nil {
					return err
				}
				return s.Close()
			}}
	})},
	{name: "streams show early", red: []string{"invisible until the first byte"}, wrap: newVisible},
	{name: "no addresses", red: []string{"state"}, wrap: func(c quic.Connection) quic.Connection { return stateless{c} }},
	{name: "the reset code is lost", red: []string{"reset reaches the reader", "reset unblocks our write", "close after cancel", "reliable boundary"},
		wrap: send(func(s sender) sender {
			return &brokenSend{SendStream: s, cancel: func(quic.ErrorCode) { s.CancelWrite(0) }}
		})},
	{name: "a reset looks like FIN", red: []string{"reset reaches the reader", "reset wakes a blocked reader", "ends are distinguishable", "halves are independent"},
		wrap: recv(func(r receiver) receiver {
			return &brokenRecv{ReceiveStream: r, read: func(p []byte) (int, error) {
				n, err := r.Read(p)
				if e, ok := errors.AsType[*quic.StreamError](err); ok && e.Remote {
					err = io.EOF
				}
				return n, err
			}}
		})},
	{name: "code 0 is no reset", red: []string{"reset wakes a blocked reader"}, wrap: send(func(s sender) sender {
		return &brokenSend{SendStream: s, cancel: func(code quic.ErrorCode) {
			if code != 0 {
				s.CancelWrite(code)
			}
		}}
	})},
	{name: "Write returns foreign errors", red: []string{"reset reaches the reader", "reset unblocks our write", "stop unblocks a write", "write after close", "concurrent methods"},
		wrap: send(func(s sender) sender {
			return &brokenSend{SendStream: s, write: func(p []byte) (int, error) {
				n, err := s.Write(p)
				return n, foreign(err)
			}}
		})},
	{name: "the stop code is lost", red: []string{"stop reaches an idle writer", "stop unblocks a write", "ends are distinguishable", "halves are independent"},
		wrap: recv(func(r receiver) receiver {
			return &brokenRecv{ReceiveStream: r, cancel: func(quic.ErrorCode) { r.CancelRead(0) }}
		})},
	{name: "an idle writer learns nothing", red: []string{"stop reaches an idle writer"}, wrap: send(func(s sender) sender {
		return &brokenSend{SendStream: s, context: context.Background}
	})},
	{name: "STOP_SENDING is lost", red: []string{"stop unblocks a write", "stop unblocks our read"}, wrap: recv(func(r receiver) receiver {
		return &brokenRecv{ReceiveStream: r, cancel: func(quic.ErrorCode) {}}
	})},
	{name: "Read after CancelRead is the end", red: []string{"stop unblocks our read", "stop reaches an idle writer"}, wrap: recv(func(r receiver) receiver {
		return &brokenRecv{ReceiveStream: r, read: func(p []byte) (int, error) {
			n, err := r.Read(p)
			if e, ok := errors.AsType[*quic.StreamError](err); ok && !e.Remote {
				err = io.EOF
			}
			return n, err
		}}
	})},
	{name: "contexts have no cause", red: []string{"reset reaches the reader", "stop reaches an idle writer", "ends are distinguishable"},
		wrap: send(func(s sender) sender {
			return &brokenSend{SendStream: s, context: func() context.Context {
				ctx, cancel := context.WithCancel(context.Background())
				context.AfterFunc(s.Context(), cancel)
				return ctx
			}}
		})},
	{name: "stopping stops both directions", red: []string{"halves are independent"}, wrap: recv(func(r receiver) receiver {
		return &brokenRecv{ReceiveStream: r, cancel: func(code quic.ErrorCode) {
			if b, ok := r.(quic.Stream); ok {
				b.CancelWrite(code)
			}
			r.CancelRead(code)
		}}
	})},
	{name: "Write after Close is swallowed", red: []string{"write after close"}, wrap: send(func(s sender) sender {
		return &brokenSend{SendStream: s, write: func(p []byte) (int, error) {
			n, err := s.Write(p)
			if errors.Is(err, quic.ErrFinished) {
				return len(p), nil
			}
			return n, err
		}}
	})},
	{name: "CancelWrite after Close loses both", red: []string{"cancel after close"}, wrap: send(func(s sender) sender {
		return &brokenSend{SendStream: s, close: func() error { return nil }, cancel: func(quic.ErrorCode) {}}
	})},
	{name: "CancelWrite after Close fakes an end", red: []string{"cancel after close"}, wrap: recv(func(r receiver) receiver {
		total := 0
		return &brokenRecv{ReceiveStream: r, read: func(p []byte) (int, error) {
			n, err := r.Read(p)
			if total += n; err != nil || total > 500 {
				return n / 2, io.EOF
			}
			return n, err
		}}
	})},
	{name: "Close after CancelWrite fails", red: []string{"close after cancel"}, wrap: send(func(s sender) sender {
		b, canceled := &brokenSend{SendStream: s}, false
		b.cancel = func(code quic.ErrorCode) { canceled = true; s.CancelWrite(code) }
		b.close = func() error {
			if canceled {
				return errForeign
			}
			return s.Close()
		}
		return b
	})},
	{name: "no reliable boundary", red: []string{"reliable boundary"}, wrap: send(func(s sender) sender {
		return &brokenSend{SendStream: s, setBoundary: func() {}}
	})},
	{name: "stream credit is ignored", red: []string{"open blocks at the limit", "try open", "close unblocks everything"},
		conf: func(c *quic.Config) { c.MaxIncomingStreams, c.MaxIncomingUniStreams = 1000, 1000 }},
	{name: "TryOpenUniStream overtakes", red: []string{"try open"}, wrap: func(c quic.Connection) quic.Connection { return &greedy{Connection: c} }},
	{name: "last come, first served", red: []string{"open order"}, wrap: func(c quic.Connection) quic.Connection { return &lifo{Connection: c} }},
	{name: "accept ignores its context", red: []string{"accept honours its context"}, wrap: func(c quic.Connection) quic.Connection { return deaf{c} }},
	{name: "stream windows are ignored", red: []string{"stream window blocks the writer", "reset unblocks our write", "stop unblocks a write", "try write is all or nothing"},
		conf: func(c *quic.Config) { c.InitialStreamReceiveWindow, c.InitialConnectionReceiveWindow = 4<<20, 8<<20 }},
	{name: "the connection's window is ignored", red: []string{"connection window blocks the writers", "priorities"},
		conf: func(c *quic.Config) { c.InitialConnectionReceiveWindow = 8 << 20 }},
	{name: "priorities are ignored", red: []string{"priorities"}, wrap: send(func(s sender) sender {
		return &brokenSend{SendStream: s, setPriority: func() {}}
	})},
	{name: "TryWrite takes half", red: []string{"try write is all or nothing"}, wrap: send(func(s sender) sender {
		return &brokenSend{SendStream: s, tryWrite: func(p []byte) error {
			err := s.TryWrite(p)
			if errors.Is(err, quic.ErrWouldBlock) {
				_ = s.TryWrite(p[:len(p)/2])
			}
			return err
		}}
	})},
	{name: "TryWrite never takes anything", red: []string{"try write takes a small write"}, wrap: send(func(s sender) sender {
		return &brokenSend{SendStream: s, tryWrite: func([]byte) error { return quic.ErrWouldBlock }}
	})},
	{name: "TryWrite queues without limit", red: []string{"try write has a limit"}, wrap: send(func(s sender) sender {
		return &brokenSend{SendStream: s, tryWrite: func(p []byte) error { _, err := s.Write(p); return err }}
	})},
	{name: "close is mute", red: []string{"close unblocks everything", "calls after close", "the first close wins", "ends are distinguishable"},
		wrap: func(c quic.Connection) quic.Connection { return mute{c} }},
	{name: "accept survives the connection", red: []string{"close unblocks everything", "calls after close"},
		wrap: func(c quic.Connection) quic.Connection { return stuck{c} }},
	{name: "errors are wrapped", red: []string{"calls after close"}, wrap: func(c quic.Connection) quic.Connection { return wrapping{c} }},
	{name: "the last close wins", red: []string{"the first close wins"}, wrap: func(c quic.Connection) quic.Connection { return &hesitant{Connection: c} }},
	{name: "a goroutine is left", red: []string{"no goroutine is left"}, around: func(t testing.TB, stop func()) func() {
		over := make(chan struct{})
		t.Cleanup(func() { close(over) })
		go func() { <-over }()
		return stop
	}},
	{name: "datagrams change", red: []string{"datagram echo", "datagram size", "datagram burst"}, wrap: send2(func(c quic.Connection, p []byte) error {
		return c.SendDatagram(append(bytes.Clone(p[:max(0, len(p)-1)]), '?'))
	})},
	{name: "datagrams are dropped", red: []string{"datagram echo", "datagram size", "datagram burst"},
		wrap: send2(func(quic.Connection, []byte) error { return nil })},
	{name: "datagrams have any size", red: []string{"datagram size"}, wrap: send2(func(c quic.Connection, p []byte) error {
		return c.SendDatagram(p[:min(len(p), 1000)])
	})},
	{name: "datagrams come twice", red: []string{"datagram burst"}, wrap: send2(func(c quic.Connection, p []byte) error {
		_ = c.SendDatagram(p)
		return c.SendDatagram(p)
	})},
	{name: "datagrams without being negotiated", red: []string{"datagrams off"}, conf: func(c *quic.Config) { c.EnableDatagrams = true },
		wrap: func(c quic.Connection) quic.Connection { return offline{c} }},
	{name: "some streams are lost", red: []string{"many streams"}, wrap: func(c quic.Connection) quic.Connection { return &sieve{Connection: c} }},
}

func send2(f func(quic.Connection, []byte) error) func(quic.Connection) quic.Connection {
	return func(c quic.Connection) quic.Connection { return datagrams{c, f} }
}

// offline says that it has no datagrams, and has.
type offline struct{ quic.Connection }

func (c offline) State() quic.State {
	s := c.Connection.State()
	s.Datagrams = false
	return s
}

func (f fault) pipe(t testing.TB, conf *quic.Config) (client, server quic.Connection, stop func()) {
	if f.conf != nil {
		f.conf(conf)
	}
	client, server, stop = memnet.Pipe(memnet.Config{Settle: synctest.Wait}, conf)
	if f.around != nil {
		stop = f.around(t, stop)
	}
	if f.wrap != nil {
		client, server = f.wrap(client), f.wrap(server)
	}
	return client, server, stop
}
