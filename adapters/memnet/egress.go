package memnet

import (
	"cmp"
	"container/heap"
	"slices"
)

// A readyQueue sorts the streams that have bytes and credit by urgency. Within
// an urgency the oldest stream goes first, and incremental ones take turns.
type readyQueue []*sendHalf

func (q readyQueue) Len() int { return len(q) }
func (q readyQueue) Less(i, j int) bool {
	a, b := q[i], q[j]
	if a.urgency != b.urgency {
		return a.urgency < b.urgency
	}
	if a.incremental != b.incremental {
		return b.incremental
	}
	if a.incremental && a.turn != b.turn {
		return a.turn < b.turn
	}
	return a.s.id < b.s.id
}
func (q readyQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}
func (q *readyQueue) Push(x any) {
	h := x.(*sendHalf)
	h.index = len(*q)
	*q = append(*q, h)
}
func (q *readyQueue) Pop() any {
	old := *q
	h := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	h.index = -1
	return h
}
func (q *readyQueue) fix(h *sendHalf) {
	if h.index >= 0 {
		heap.Fix(q, h.index)
	}
}

// ready queues the half if it has bytes and credit.
func (h *sendHalf) ready() {
	c := h.s.c
	if h.index < 0 && h.pending() > 0 && h.sent < h.limit && c.err == nil {
		heap.Push(&c.readyQueue, h)
	}
	c.wantSend()
}

func (h *sendHalf) unready() {
	if h.index >= 0 {
		heap.Remove(&h.s.c.readyQueue, h.index)
	}
}

// wantSend has the connection's link send soon.
func (c *conn) wantSend() {
	if !c.active && (len(c.control) > 0 || len(c.datagrams) > 0 || len(c.readyQueue) > 0) {
		c.link.add(c)
	}
	c.link.touch()
}

// wantControl queues a frame that goes before any data. A limit is filled in
// when it is sent, and one of a kind and stream is enough.
func (c *conn) wantControl(f frame) {
	if c.err != nil && f.kind != closeFrame && f.kind != refuseFrame {
		return
	}
	switch f.kind {
	case maxDataFrame, maxStreamDataFrame, maxBidiFrame, maxUniFrame:
		for _, other := range c.control {
			if other.kind == f.kind && other.stream == f.stream {
				return
			}
		}
	}
	c.control = append(c.control, f)
	c.controlSorted = false
	c.wantSend()
}

// pop takes the next packet: control frames in an order that does not depend
// on who queued them first, then datagrams, then the most urgent stream.
func (c *conn) pop(mtu int) (packet, bool) {
	for len(c.control) > 0 {
		if !c.controlSorted {
			c.controlSorted = true
			slices.SortStableFunc(c.control, func(a, b frame) int {
				return cmp.Or(cmp.Compare(a.stream, b.stream), cmp.Compare(a.kind, b.kind))
			})
		}
		f := c.control[0]
		c.control = c.control[1:]
		if c.fill(&f) {
			return packet{c, f}, true
		}
	}
	c.control = nil
	if len(c.datagrams) > 0 {
		data := c.datagrams[0]
		c.datagrams = c.datagrams[1:]
		return packet{c, frame{kind: datagramFrame, stream: -1, data: data}}, true
	}
	if len(c.readyQueue) == 0 || c.sent >= c.sendLimit {
		return packet{}, false
	}
	return packet{c, c.readyQueue[0].next(mtu)}, true
}

// next takes up to mtu bytes of the half.
func (h *sendHalf) next(mtu int) frame {
	c := h.s.c
	n := int(min(int64(mtu), h.pending(), h.limit-h.sent, c.sendLimit-c.sent))
	data := make([]byte, 0, n)
	k := min(n, len(h.queued))
	data = append(data, h.queued[:k]...)
	h.queued = h.queued[k:]
	data = append(data, h.source[:n-k]...)
	h.source = h.source[n-k:]
	f := frame{kind: dataFrame, stream: h.s.id, offset: h.sent, data: data, order: &h.order}
	h.sent += int64(n)
	c.sent += int64(n)
	c.turns++
	h.turn = c.turns
	c.readyQueue.fix(h)
	if h.pending() == 0 || h.sent >= h.limit {
		h.unready()
	}
	if h.pending() == 0 {
		h.queued = nil
		h.wake.fire()
		if h.fin && h.reset == nil {
			f.fin, h.finSent = true, true
		}
		if h.fin || h.reset != nil {
			h.done()
		}
	}
	return f
}

// fill completes a limit; false: nothing to say any more.
func (c *conn) fill(f *frame) bool {
	switch f.kind {
	case maxDataFrame:
		f.limit = c.window.raise(c.net.now(), c.rtt())
	case maxStreamDataFrame:
		s := c.streams[f.stream]
		if s == nil || s.recv.final >= 0 || s.recv.over {
			return false
		}
		f.limit = s.recv.window.raise(c.net.now(), c.rtt())
	case maxBidiFrame, maxUniFrame:
		in := &c.accepted[f.kind-maxBidiFrame]
		f.limit = in.limit + in.ended
	}
	return true
}
