package dialect

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/ports/quic"
)

// A Form is how a dialect writes groups.
type Form interface {
	// Class names the encoding of objects.
	Class() moq.Class
	// Carriage says what can be written: the rest is left out before.
	Carriage() moq.Carriage
	// StreamHeader appends what comes before the first object of a stream.
	StreamHeader(b []byte, id, group uint64, h *moq.SubgroupHeader) []byte
	// ObjectHeader appends what comes before the payload of o, of size bytes;
	// prev is the object before it on the stream, nil for the first.
	ObjectHeader(b []byte, prev, o *moq.ObjectHeader, size uint64) []byte
	// Datagram appends a whole datagram.
	Datagram(b []byte, id, group uint64, o *moq.ObjectHeader, endOfGroup bool, payload []byte) []byte
	// Code returns the code with which a stream is reset for err.
	Code(err error) quic.ErrorCode
}

// An Egress turns the subscriptions of a peer into streams: it is the
// scheduler of a session. Tasks are served in the order of their priority;
// streams open in that order, and within a subscription in the order it asks
// for. A group that is superseded for longer than its subscription allows is
// reset, so that it never holds back a newer one.
type Egress struct {
	conn   quic.Connection
	runner *Runner
	group  *Group
	form   Form
	proj   moq.Projection
	whole  bool // groups are merged
	lost   *moq.LossCounter
	conf   *Config
	prio   bool
	dgrams bool

	mu      sync.Mutex
	subs    []*Outgoing
	spare   quic.SendStream // credit that the waiter got
	waiting bool
	starved []*Outgoing
	timer   *time.Timer
	due     time.Time
	closed  bool
}

// NewEgress returns the egress of a session. What the form cannot carry is
// counted in lost.
func NewEgress(c quic.Connection, r *Runner, g *Group, f Form, conf *Config, lost *moq.LossCounter) *Egress {
	st, carriage := c.State(), f.Carriage()
	return &Egress{
		conn: c, runner: r, group: g, form: f, proj: moq.Sent(carriage), whole: carriage.Whole, lost: lost,
		conf: conf, prio: st.Priorities, dgrams: st.Datagrams,
	}
}

// stream opens a stream without blocking. Without credit it leaves a waiter
// behind that wakes o.
func (e *Egress) stream(o *Outgoing) (quic.SendStream, error) {
	e.mu.Lock()
	if s := e.spare; s != nil {
		e.spare = nil
		e.mu.Unlock()
		return s, nil
	}
	waiting := e.waiting
	e.mu.Unlock()
	if !waiting {
		s, err := e.conn.TryOpenUniStream()
		if !errors.Is(err, quic.ErrWouldBlock) {
			return s, err
		}
	}
	e.mu.Lock()
	if !slices.Contains(e.starved, o) {
		e.starved = append(e.starved, o)
	}
	e.waiting = true
	e.mu.Unlock()
	if !waiting {
		e.group.Go(e.waitForCredit)
		e.wakeAll() // what is late gives its stream up
	}
	return nil, quic.ErrWouldBlock
}

func (e *Egress) waitForCredit() {
	s, err := e.conn.OpenUniStream(e.conn.Context())
	e.mu.Lock()
	if err == nil {
		e.spare = s
	}
	e.waiting = false
	starved := e.starved
	e.starved = nil
	e.mu.Unlock()
	for _, o := range starved {
		o.Wake()
	}
}

// wakeAt makes everything be looked at again at the time given, if that is not
// zero.
func (e *Egress) wakeAt(at time.Time) {
	if at.IsZero() {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || !e.due.IsZero() && !at.Before(e.due) {
		return
	}
	e.due = at
	if e.timer != nil {
		e.timer.Stop()
	}
	if wait := time.Until(at); wait > 0 {
		e.timer = time.AfterFunc(wait, e.wakeAll)
	} else {
		e.timer = nil
		e.group.Go(e.wakeAll)
	}
}

func (e *Egress) wakeAll() {
	e.mu.Lock()
	e.due = time.Time{}
	subs := slices.Clone(e.subs)
	e.mu.Unlock()
	for _, o := range subs {
		o.Wake()
	}
}

// Close stops the timer; the session's connection must be closed by then.
func (e *Egress) Close() {
	e.mu.Lock()
	e.closed = true
	if e.timer != nil {
		e.timer.Stop()
	}
	subs := e.subs
	e.subs = nil
	e.mu.Unlock()
	for _, o := range subs {
		o.mu.Lock()
		r := o.reader
		o.mu.Unlock()
		r.Close()
	}
}
