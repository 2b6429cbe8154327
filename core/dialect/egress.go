package dialect

import (
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/ports/quic"
)

// A Form is how a dialect writes groups.
type Form interface {
	// Class names the encoding of objects.
	Class() moq.Class
	// StreamHeader appends what comes before the first object of a stream.
	StreamHeader(b []byte, id uint64, g *moq.Subgroup) []byte
	// ObjectHeader appends what comes before the payload of o; prev is the
	// object before it on the stream, nil for the first.
	ObjectHeader(b []byte, prev, o *moq.Object, info *moq.TrackInfo) []byte
	// Datagram appends a whole datagram; ok is false where the dialect sends
	// the object on a stream instead.
	Datagram(b []byte, id uint64, d *moq.Datagram, info *moq.TrackInfo) (_ []byte, ok bool)
	// Whole says that a group is one stream: objects of several subgroups are
	// merged in the order of their ids.
	Whole() bool
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

// NewEgress returns the egress of a session.
func NewEgress(c quic.Connection, r *Runner, g *Group, f Form, conf *Config) *Egress {
	st := c.State()
	return &Egress{conn: c, runner: r, group: g, form: f, conf: conf, prio: st.Priorities, dgrams: st.Datagrams}
}

// Served is told, by the runner, what becomes of a subscription.
type Served struct {
	// Accepted says that the track exists. known: it starts at start.
	Accepted func(info moq.TrackInfo, start moq.Location, known bool)
	// Started says which group is the first.
	Started func(group uint64)
	// Ended says that all that there will be has been sent; the error is nil
	// after the end of the track.
	Ended func(error)
}

// An Outgoing is one subscription of the peer that we serve.
type Outgoing struct {
	Task
	e  *Egress
	id uint64
	on Served

	mu     sync.Mutex
	reader *moq.TrackReader

	// of the runner
	info    moq.TrackInfo
	known   bool
	sub     moq.Subscription
	level   atomic.Uint32
	pending []*moq.SubgroupReader // no stream yet
	streams []*outStream
	newest  uint64
	opened  uint64 // streams so far
	began   bool
	merged  map[uint64]struct{} // groups that are merged into one stream
	over    error               // io.EOF or why the track failed
	closed  bool
}

// Serve prepares to serve a subscription under the dialect's id for it; call
// Start with its reader.
func (e *Egress) Serve(id uint64, on Served) *Outgoing {
	o := &Outgoing{e: e, id: id, on: on}
	o.init(e.runner, 1<<32|id, o.serve)
	return o
}

// Start begins to serve what r reads. r must wake o.
func (o *Outgoing) Start(r *moq.TrackReader) {
	o.mu.Lock()
	o.reader = r
	o.mu.Unlock()
	e := o.e
	e.mu.Lock()
	e.subs = append(e.subs, o)
	e.mu.Unlock()
	e.rank()
	o.Wake()
}

// Update replaces what the peer wants.
func (o *Outgoing) Update(s moq.Subscription) {
	o.mu.Lock()
	r := o.reader
	o.mu.Unlock()
	if r != nil {
		r.Update(s)
		o.e.rank()
		o.Wake()
	}
}

// Close ends the subscription; group streams that are open are reset.
func (o *Outgoing) Close() {
	o.mu.Lock()
	r := o.reader
	o.mu.Unlock()
	if r != nil {
		r.Close()
	}
	e := o.e
	e.mu.Lock()
	e.subs = slices.DeleteFunc(e.subs, func(p *Outgoing) bool { return p == o })
	e.mu.Unlock()
	o.Wake()
}

// Accepted reports whether Served.Accepted was called. It belongs to the
// runner's callbacks, as Opened.
func (o *Outgoing) Accepted() bool { return o.known }

// Opened returns how many streams were opened.
func (o *Outgoing) Opened() uint64 { return o.opened }

// serve does what can be done now.
func (o *Outgoing) serve(later *[]func()) {
	o.mu.Lock()
	r := o.reader
	o.mu.Unlock()
	if r == nil || o.closed {
		return
	}
	now := time.Now()
	if r.Closed() {
		o.abort()
		return
	}
	o.drain(r)
	o.open(now)
	for _, s := range o.streams {
		s.w.serve(later)
	}
	o.expire(now)
	o.streams = slices.DeleteFunc(o.streams, (*outStream).gone)
	if o.over != nil && len(o.pending) == 0 && len(o.streams) == 0 {
		o.closed = true
		err := o.over
		if err == io.EOF {
			err = nil
		}
		o.on.Ended(err)
	}
}

// drain takes what has arrived.
func (o *Outgoing) drain(r *moq.TrackReader) {
	o.sub = r.Subscription()
	if !o.known {
		if o.info, o.known = r.Track().Info(); o.known {
			o.accept(r)
		}
	}
	for o.over == nil {
		sg, dg, err := r.Next()
		switch {
		case err != nil:
			o.over = err
		case dg != nil:
			o.begin(r)
			o.datagram(dg)
		case sg != nil && !o.merge(sg): // its group has its stream
			sg.Abandon(false)
		case sg != nil:
			o.begin(r)
			if sg.Group() > o.newest || len(o.streams)+len(o.pending) == 0 {
				o.newest = sg.Group()
				o.demote()
			}
			o.pending = append(o.pending, sg)
		default:
			return
		}
	}
}

// merge makes a subgroup that is not its whole group one for dialects that have
// no others. It returns false where the group has a stream already.
func (o *Outgoing) merge(sg *moq.SubgroupReader) bool {
	if sg.Whole || !o.e.form.Whole() {
		return true
	}
	group := sg.Group()
	if _, ok := o.merged[group]; ok {
		return false
	}
	if o.merged == nil {
		o.merged = map[uint64]struct{}{}
	}
	for g := range o.merged {
		if g+mergedKept < group {
			delete(o.merged, g)
		}
	}
	o.merged[group] = struct{}{}
	sg.Merge()
	return true
}

// mergedKept is how many groups back a late subgroup is still known to belong
// to a stream.
const mergedKept = 64

func (o *Outgoing) accept(r *moq.TrackReader) {
	o.known = true
	start, known := r.Start()
	o.on.Accepted(o.info, start, known)
}

func (o *Outgoing) begin(r *moq.TrackReader) {
	if o.began {
		return
	}
	o.began = true
	if !o.known {
		o.accept(r)
	}
	start, _ := r.Start()
	o.on.Started(start.Group)
}

func (o *Outgoing) datagram(d *moq.Datagram) {
	if o.e.dgrams {
		if b, ok := o.e.form.Datagram(nil, o.id, d, &o.info); ok {
			// Dropped where it does not fit or the queue is full: that is
			// what a datagram means.
			_ = o.e.conn.SendDatagram(b)
			return
		}
	}
	o.pending = append(o.pending, d.Reader())
}

// open opens streams for what is pending, in the order that the subscription
// asks for.
func (o *Outgoing) open(now time.Time) {
	if len(o.pending) > 1 {
		slices.SortStableFunc(o.pending, func(a, b *moq.SubgroupReader) int {
			return before(o.sub.Order, a.Group(), b.Group())
		})
	}
	keep := o.pending[:0]
	blocked := false
	for _, sg := range o.pending {
		if late, at := o.late(sg, now); late {
			sg.Abandon(true)
			continue
		} else if blocked || len(o.streams) >= o.e.conf.Limits.OpenGroups {
			o.e.wakeAt(at)
			keep = append(keep, sg)
			continue
		}
		s, err := o.e.stream(o)
		switch {
		case errors.Is(err, quic.ErrWouldBlock):
			blocked = true
			_, at := o.late(sg, now)
			o.e.wakeAt(at)
			keep = append(keep, sg)
		case err != nil: // the connection has ended
		default:
			o.opened++
			o.streams = append(o.streams, newOutStream(o, s, sg))
		}
	}
	clear(o.pending[len(keep):])
	o.pending = keep
}

// before orders groups: the newest first, or the oldest where that is wanted.
func before(order moq.Order, a, b uint64) int {
	if order == moq.Descending {
		a, b = b, a
	}
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// late reports whether the group has been superseded for longer than the
// subscription allows, or when that will be.
func (o *Outgoing) late(sg *moq.SubgroupReader, now time.Time) (late bool, at time.Time) {
	since := sg.Superseded()
	if since.IsZero() {
		return false, since
	}
	at = since.Add(max(o.sub.MaxLatency, o.e.conf.MinLatency))
	return !now.Before(at), at
}

// expire resets the streams of groups that are late and have unsent bytes;
// while streams are short, late groups that are merely open give theirs up too.
func (o *Outgoing) expire(now time.Time) {
	o.e.mu.Lock()
	short := o.e.waiting
	o.e.mu.Unlock()
	for _, s := range o.streams {
		busy, done := s.w.pending()
		if done || !busy && !short || s.r.Group() == o.newest {
			continue
		}
		late, at := o.late(s.r, now)
		if late {
			s.r.Abandon(true)
			s.w.cancel(o.e.form.Code(moq.ErrOld))
		} else {
			o.e.wakeAt(at)
		}
	}
}

// demote re-ranks the open streams when a newer group has appeared.
func (o *Outgoing) demote() {
	for _, s := range o.streams {
		s.prioritise()
	}
}

// abort resets everything: the subscription was closed.
func (o *Outgoing) abort() {
	o.closed, o.pending = true, nil
	for _, s := range o.streams {
		s.w.cancel(o.e.form.Code(moq.ErrCanceled))
	}
	o.streams = nil
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
	e.timer = time.AfterFunc(time.Until(at), e.wakeAll)
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
