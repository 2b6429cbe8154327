package memnet

import (
	"time"

	"github.com/moqtgo/moqt/ports/quic"
)

type frameKind uint8

const (
	dataFrame frameKind = iota
	resetFrame
	stopFrame
	datagramFrame
	maxDataFrame
	maxStreamDataFrame
	maxBidiFrame
	maxUniFrame
	helloFrame    // the client's first flight
	welcomeFrame  // the server's answer
	retryFrame    // or: again, with proof of the address
	finishedFrame // the client has confirmed
	refuseFrame   // the server's handshake has failed
	closeFrame
	requestFrame  // an extended CONNECT
	responseFrame // and its answer
)

func (k frameKind) String() string {
	return [...]string{"data", "reset", "stop", "datagram", "max_data", "max_stream_data", "max_streams_bidi",
		"max_streams_uni", "hello", "welcome", "retry", "finished", "refuse", "close", "request", "response"}[k]
}

// A frame is what is handed over at once.
type frame struct {
	kind   frameKind
	fin    bool
	stream int64 // -1: none
	offset int64 // of data; the final size of a reset
	limit  int64 // of a max frame; the reliable size of a reset
	code   quic.ErrorCode
	data   []byte
	hello  *hello
	err    error // of a refusal or a close
	web    *exchange
	order  *time.Duration // when the frame before it arrives, if they keep their order
}

// Stream numbers are those of QUIC: bit 0 says who opened it, bit 1 that it is
// unidirectional, the rest counts.
const (
	byServer = 1
	uniBit   = 2
)

// receive handles what arrives. Before the handshake has brought the keys
// nothing else can be read.
func (c *conn) receive(f *frame) {
	if c.err != nil {
		return
	}
	handshake := f.kind >= helloFrame && f.kind <= closeFrame
	if !handshake && !c.keys {
		c.early = append(c.early, *f)
		return
	}
	c.stats.PacketsReceived++
	c.stats.BytesReceived += int64(len(f.data)) + overhead
	c.heard()
	switch f.kind {
	case dataFrame, resetFrame, stopFrame, maxStreamDataFrame:
		c.receiveStream(f)
	case datagramFrame:
		c.receiveDatagram(f.data)
	case maxDataFrame:
		c.sendLimit = max(c.sendLimit, f.limit)
		c.wantSend()
	case maxBidiFrame:
		c.raise(bidi, f.limit)
	case maxUniFrame:
		c.raise(uni, f.limit)
	case helloFrame:
		c.receiveHello(f.hello)
	case retryFrame:
		c.wantControl(frame{kind: helloFrame, stream: -1, hello: f.hello})
	case welcomeFrame:
		c.receiveWelcome(f.hello)
	case finishedFrame:
		c.receiveFinished()
	case refuseFrame, closeFrame:
		c.end(f.err)
	case requestFrame:
		c.receiveRequest(f.web)
	case responseFrame:
		c.receiveResponse(f.web)
	}
}

func (c *conn) receiveStream(f *frame) {
	s := c.streams[f.stream]
	if s == nil {
		if s = c.incoming(f.stream); s == nil {
			return // an old stream
		}
	}
	if s.hidden && !c.reveal(s, f) {
		return
	}
	switch f.kind {
	case dataFrame:
		s.recv.receiveData(f)
	case resetFrame:
		s.recv.receiveReset(f)
	case stopFrame:
		s.send.receiveStop(f.code)
	case maxStreamDataFrame:
		s.send.receiveCredit(f.limit)
	}
}

// incoming creates a stream of the peer; nil if it has been and gone. In QUIC
// a stream opens every earlier one of its kind as well. In WebTransport each
// is hidden until its own header has come, which travels with its first bytes.
func (c *conn) incoming(id int64) *stream {
	if id&byServer == c.side {
		return nil
	}
	in := &c.accepted[kindOf(id)]
	ordinal := id >> 2
	if ordinal < in.next || in.seen[ordinal] {
		return nil
	}
	if c.web.session {
		in.see(ordinal)
		s := newStream(c, id)
		s.hidden = true
		return s
	}
	var s *stream
	for ; in.next <= ordinal; in.next++ {
		s = newStream(c, in.next<<2|id&3)
		c.admit(s)
	}
	return s
}

func (c *conn) admit(s *stream) {
	in := &c.accepted[kindOf(s.id)]
	in.queue = append(in.queue, s)
	in.wake.fire()
}

// reveal shows a hidden stream with its first data. One that is reset before
// is never seen.
func (c *conn) reveal(s *stream, f *frame) bool {
	switch {
	case f.kind == dataFrame:
		s.hidden = false
		c.admit(s)
	case f.kind == resetFrame && f.limit == 0:
		s.recv.receiveReset(f)
		s.recv.done()
		if s.send != nil {
			s.send.cancel(&quic.StreamError{Code: f.code}, 0)
		}
		return false
	}
	return true
}
