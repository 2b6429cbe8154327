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

// Served is told, by the runner, what becomes of a subscription.
type Served struct {
	// Accepted says that the track exists. known: it starts at start.
	Accepted func(info moq.TrackInfo, start moq.Location, known bool)
	// Started says which group is the first.
	Started func(group uint64)
	// Dropped, which may be nil, says that a group will not come: it was late
	// before there was a stream for it.
	Dropped func(group uint64)
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
	cut    error // End was called

	// of the runner
	info    moq.TrackInfo
	known   bool
	sub     moq.Subscription
	level   atomic.Uint32
	start   time.Time             // when it began to be served
	timeout atomic.Int64          // of an object, in nanoseconds; 0: none
	patient time.Duration         // timeout of a subgroup; 0: none
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
	o.reader, o.start = r, time.Now()
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

// End ends the subscription with err, as its track would, but at once: what is
// open is reset, then Served.Ended is told.
func (o *Outgoing) End(err error) {
	o.mu.Lock()
	if o.cut == nil {
		o.cut = err
	}
	o.mu.Unlock()
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
	r, cut := o.reader, o.cut
	o.mu.Unlock()
	if r == nil || o.closed {
		return
	}
	now := time.Now()
	if r.Closed() {
		o.abort()
		return
	}
	if cut != nil {
		o.abort()
		o.on.Ended(cut)
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
	if info, known := r.Track().Info(); known {
		o.timeout.Store(int64(moq.Timeout(o.sub.ObjectTimeout, info.ObjectTimeout)))
		o.patient = moq.Timeout(o.sub.SubgroupTimeout, info.SubgroupTimeout)
		if !o.known {
			o.accept(r)
		}
	}
	for o.over == nil {
		sg, dg, err := r.Next()
		if err == nil && (sg != nil || dg != nil) && !o.begin(r) {
			return
		}
		switch {
		case err != nil:
			o.over = err
		case dg != nil:
			o.datagram(dg)
		case sg != nil:
			o.subgroup(sg)
		default:
			return
		}
	}
}

// subgroup takes a subgroup that has arrived.
func (o *Outgoing) subgroup(sg *moq.SubgroupReader) {
	_, lost, ok := o.e.proj.Subgroup(sg.SubgroupHeader, sg.Group(), 0, &o.info)
	o.e.lost.Count(lost)
	switch {
	case !ok:
		sg.Abandon(true)
	case !sg.Whole && o.e.whole && !o.merge(sg.Group()): // its group has its stream
		sg.Abandon(false)
	default:
		if !sg.Whole && o.e.whole {
			sg.Merge()
		}
		o.enqueue(sg)
	}
}

func (o *Outgoing) enqueue(sg *moq.SubgroupReader) {
	if sg.Group() > o.newest || len(o.streams)+len(o.pending) == 0 {
		o.newest = sg.Group()
		o.demote()
	}
	o.pending = append(o.pending, sg)
}

// merge says that a group which did not come as one stream becomes one, for
// dialects that have no others. It returns false where it has already.
func (o *Outgoing) merge(group uint64) bool {
	if _, ok := o.merged[group]; ok {
		return false
	}
	if o.merged == nil {
		o.merged = map[uint64]struct{}{}
	}
	if len(o.merged) > 2*mergedKept {
		for g := range o.merged {
			if g+mergedKept < group {
				delete(o.merged, g)
			}
		}
	}
	o.merged[group] = struct{}{}
	return true
}

// mergedKept is how many groups back a late subgroup is still known to belong
// to a stream.
const mergedKept = 64

// accept answers the subscription; false says that it refuses it.
func (o *Outgoing) accept(r *moq.TrackReader) bool {
	info, _ := r.Track().Info()
	told, lost, ok := o.e.proj.Track(info)
	o.e.lost.Count(lost)
	if !ok {
		o.over = moq.Errorf(moq.CodeUnsupported, "the track has a property that this version cannot tell")
		return false
	}
	o.info, o.known = told, true
	start, known := r.Start()
	o.on.Accepted(told, start, known)
	return true
}

func (o *Outgoing) begin(r *moq.TrackReader) bool {
	if o.began {
		return true
	}
	if !o.known && !o.accept(r) {
		return false
	}
	o.began = true
	start, _ := r.Start()
	o.on.Started(start.Group)
	return true
}

// since returns from when on the time of something that has arrived counts:
// what is replayed to a new subscriber is not older than the subscription.
func (o *Outgoing) since(arrived time.Time) time.Time {
	if arrived.Before(o.start) {
		return o.start
	}
	return arrived
}

// datagram sends an object that was a datagram as it came, or as a part of its
// group.
func (o *Outgoing) datagram(d *moq.Datagram) {
	e := o.e
	if limit := moq.Timeout(time.Duration(o.timeout.Load()), o.patient); limit > 0 && time.Since(o.since(d.Arrived)) >= limit {
		return
	}
	x := e.proj.Datagram(&d.ObjectHeader, &o.info, d.Arrived, d.EndOfGroup)
	switch whole := d.ID == 0 && d.EndOfGroup; {
	case e.whole && !o.merge(d.Sequence()): // its group has its stream
		x.Lost = moq.LossDatagram.Of()
	case x.Datagram && x.OK && e.dgrams:
		b := e.form.Datagram(nil, o.id, d.Sequence(), &x.ObjectHeader, d.EndOfGroup, d.Payload())
		if e.conn.SendDatagram(b) != nil {
			// It does not fit or the queue is full: that is what a datagram
			// means.
			x.Lost |= moq.LossDatagram.Of()
		}
	case !e.whole: // it must not come as anything else
		x.Lost |= moq.LossDatagram.Of()
	default:
		x.Lost = moq.LossDatagram.Of() // the stream counts the rest
		sg := d.Reader()
		if !whole {
			sg.Merge()
		}
		o.enqueue(sg)
	}
	e.lost.Count(x.Lost)
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
		if late, at := o.late(sg, now); late || sg.Squeezed() {
			sg.Abandon(true)
			if o.on.Dropped != nil {
				o.on.Dropped(sg.Group())
			}
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

// expire resets the streams of groups that are late and have unsent bytes, or
// whose rest is not there any more;
// while streams are short, late groups that are merely open give theirs up too.
func (o *Outgoing) expire(now time.Time) {
	o.e.mu.Lock()
	short := o.e.waiting
	o.e.mu.Unlock()
	for _, s := range o.streams {
		busy, done := s.w.pending()
		if busy && !done && s.r.Squeezed() {
			s.r.Abandon(true)
			s.w.cancel(o.e.form.Code(moq.ErrEvicted))
			continue
		}
		if busy && !done {
			if at := s.due(now); !at.IsZero() && !now.Before(at) {
				s.r.Abandon(true)
				s.w.cancel(o.e.form.Code(moq.ErrTimeout))
				continue
			} else if !at.IsZero() {
				o.e.wakeAt(at)
			}
		}
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
