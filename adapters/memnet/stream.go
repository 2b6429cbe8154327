package memnet

import (
	"context"

	"github.com/moqtgo/moqt/ports/quic"
)

// kind tells bidirectional and unidirectional streams apart.
type kind uint8

const (
	bidi kind = iota
	uni
)

func kindOf(id int64) kind {
	if id&uniBit != 0 {
		return uni
	}
	return bidi
}

// A stream has the halves that its kind has.
type stream struct {
	c    *conn
	id   int64
	send *sendHalf
	recv *recvHalf
	over bool

	hidden bool // until its header has come
}

func newStream(c *conn, id int64) *stream {
	s := &stream{c: c, id: id}
	mine := id&byServer == c.side
	if mine || kindOf(id) == bidi {
		s.send = newSendHalf(s)
	}
	if !mine || kindOf(id) == bidi {
		s.recv = newRecvHalf(s)
	}
	c.streams[id] = s
	return s
}

// settle forgets a stream whose halves are both over, and gives its credit
// back to a peer that opened it.
func (s *stream) settle() {
	if s.over || s.send != nil && !s.send.over || s.recv != nil && !s.recv.over {
		return
	}
	s.over = true
	delete(s.c.streams, s.id)
	if s.id&byServer != s.c.side {
		s.c.closedIncoming(kindOf(s.id))
	}
}

// A biStream is a bidirectional stream as its user sees it.
type biStream struct {
	*sendHalf
	*recvHalf
}

// outgoing counts our streams of a kind.
type outgoing struct {
	next, limit int64
	waiting     []*opening // first come, first served
}

// An opening is an OpenStream call that waits.
type opening struct {
	s    *stream
	wake signal
}

// incoming counts the peer's streams of a kind.
type incoming struct {
	next  int64          // all before it have come
	seen  map[int64]bool // and of the others these
	queue []*stream
	wake  signal
	limit int64 // as of our last max frame
	ended int64
}

func (in *incoming) see(ordinal int64) {
	if in.seen == nil {
		in.seen = make(map[int64]bool)
	}
	in.seen[ordinal] = true
	for ; in.seen[in.next]; in.next++ {
		delete(in.seen, in.next)
	}
}

func (c *conn) newOutgoing(k kind) *stream {
	o := &c.opened[k]
	id := o.next<<2 | int64(k)*uniBit | c.side
	o.next++
	return newStream(c, id)
}

// raise takes the peer's new limit and serves who waits.
func (c *conn) raise(k kind, limit int64) {
	o := &c.opened[k]
	o.limit = max(o.limit, limit)
	for len(o.waiting) > 0 && o.next < o.limit {
		w := o.waiting[0]
		o.waiting = o.waiting[1:]
		w.s = c.newOutgoing(k)
		w.wake.fire()
	}
}

// open opens a stream, and waits for credit unless try is set.
func (c *conn) open(ctx context.Context, k kind, try bool) (*stream, error) {
	c.net.mu.Lock()
	defer c.net.release()
	if c.err != nil {
		return nil, c.err
	}
	o := &c.opened[k]
	if len(o.waiting) == 0 && o.next < o.limit {
		if !try && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return c.newOutgoing(k), nil
	}
	if try {
		return nil, quic.ErrWouldBlock
	}
	w := &opening{}
	o.waiting = append(o.waiting, w)
	for {
		if err := c.sleep(ctx, &w.wake); err != nil {
			if w.s != nil {
				return w.s, nil // served in the same moment
			}
			c.forget(k, w)
			return nil, err
		}
		if w.s != nil {
			return w.s, nil
		}
	}
}

func (c *conn) forget(k kind, w *opening) {
	o := &c.opened[k]
	for i, other := range o.waiting {
		if other == w {
			o.waiting = append(o.waiting[:i:i], o.waiting[i+1:]...)
			return
		}
	}
}

func (c *conn) accept(ctx context.Context, k kind) (*stream, error) {
	c.net.mu.Lock()
	defer c.net.release()
	in := &c.accepted[k]
	for {
		if c.err != nil {
			return nil, c.err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(in.queue) > 0 {
			s := in.queue[0]
			in.queue[0] = nil
			in.queue = in.queue[1:]
			return s, nil
		}
		if err := c.sleep(ctx, &in.wake); err != nil {
			return nil, err
		}
	}
}

// sleep waits for the signal with the lock released, and says what else has
// ended the wait.
func (c *conn) sleep(ctx context.Context, s *signal) error {
	woken, ended := s.wait(), c.ended.wait()
	c.net.release()
	select {
	case <-woken:
	case <-ended:
	case <-ctx.Done():
	}
	c.net.mu.Lock()
	if c.err != nil {
		return c.err
	}
	return ctx.Err()
}

// closedIncoming lets the peer open another stream.
func (c *conn) closedIncoming(k kind) {
	c.accepted[k].ended++
	c.wantControl(frame{kind: maxBidiFrame + frameKind(k), stream: -1})
}
