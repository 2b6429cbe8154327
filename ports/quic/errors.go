package quic

import (
	"errors"
	"fmt"
	"net"
)

var (
	// ErrWouldBlock says that a Try method or SendDatagram would have to
	// wait.
	ErrWouldBlock = errors.New("quic: would block")
	// ErrFinished is the cause of a stream's Context after Close, and the
	// error of a Write after Close.
	ErrFinished = errors.New("quic: stream finished")
	// ErrNoDatagrams is returned by SendDatagram and ReceiveDatagram on a
	// connection without datagrams.
	ErrNoDatagrams = errors.New("quic: datagrams were not negotiated")
	// ErrListenerClosed is returned by Listener.Accept after Close.
	ErrListenerClosed = fmt.Errorf("quic: listener closed: %w", net.ErrClosed)
)

// A StreamError says that a stream was reset or stopped: by the peer (Remote)
// or by ourselves. Err is what the stack said, if it said anything.
type StreamError struct {
	Code   ErrorCode
	Remote bool
	Err    error
}

func (e *StreamError) Error() string {
	return fmt.Sprintf("quic: stream canceled by %s with code %#x", side(e.Remote), uint64(e.Code))
}

func (e *StreamError) Unwrap() error { return e.Err }

// Is reports whether target is a *StreamError with the same Code and Remote.
func (e *StreamError) Is(target error) bool {
	t, ok := target.(*StreamError)
	return ok && t.Code == e.Code && t.Remote == e.Remote
}

// A ConnError says that a connection ended. With Err nil an application closed
// it with Code and Reason; otherwise Err says why: idle timeout, TLS alert.
type ConnError struct {
	Code   ErrorCode
	Remote bool
	Reason string
	Err    error
}

func (e *ConnError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("quic: connection lost: %v", e.Err)
	}
	if e.Reason == "" {
		return fmt.Sprintf("quic: connection closed by %s with code %#x", side(e.Remote), uint64(e.Code))
	}
	return fmt.Sprintf("quic: connection closed by %s with code %#x: %s", side(e.Remote), uint64(e.Code), e.Reason)
}

func (e *ConnError) Unwrap() error { return e.Err }

// Is reports whether target is a *ConnError for an application close with the
// same Code and Remote.
func (e *ConnError) Is(target error) bool {
	t, ok := target.(*ConnError)
	return ok && t.Err == nil && e.Err == nil && t.Code == e.Code && t.Remote == e.Remote
}

// A DatagramTooLargeError says that a datagram exceeds Max bytes.
type DatagramTooLargeError struct{ Max int }

func (e *DatagramTooLargeError) Error() string {
	return fmt.Sprintf("quic: datagram larger than %d bytes", e.Max)
}

func side(remote bool) string {
	if remote {
		return "the peer"
	}
	return "us"
}
