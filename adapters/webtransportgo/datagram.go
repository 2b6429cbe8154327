package webtransportgo

import (
	"context"
	"errors"
	"sync"

	quicgo "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/quicvarint"

	"github.com/moqtgo/moqt/ports/quic"
)

// inboxLen is how many received datagrams wait for ReceiveDatagram; http3
// itself keeps 32.
const inboxLen = 256

// An inbox keeps received datagrams, the newest of them.
type inbox struct {
	start   sync.Once
	wake    chan struct{} // one token: something was put in
	mu      sync.Mutex
	queue   [][]byte
	dropped int64
}

func newInbox() inbox { return inbox{wake: make(chan struct{}, 1)} }

func (b *inbox) put(p []byte) {
	b.mu.Lock()
	if len(b.queue) == inboxLen {
		b.queue[0] = nil
		b.queue = b.queue[1:]
		b.dropped++
	}
	b.queue = append(b.queue, p)
	b.mu.Unlock()
	b.signal()
}

func (b *inbox) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take returns the oldest datagram. It leaves a token for the next caller if
// there is more.
func (b *inbox) take() ([]byte, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) == 0 {
		return nil, false
	}
	p := b.queue[0]
	b.queue[0] = nil
	if b.queue = b.queue[1:]; len(b.queue) > 0 {
		b.signal()
	}
	return p, true
}

func (b *inbox) lost() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dropped
}

// ReceiveDatagram starts, at the first call, a goroutine that empties the short
// queue of http3 until the session ends.
func (s *session) ReceiveDatagram(ctx context.Context) ([]byte, error) {
	s.inbox.start.Do(func() { go s.receiveDatagrams() })
	for {
		if err := s.over(); err != nil {
			return nil, err
		}
		if p, ok := s.inbox.take(); ok {
			return p, nil
		}
		select {
		case <-s.inbox.wake:
		case <-s.wt.Context().Done():
			return nil, s.cause()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *session) receiveDatagrams() {
	for {
		p, err := s.wt.ReceiveDatagram(s.wt.Context())
		if err != nil {
			return
		}
		s.inbox.put(p)
	}
}

func (s *session) SendDatagram(p []byte) error {
	if err := s.over(); err != nil {
		return err
	}
	err := s.outbox.Push(p)
	var large *quic.DatagramTooLargeError
	if err == nil || err == quic.ErrWouldBlock || errors.As(err, &large) {
		return err
	}
	return s.fail(context.Background(), err)
}

// sendDatagram takes the identifier, which http3 puts in front, off the limit
// that quic-go names.
func (s *session) sendDatagram(p []byte) error {
	err := s.wt.SendDatagram(p)
	if e, ok := errors.AsType[*quicgo.DatagramTooLargeError](err); ok {
		id := 0
		if s.connect != nil {
			id = int(s.connect.StreamID())
		}
		return &quicgo.DatagramTooLargeError{MaxDatagramPayloadSize: e.MaxDatagramPayloadSize - int64(quicvarint.Len(uint64(id/4)))}
	}
	return err
}
