package memnet

import (
	"context"
	"time"

	"github.com/moqtgo/moqt/ports/quic"
)

// defaultUrgency is that of RFC 9218.
const defaultUrgency = 3

// A sendHalf is the sending half of a stream. What TryWrite took is queued;
// what Write brings stays in its caller's slice until it is sent.
type sendHalf struct {
	s      *stream
	queued []byte
	source []byte // of a Write in progress
	tried  int    // bytes taken by TryWrite since a Write returned
	sent   int64
	limit  int64 // the peer's window
	order  time.Duration

	fin, finSent bool
	boundary     int64 // bytes that survive CancelWrite
	reset        *quic.StreamError
	over         bool // nothing more will be sent

	urgency     uint8
	incremental bool
	turn        uint64
	index       int // in the heap of ready streams; -1: not in it

	wake signal
	ctx  ending
}

func newSendHalf(s *stream) *sendHalf {
	return &sendHalf{s: s, limit: s.c.peerConf.stream, urgency: defaultUrgency, incremental: true, index: -1}
}

func (h *sendHalf) pending() int64 { return int64(len(h.queued) + len(h.source)) }

// stopped says why nothing more can be written.
func (h *sendHalf) stopped() error {
	switch {
	case h.reset != nil:
		return h.reset
	case h.s.c.err != nil:
		return h.s.c.err
	case h.fin:
		return quic.ErrFinished
	}
	return nil
}

func (h *sendHalf) Write(p []byte) (int, error) {
	c := h.s.c
	c.net.mu.Lock()
	defer c.net.release()
	if err := h.stopped(); err != nil {
		return 0, err
	}
	start := h.sent + int64(len(h.queued))
	h.source = p
	for h.pending() > 0 {
		h.ready()
		wake := h.wake.wait()
		c.net.release()
		<-wake
		c.net.mu.Lock()
		if err := h.stopped(); err != nil {
			h.source = nil
			return int(max(0, h.sent-start)), err
		}
	}
	h.source = nil
	h.tried = 0
	return len(p), nil
}

func (h *sendHalf) TryWrite(p []byte) error {
	c := h.s.c
	c.net.mu.Lock()
	defer c.net.release()
	if err := h.stopped(); err != nil {
		return err
	}
	// The connection's credit is that of the last settled moment: what others
	// take meanwhile must not decide.
	n := int64(len(p))
	if h.tried+len(p) > quic.TryWriteLimit || h.sent+h.pending()+n > h.limit || c.sent+n > c.sendLimit {
		return quic.ErrWouldBlock
	}
	h.tried += len(p)
	h.queued = append(h.queued, p...)
	h.ready()
	return nil
}

func (h *sendHalf) Close() error {
	c := h.s.c
	c.net.mu.Lock()
	defer c.net.release()
	if h.fin || h.stopped() != nil {
		return nil
	}
	h.fin = true
	h.ctx.end(quic.ErrFinished)
	if h.pending() == 0 {
		h.sendFin()
	}
	return nil
}

// sendFin sends a FIN that goes alone. It needs no credit.
func (h *sendHalf) sendFin() {
	h.finSent = true
	h.s.c.wantControl(frame{kind: dataFrame, fin: true, stream: h.s.id, offset: h.sent, order: &h.order})
	h.done()
}

func (h *sendHalf) CancelWrite(code quic.ErrorCode) {
	c := h.s.c
	c.net.mu.Lock()
	defer c.net.release()
	if c.err == nil {
		h.cancel(&quic.StreamError{Code: c.cap(code)}, h.boundary)
	}
}

// cancel resets the stream; bytes up to boundary are still sent.
func (h *sendHalf) cancel(err *quic.StreamError, boundary int64) {
	if h.reset != nil {
		return
	}
	h.reset = err
	h.ctx.end(err)
	h.source = nil
	h.queued = h.queued[:min(int64(len(h.queued)), max(0, boundary-h.sent))]
	h.wake.fire()
	h.s.c.wantControl(frame{kind: resetFrame, stream: h.s.id, code: err.Code, offset: max(h.sent, boundary), limit: boundary})
	if h.pending() == 0 {
		h.unready()
		h.done()
	}
}

// receiveStop handles STOP_SENDING, which a reset answers.
func (h *sendHalf) receiveStop(code quic.ErrorCode) {
	if h != nil {
		h.cancel(&quic.StreamError{Code: code, Remote: true}, 0)
	}
}

func (h *sendHalf) receiveCredit(limit int64) {
	if h != nil && limit > h.limit {
		h.limit = limit
		h.ready()
	}
}

// done marks the half as over.
func (h *sendHalf) done() {
	h.over = true
	h.s.settle()
}

// lost ends the half with its connection.
func (h *sendHalf) lost(err error) {
	h.ctx.end(err)
	h.wake.fire()
}

func (h *sendHalf) SetPriority(urgency uint8, incremental bool) {
	c := h.s.c
	c.net.mu.Lock()
	defer c.net.release()
	h.urgency, h.incremental = min(urgency, 7), incremental
	c.readyQueue.fix(h)
}

func (h *sendHalf) SetReliableBoundary() {
	c := h.s.c
	c.net.mu.Lock()
	defer c.net.release()
	if h.reset == nil {
		h.boundary = h.sent + int64(len(h.queued))
	}
}

func (h *sendHalf) Context() context.Context {
	c := h.s.c
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	return h.ctx.context()
}
