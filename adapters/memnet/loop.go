package memnet

import (
	"container/heap"
	"math"
	"time"
)

const never = time.Duration(math.MaxInt64)

// An event is something that happens at due: a frame is handed over, or run is
// called. Events of one instant are sorted by a hash of the seed and of where
// they happen, and never by who came first.
type event struct {
	due    time.Duration
	key    uint64 // hash of seed, lane and stream
	lane   string // one direction of a connection
	stream int64
	seq    uint64
	to     *conn
	frame  frame
	run    func()
}

func (e *event) before(f *event) bool {
	switch {
	case e.due != f.due:
		return e.due < f.due
	case e.key != f.key:
		return e.key < f.key
	case e.lane != f.lane:
		return e.lane < f.lane
	case e.stream != f.stream:
		return e.stream < f.stream
	default:
		return e.seq < f.seq
	}
}

type eventQueue []*event

func (q eventQueue) Len() int           { return len(q) }
func (q eventQueue) Less(i, j int) bool { return q[i].before(q[j]) }
func (q eventQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *eventQueue) Push(x any)        { *q = append(*q, x.(*event)) }
func (q *eventQueue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return e
}

func (n *Network) push(e *event) {
	if !n.closed {
		heap.Push(&n.events, e)
	}
}

// at calls run at due, with the lock held. lane and what order it within the
// instant.
func (n *Network) at(due time.Duration, lane, what string, seq uint64, run func()) {
	n.push(&event{due: due, key: n.hash(lane, what), lane: lane, stream: -1, seq: seq, run: run})
}

// due returns and removes the next event that is due.
func (n *Network) due(now time.Duration) *event {
	if len(n.events) == 0 || n.events[0].due > now {
		return nil
	}
	return heap.Pop(&n.events).(*event)
}

func (n *Network) happen(e *event) {
	if e.run != nil {
		e.run()
		return
	}
	n.traceFrame(e)
	e.to.receive(&e.frame)
}

// release unlocks the network after anything that may have given it work.
func (n *Network) release() {
	if n.ordered() {
		select {
		case n.kick <- struct{}{}:
		default:
		}
	} else {
		n.run()
	}
	n.mu.Unlock()
}

// run hands over everything that is due, in real time.
func (n *Network) run() {
	for !n.closed {
		n.pump()
		e := n.due(n.now())
		if e == nil {
			break
		}
		n.happen(e)
	}
	n.writeNotes()
	if n.closed || len(n.events) == 0 {
		return
	}
	due := n.events[0].due
	if g := n.conf.Grain; g > 0 {
		due = (due + g - 1).Truncate(g)
	}
	if due >= n.armed {
		return
	}
	n.armed = due
	wait := n.armed - n.now()
	if n.timer == nil {
		n.timer = time.AfterFunc(wait, n.alarm)
	} else {
		n.timer.Reset(wait)
	}
}

func (n *Network) alarm() {
	n.mu.Lock()
	n.armed = never
	n.release()
}

// pump lets every link that has work send.
func (n *Network) pump() (worked bool) {
	for len(n.dirty) > 0 {
		l := n.dirty[len(n.dirty)-1]
		n.dirty = n.dirty[:len(n.dirty)-1]
		l.dirty = false
		worked = l.pump() || worked
	}
	return worked
}

// loop runs an ordered network. Everybody has settled whenever it decides, so
// what it sees does not depend on who ran first.
func (n *Network) loop() {
	defer close(n.done)
	timer := time.NewTimer(never)
	defer timer.Stop()
	for {
		n.conf.Settle()
		n.mu.Lock()
		n.writeNotes()
		if n.closed {
			n.wakeWaiters()
			n.mu.Unlock()
			return
		}
		if n.pump() {
			n.mu.Unlock()
			continue
		}
		now := n.now()
		if e := n.due(now); e != nil {
			n.happen(e)
			n.mu.Unlock()
			continue
		}
		if n.wakeWaiters() {
			n.mu.Unlock()
			continue
		}
		timer.Stop()
		if len(n.events) > 0 {
			timer.Reset(n.events[0].due - now)
		}
		n.mu.Unlock()
		select {
		case <-n.kick:
		case <-timer.C:
		}
	}
}

func (n *Network) wakeWaiters() bool {
	waiting := len(n.waiters) > 0
	for _, settled := range n.waiters {
		close(settled)
	}
	n.waiters = nil
	return waiting
}
