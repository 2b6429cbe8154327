package main

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/quic-go/quic-go"

	"github.com/moqtgo/moqt/bench/control"
	"github.com/moqtgo/moqt/bench/workload"
)

// A fan hands every frame to every connection.
type fan struct {
	work *workload.Workload

	mu   sync.Mutex
	subs map[*subscriber]struct{}

	dropped atomic.Uint64
}

// queue is how many frames a subscriber may be behind before it loses some.
const queue = 256

type subscriber struct {
	conn   *quic.Conn
	frames chan workload.Frame
}

func newFan(work *workload.Workload) *fan {
	return &fan{work: work, subs: map[*subscriber]struct{}{}}
}

func (f *fan) accept(ctx context.Context, listener *quic.Listener) {
	for {
		conn, err := listener.Accept(ctx)
		if err != nil {
			return
		}
		s := &subscriber{conn: conn, frames: make(chan workload.Frame, queue)}
		f.mu.Lock()
		f.subs[s] = struct{}{}
		f.mu.Unlock()
		context.AfterFunc(conn.Context(), func() { f.remove(s) })
		if f.work.Rate > 0 { // an idle connection is quic-go's alone
			go s.serve()
		}
	}
}

func (f *fan) remove(s *subscriber) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.subs, s)
}

func (f *fan) send(frame workload.Frame) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.subs {
		select {
		case s.frames <- frame:
		default:
			f.dropped.Add(1)
		}
	}
}

func (f *fan) fill(stats *control.Stats) {
	f.mu.Lock()
	defer f.mu.Unlock()
	stats.Connections = len(f.subs)
	stats.Dropped = f.dropped.Load()
}

// serve writes until the connection ends. A subscriber begins in the middle
// of a group; its first stream is then a short one.
func (s *subscriber) serve() {
	var stream *quic.SendStream
	group := uint64(0)
	for {
		var frame workload.Frame
		select {
		case frame = <-s.frames:
		case <-s.conn.Context().Done():
			return
		}
		if stream == nil || frame.Group != group {
			if stream != nil {
				_ = stream.Close() // fails only with the connection
			}
			var err error
			if stream, err = s.conn.OpenUniStreamSync(s.conn.Context()); err != nil {
				return
			}
			group = frame.Group
		}
		if _, err := stream.Write(frame.Payload); err != nil {
			return
		}
	}
}
