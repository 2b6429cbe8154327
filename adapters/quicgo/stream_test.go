package quicgo

import (
	"context"
	"errors"
	"testing"

	quicgo "github.com/quic-go/quic-go"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/ports/quic"
)

// fakeHalf takes every write.
type fakeHalf struct {
	err      error
	urgency  int8
	written  int
	tried    int
	canceled quicgo.StreamErrorCode
}

func (f *fakeHalf) Write(p []byte) (int, error)          { f.written += len(p); return len(p), f.err }
func (f *fakeHalf) TryWriteAll(p []byte) error           { f.tried += len(p); return f.err }
func (f *fakeHalf) Close() error                         { return errors.New("close called for canceled stream") }
func (f *fakeHalf) CancelWrite(c quicgo.StreamErrorCode) { f.canceled = c }
func (f *fakeHalf) SetPriority(u int8, _ bool)           { f.urgency = u }
func (f *fakeHalf) SetReliableBoundary()                 {}
func (f *fakeHalf) Context() context.Context             { return context.Background() }

func TestTryWriteLimit(t *testing.T) {
	f := &fakeHalf{}
	s := &sendStream{str: f}
	require.NoError(t, s.TryWrite(make([]byte, 2000)))
	require.Equal(t, quic.ErrWouldBlock, s.TryWrite(make([]byte, 401)))
	require.NoError(t, s.TryWrite(make([]byte, 400)))
	require.Equal(t, quic.ErrWouldBlock, s.TryWrite(make([]byte, 1)))
	require.Equal(t, 2400, f.tried)

	f.err = quicgo.ErrWouldBlock // a Write that has failed proves nothing
	_, err := s.Write(make([]byte, 1))
	require.Error(t, err)
	f.err = nil
	require.Equal(t, quic.ErrWouldBlock, s.TryWrite(make([]byte, 1)))

	_, err = s.Write(make([]byte, 1))
	require.NoError(t, err)
	require.Equal(t, quic.ErrWouldBlock, s.TryWrite(make([]byte, 2401)))
	f.err = quicgo.ErrWouldBlock // what was refused does not count
	require.Equal(t, quic.ErrWouldBlock, s.TryWrite(make([]byte, 2400)))
	f.err = nil
	require.NoError(t, s.TryWrite(make([]byte, 2400)))

	// At the limit the end of the stream is still told.
	f.err = &quicgo.StreamError{ErrorCode: 5, Remote: true}
	require.ErrorIs(t, s.TryWrite(make([]byte, 1)), &quic.StreamError{Code: 5, Remote: true})
}

func TestSendStreamTranslates(t *testing.T) {
	f := &fakeHalf{}
	s := &sendStream{str: f}
	require.NoError(t, s.Close())
	s.SetPriority(3, true)
	require.Equal(t, int8(3), f.urgency)
	s.SetPriority(255, true)
	require.Equal(t, int8(7), f.urgency)
	s.CancelWrite(1 << 40)
	require.Equal(t, quicgo.StreamErrorCode(1<<40), f.canceled)
}

// TestNoAllocation: the adapter adds none to a write or a read.
func TestNoAllocation(t *testing.T) {
	var s quic.SendStream = &sendStream{str: &fakeHalf{}}
	p := make([]byte, 1000)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_ = s.TryWrite(p)
		_, _ = s.Write(p)
	}))
	str := &quicgo.ReceiveStream{}
	var sink quic.ReceiveStream
	require.Zero(t, testing.AllocsPerRun(100, func() { sink = receiveStream{str} }))
	_ = sink
}
