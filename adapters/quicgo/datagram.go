package quicgo

import (
	"errors"
	"sync"

	quicgo "github.com/quic-go/quic-go"

	"github.com/moqtgo/moqt/ports/quic"
)

// datagramQueueLen is how many datagrams wait for quic-go, which queues 32
// itself.
const datagramQueueLen = 32

// tooLarge is larger than any packet of quic-go: sending it queues nothing and
// tells the limit.
var tooLarge [1 << 16]byte

// A DatagramQueue makes a SendDatagram of quic-go non-blocking: that waits
// while its own queue is full. A goroutine runs while something is queued.
// The zero value with Send set is ready.
type DatagramQueue struct {
	// Send is SendDatagram of quic-go or of webtransport-go.
	Send func([]byte) error

	mu      sync.Mutex
	ring    [][]byte // nil until the first datagram
	head    int
	len     int
	running bool
	max     int // the largest size known to fit
	dropped int64
	err     error // the connection has ended
}

// Push copies p and queues it. It returns quic.ErrWouldBlock where the queue
// is full, *quic.DatagramTooLargeError, or an error of Send translated by
// ConnError.
func (q *DatagramQueue) Push(p []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return q.err
	}
	if len(p) > q.max {
		// Too large for quic-go to queue, so this does not block.
		limit, err := q.limit()
		if err != nil {
			return err
		}
		if q.max = limit; len(p) > limit {
			return &quic.DatagramTooLargeError{Max: limit}
		}
	}
	if q.ring == nil {
		q.ring = make([][]byte, datagramQueueLen)
	}
	if q.len == len(q.ring) {
		q.dropped++
		return quic.ErrWouldBlock
	}
	slot := &q.ring[(q.head+q.len)%len(q.ring)]
	*slot = append((*slot)[:0], p...)
	q.len++
	if !q.running {
		q.running = true
		go q.run()
	}
	return nil
}

// limit asks for the largest datagram that fits right now.
func (q *DatagramQueue) limit() (int, error) {
	err := q.Send(tooLarge[:])
	if e, ok := errors.AsType[*quicgo.DatagramTooLargeError](err); ok {
		// WebTransport puts an identifier in front: Send has counted it.
		return max(int(e.MaxDatagramPayloadSize), 0), nil
	}
	return 0, ConnError(err)
}

func (q *DatagramQueue) run() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.len > 0 && q.err == nil {
		p := q.ring[q.head]
		q.mu.Unlock()
		err := q.Send(p)
		q.mu.Lock()
		q.head = (q.head + 1) % len(q.ring)
		q.len--
		if err == nil {
			continue
		}
		q.dropped++
		if e, ok := errors.AsType[*quicgo.DatagramTooLargeError](err); ok {
			q.max = int(e.MaxDatagramPayloadSize) // the path has shrunk
			continue
		}
		q.err = ConnError(err)
	}
	q.running = false
}

// Dropped is how many datagrams found the queue full or the path too small.
func (q *DatagramQueue) Dropped() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}
