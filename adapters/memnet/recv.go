package memnet

import (
	"io"
	"time"

	"github.com/moqtgo/moqt/ports/quic"
)

// A window is what a peer may send: raised once half of it has been consumed,
// and doubled where that happens again and again within a few round trips.
type window struct {
	consumed, limit int64
	size, most      int64
	raised          time.Duration
}

func newWindow(initial, most uint64) window {
	size := int64(initial)
	return window{limit: size, size: size, most: max(size, int64(most))}
}

// consume reports whether the peer should learn a new limit.
func (w *window) consume(n int64) bool {
	w.consumed += n
	return w.limit-w.consumed <= w.size/2
}

func (w *window) raise(now, rtt time.Duration) int64 {
	if now-w.raised < 4*rtt {
		w.size = min(2*w.size, w.most)
	}
	w.raised = now
	w.limit = max(w.limit, w.consumed+w.size)
	return w.limit
}

// A recvHalf is the receiving half of a stream.
type recvHalf struct {
	s        *stream
	window   window
	chunks   [][]byte
	read     int64 // bytes handed to the reader
	received int64
	credited int64 // bytes that the connection's window got back
	final    int64 // size of the stream; -1: unknown
	reliable int64 // bytes that survive the reset
	reset    *quic.StreamError
	stop     *quic.StreamError // of our CancelRead
	over     bool
	wake     signal
}

func newRecvHalf(s *stream) *recvHalf {
	conf := &s.c.conf
	return &recvHalf{s: s, final: -1, window: newWindow(conf.InitialStreamReceiveWindow, conf.MaxStreamReceiveWindow)}
}

func (h *recvHalf) Read(p []byte) (int, error) {
	c := h.s.c
	c.net.mu.Lock()
	defer c.net.release()
	for {
		switch {
		case h.stop != nil:
			return 0, h.stop
		case h.reset != nil && h.read >= h.reliable:
			h.done()
			return 0, h.reset
		case h.reset == nil && h.final >= 0 && h.read == h.final:
			h.done()
			return 0, io.EOF
		case c.err != nil:
			return 0, c.err
		case len(p) == 0:
			return 0, nil
		case len(h.chunks) > 0 && !c.node.stalled:
			return h.take(p), nil
		}
		wake := h.wake.wait()
		c.net.release()
		<-wake
		c.net.mu.Lock()
	}
}

// take hands out what has arrived.
func (h *recvHalf) take(p []byte) (n int) {
	if h.reset != nil {
		p = p[:min(int64(len(p)), h.reliable-h.read)]
	}
	for n < len(p) && len(h.chunks) > 0 {
		k := copy(p[n:], h.chunks[0])
		n += k
		if h.chunks[0] = h.chunks[0][k:]; len(h.chunks[0]) == 0 {
			h.chunks[0] = nil
			h.chunks = h.chunks[1:]
		}
	}
	h.read += int64(n)
	if h.window.consume(int64(n)) && h.final < 0 {
		h.s.c.wantControl(frame{kind: maxStreamDataFrame, stream: h.s.id})
	}
	h.credit(h.read)
	return n
}

// credit gives the connection's window back what lies before offset.
func (h *recvHalf) credit(offset int64) {
	c := h.s.c
	if n := offset - h.credited; n > 0 {
		h.credited = offset
		if c.window.consume(n) {
			c.wantControl(frame{kind: maxDataFrame, stream: -1})
		}
	}
}

func (h *recvHalf) CancelRead(code quic.ErrorCode) {
	c := h.s.c
	c.net.mu.Lock()
	defer c.net.release()
	if h.stop != nil || h.over || c.err != nil {
		return
	}
	h.stop = &quic.StreamError{Code: c.cap(code)}
	h.chunks = nil
	h.wake.fire()
	if h.final >= 0 {
		h.credit(h.final)
		h.done()
		return
	}
	h.credit(h.received)
	c.wantControl(frame{kind: stopFrame, stream: h.s.id, code: h.stop.Code})
}

func (h *recvHalf) receiveData(f *frame) {
	if h == nil || h.over {
		return
	}
	end := f.offset + int64(len(f.data))
	if h.reset != nil && end > h.reliable {
		// It was under way when the reset overtook it.
		f.data = f.data[:max(0, min(int64(len(f.data)), h.reliable-f.offset))]
	}
	h.received = max(h.received, end)
	if f.fin && h.reset == nil {
		h.final = end
	}
	if h.stop != nil {
		h.credit(end)
		if h.final >= 0 {
			h.done()
		}
		return
	}
	if len(f.data) > 0 {
		h.chunks = append(h.chunks, f.data)
	}
	h.wake.fire()
}

// receiveReset is ignored once everything has arrived.
func (h *recvHalf) receiveReset(f *frame) {
	if h == nil || h.over || h.reset != nil || h.final >= 0 {
		return
	}
	h.reset = &quic.StreamError{Code: f.code, Remote: true}
	h.final, h.reliable = f.offset, f.limit
	if h.stop != nil {
		h.credit(h.final)
		h.done()
		return
	}
	h.trim()
	if h.read >= h.reliable {
		h.credit(h.final)
	}
	h.wake.fire()
}

// trim drops what lies beyond the reliable size.
func (h *recvHalf) trim() {
	keep := max(0, h.reliable-h.read)
	for i, chunk := range h.chunks {
		if int64(len(chunk)) >= keep {
			h.chunks[i] = chunk[:keep]
			h.chunks = h.chunks[:i+1]
			if keep == 0 {
				h.chunks = h.chunks[:i]
			}
			return
		}
		keep -= int64(len(chunk))
	}
}

// done marks the half as over: its reader has learnt the end, or never will.
func (h *recvHalf) done() {
	if !h.over {
		h.over = true
		h.chunks = nil
		h.credit(h.final)
		h.s.settle()
	}
}
