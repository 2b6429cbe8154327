package quictest

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/moqtgo/moqt/ports/quic"
)

// errorChecks are about the three ways in which a stream ends.
var errorChecks = []check{
	{name: "reset reaches the reader", run: resetReader},
	{name: "reset wakes a blocked reader", run: resetBlockedReader},
	{name: "reset unblocks our write", conf: narrow, run: resetWrite},
	{name: "stop reaches an idle writer", run: stopIdle},
	{name: "stop unblocks a write", conf: narrow, run: stopWrite},
	{name: "stop unblocks our read", run: stopRead},
	{name: "ends are distinguishable", run: distinguish},
	{name: "halves are independent", run: independent},
	{name: "write after close", run: writeAfterClose},
	{name: "cancel after close", run: cancelAfterClose},
	{name: "close after cancel", run: closeAfterCancel},
	{name: "reliable boundary", run: reliableBoundary},
}

func resetReader(p *pipe) {
	s, r := p.uni()
	s.CancelWrite(0x4242)
	_, err := readAll(r)
	p.wantStream(err, 0x4242, true, "Read after the peer's reset")
	_, err = s.Write([]byte("more"))
	p.wantStream(err, 0x4242, false, "Write after CancelWrite")
	p.wantStream(s.TryWrite([]byte("more")), 0x4242, false, "TryWrite after CancelWrite")
	p.wantStream(p.ended(s.Context(), "a reset stream"), 0x4242, false, "Context after CancelWrite")
}

func resetBlockedReader(p *pipe) {
	s, r := p.bidi()
	read := p.start("Read", func() error { _, err := r.Read(make([]byte, 10)); return err })
	read.blocked()
	s.CancelWrite(0)
	p.wantStream(read.result(), 0, true, "Read in progress when the peer resets with code 0")
}

func resetWrite(p *pipe) {
	s, r := p.uni()
	write := p.start("Write beyond the window", func() error { _, err := s.Write(make([]byte, 1<<20)); return err })
	write.blocked()
	s.CancelWrite(7)
	p.wantStream(write.result(), 7, false, "Write in progress at CancelWrite")
	_, err := readAll(r)
	p.wantStream(err, 7, true, "Read after the peer's reset")
}

func stopIdle(p *pipe) {
	s, r := p.bidi()
	r.CancelRead(0x1717)
	p.wantStream(p.ended(s.Context(), "a stopped stream"), 0x1717, true, "Context after STOP_SENDING")
	_, err := s.Write([]byte("more"))
	p.wantStream(err, 0x1717, true, "Write after STOP_SENDING")
	p.wantStream(s.TryWrite([]byte("more")), 0x1717, true, "TryWrite after STOP_SENDING")
	_, err = r.Read(make([]byte, 10))
	p.wantStream(err, 0x1717, false, "Read after CancelRead")
}

func stopWrite(p *pipe) {
	s, r := p.uni()
	write := p.start("Write beyond the window", func() error { _, err := s.Write(make([]byte, 1<<20)); return err })
	write.blocked()
	r.CancelRead(9)
	p.wantStream(write.result(), 9, true, "Write in progress at STOP_SENDING")
}

func stopRead(p *pipe) {
	_, r := p.uni()
	read := p.start("Read", func() error { _, err := r.Read(make([]byte, 10)); return err })
	read.blocked()
	r.CancelRead(11)
	p.wantStream(read.result(), 11, false, "Read in progress at CancelRead")
}

func distinguish(p *pipe) {
	fin, finR := p.uni()
	reset, resetR := p.uni()
	stopped, stoppedR := p.uni()
	lost, lostR := p.uni()

	p.finish(fin)
	reset.CancelWrite(1)
	stoppedR.CancelRead(1)
	p.wantEOF(finR)
	_, err := readAll(resetR)
	p.wantStream(err, 1, true, "Read after a reset")

	if cause := p.ended(fin.Context(), "a finished stream"); !errors.Is(cause, quic.ErrFinished) {
		p.fatalf("Context after Close: %v; want ErrFinished", cause)
	}
	p.wantStream(p.ended(reset.Context(), "a reset stream"), 1, false, "Context after CancelWrite")
	p.wantStream(p.ended(stopped.Context(), "a stopped stream"), 1, true, "Context after STOP_SENDING")
	if err := lost.Context().Err(); err != nil {
		p.fatalf("the context of an open stream: %v", context.Cause(lost.Context()))
	}
	p.must(p.a.CloseWithError(3, "gone"), "CloseWithError")
	p.wantConn(p.ended(lost.Context(), "a stream of a closed connection"), 3, false, "gone", "Context after CloseWithError")
	_, err = readAll(lostR)
	p.wantConn(err, 3, true, "gone", "Read after the peer's CloseWithError")
}

func independent(p *pipe) {
	s, r := p.bidi()
	r.CancelRead(5)
	p.wantStream(p.ended(s.Context(), "a stopped stream"), 5, true, "Context after STOP_SENDING")
	p.write(r, []byte("other way"))
	p.wantBytes(s, []byte("other way"))
	p.finish(r)
	p.wantEOF(s)

	s, r = p.bidi()
	s.CancelWrite(6)
	_, err := readAll(r)
	p.wantStream(err, 6, true, "Read after a reset")
	p.write(r, []byte("other way"))
	p.wantBytes(s, []byte("other way"))
}

func writeAfterClose(p *pipe) {
	s, r := p.uni()
	p.finish(s)
	if _, err := s.Write([]byte("more")); !errors.Is(err, quic.ErrFinished) {
		p.fatalf("Write after Close: %v; want ErrFinished", err)
	}
	if err := s.TryWrite([]byte("more")); !errors.Is(err, quic.ErrFinished) {
		p.fatalf("TryWrite after Close: %v; want ErrFinished", err)
	}
	p.wantEOF(r)
}

// cancelAfterClose: who reads gets everything and FIN, or a prefix and the
// reset; nothing else and never nothing.
func cancelAfterClose(p *pipe) {
	data := pattern(3, 1000)
	s, r := p.uni()
	p.write(s, data)
	p.finish(s)
	s.CancelWrite(0x33)
	got, err := readAll(r)
	if !bytes.HasPrefix(data, got) {
		p.fatalf("read other bytes than were written")
	}
	if err != io.EOF {
		p.wantStream(err, 0x33, true, "Read after Close and CancelWrite")
	} else if len(got) != len(data) {
		p.fatalf("FIN after %d of %d bytes", len(got), len(data))
	}
	p.ended(s.Context(), "a finished stream")
}

func closeAfterCancel(p *pipe) {
	s, r := p.uni()
	s.CancelWrite(0x21)
	p.must(s.Close(), "Close after CancelWrite")
	s.CancelWrite(0x22)
	_, err := readAll(r)
	p.wantStream(err, 0x21, true, "Read after CancelWrite and Close")
	p.wantStream(p.ended(s.Context(), "a reset stream"), 0x21, false, "Context after CancelWrite and Close")
}

func reliableBoundary(p *pipe) {
	data := pattern(4, 3000)
	s, r := p.uni()
	p.write(s, data[:2000])
	s.SetReliableBoundary()
	p.write(s, data[2000:])
	s.CancelWrite(0x51)
	p.settle() // the reset is there before the first Read
	got, err := readAll(r)
	p.wantStream(err, 0x51, true, "Read after the peer's reset")
	if len(got) < 2000 || !bytes.HasPrefix(data, got) {
		p.fatalf("read %d bytes before the reset; want the 2000 up to the boundary", len(got))
	}
}
