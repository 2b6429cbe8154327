package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/moqtgo/moqt/app/moqt"
)

// A subscriber follows one track, and comes back when something ends.
type subscriber struct {
	*dialer
	path  moqt.Path
	track string
	sub   moqt.Subscription
	begun time.Duration // when the process started

	mu       sync.Mutex
	left     bool // it was told to unsubscribe
	stalled  bool
	stop     context.CancelFunc // of the subscription
	stats    subStats
	whole    map[string]map[uint64]bool // groups that came to their end, by label
	first    map[string]uint64          // the smallest group that came, by label
	lastAt   time.Duration              // when the last frame came
	current  string                     // label
	codes    map[string]int
	active   bool
	since    time.Duration // when the subscription was made
	openings map[uint64]*reading
	parts    bool // a group may come in parts
}

// subStats count over all subscriptions of a subscriber.
type subStats struct {
	subscribed, frames, groups, whole, cut, ends, late int
	bytes                                              int64
	lag, worst                                         time.Duration
	last                                               uint64
}

// A reading is a group of the current subscription, or a part of one: over
// moq-transport another publisher may go on where a stream was cut, and what the
// cut one had brought may be lost.
type reading struct {
	before *reading // the part before
	late   bool     // it may start inside the group
	first  uint64   // object
	next   uint64
	label  string
}

// covers reports whether r and the parts before it have every object up to the last.
func (r *reading) covers() bool {
	start := r.first
	for b := r.before; b != nil && start > 0 && b.next == start; b = b.before {
		start = b.first
	}
	return start == 0
}

// overlaps reports whether a part before r has brought the object id.
func (r *reading) overlaps(id uint64) bool {
	for b := r.before; b != nil; b = b.before {
		if b.label != "" && b.next > id {
			return true
		}
	}
	return false
}

func (w *World) subscribe(l *Line) error {
	for _, n := range names(l.Args[0]) {
		if err := w.free(n); err != nil {
			return err
		}
		s := &subscriber{
			dialer: w.dialer(n, l.Args[1], l), path: moqt.ParsePath(l.Args[2]), track: l.Args[3],
			whole: map[string]map[uint64]bool{}, first: map[string]uint64{}, codes: map[string]int{},
			sub: moqt.Subscription{MaxLatency: l.span("latency", 0), Priority: uint8(l.number("priority", count, 0))},
		}
		if l.word("order", "") == "ascending" {
			s.sub.Order = moqt.Ascending
		}
		switch from := l.word("from", "latest"); from {
		case "latest":
		case "next":
			s.sub.From = moqt.FromNext
		case "largest":
			s.sub.From = moqt.FromLargest
		default:
			g, _ := strconv.ParseUint(from, 10, 64)
			s.sub.From, s.sub.Start = moqt.FromAbsolute, moqt.Location{Group: g}
		}
		w.enter(s)
		w.Wait()
	}
	return nil
}

func (s *subscriber) begin() {
	mux := moqt.NewTrackMux(&moqt.TrackMuxConfig{Hop: s.hop()})
	s.begun = s.w.Now()
	s.run(func(ctx context.Context) {
		s.stay(ctx, mux, s.follow)
	})
}

const (
	// resubscribe is how long a subscriber waits before it tries again.
	resubscribe = 500 * time.Millisecond
	// again is how long it waits after the end of a track.
	again = 5 * time.Second
)

// follow subscribes for as long as the session lives.
func (s *subscriber) follow(ctx context.Context, session *moqt.Session) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.mu.Lock()
	s.stop = cancel
	gone := s.left
	s.mu.Unlock()
	if gone {
		return
	}
	for ctx.Err() == nil {
		r, err := session.Subscribe(ctx, s.path, s.track, &s.sub)
		if err == nil {
			s.subscribedTo(session.Version())
			err = s.read(ctx, r)
			r.Close()
		}
		s.ended(err)
		wait := resubscribe
		if err == io.EOF {
			wait = again
		}
		if s.once || sleep(ctx, wait) != nil {
			return
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *subscriber) subscribedTo(version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.subscribed++
	s.active, s.since = true, s.w.Now()
	s.openings, s.parts = map[uint64]*reading{}, !strings.HasPrefix(version, "moq-lite-")
	s.w.note(s.name, "subscribed")
}

func (s *subscriber) ended(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active = false
	switch {
	case err == io.EOF:
		s.stats.ends++
	default:
		s.codes[codeOf(err)]++
	}
	s.w.note(s.name, "subscription ended: %v", err)
}

// codeOf names an error in one word.
func codeOf(err error) string {
	var e *moqt.Error
	if errors.As(err, &e) {
		return e.Code.String()
	}
	var c *moqt.ConnError
	if errors.As(err, &c) {
		return "connection"
	}
	if errors.Is(err, context.Canceled) {
		return "canceled"
	}
	return "error"
}

// read reads a subscription to its end. Groups may overtake each other.
func (s *subscriber) read(ctx context.Context, r *moqt.TrackReader) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		g, err := r.NextGroup(ctx)
		if err != nil {
			if err == io.EOF { // what came before the end still counts
				wg.Wait()
			}
			return err
		}
		o := s.opened(g.Sequence())
		wg.Go(func() { s.readGroup(ctx, g, o) })
	}
}

func (s *subscriber) opened(group uint64) *reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.openings[group]
	if before != nil && !s.parts {
		s.w.breach("%s got group %d twice in one subscription", s.name, group)
	}
	// The group that a subscription begins with must be there from its start on.
	o := &reading{before: before, late: s.parts && len(s.openings) > 0}
	s.openings[group] = o
	for g := range s.openings { // what is long over is forgotten
		if g+1000 < group {
			delete(s.openings, g)
		}
	}
	if before == nil {
		s.stats.groups++
	}
	return o
}

func (s *subscriber) readGroup(ctx context.Context, g *moqt.GroupReader, o *reading) {
	for {
		obj, err := g.ReadObject(ctx)
		if err != nil {
			s.groupEnded(g.Sequence(), o, err)
			return
		}
		s.got(g.Sequence(), o, obj.ID, obj.Payload())
	}
}

// got checks an object.
func (s *subscriber) got(group uint64, o *reading, id uint64, payload []byte) {
	label := labelOf(payload)
	name := moqt.FullTrackName{Path: s.root.Join(s.path), Name: s.track}
	c := s.w.content(label, name)
	if c == nil {
		s.w.breach("%s got an object of %v that says it is %.80q", s.name, name, payload)
		return
	}
	written, err := c.check(group, id, payload)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		s.w.breach("%s: %v", s.name, err)
		return
	case o.overlaps(id):
		s.w.breach("%s got object %d of group %d twice", s.name, id, group)
	case o.label == "" && (o.late || s.sub.From == moqt.FromLargest): // it starts inside a group
	case id != o.next:
		s.w.breach("%s got object %d of group %d where %d was due", s.name, id, group, o.next)
	case o.label != "" && o.label != label:
		s.w.breach("%s got group %d of two publishers, %s and %s", s.name, group, o.label, label)
	}
	if o.label == "" {
		o.first = id
	}
	o.next, o.label = id+1, label
	now := s.w.Now()
	s.stats.frames++
	s.stats.bytes += int64(len(payload))
	lag := now - written
	if lag > time.Second {
		s.stats.late++
	}
	s.stats.worst = max(s.stats.worst, lag)
	if group >= s.stats.last { // of the newest: see noteGroup
		s.stats.last, s.stats.lag = group, lag
	}
	if label != s.current {
		s.current = label
	}
	if was, ok := s.first[label]; !ok {
		s.first[label], s.whole[label] = group, map[uint64]bool{}
	} else {
		s.first[label] = min(was, group)
	}
	s.lastAt = max(s.lastAt, written)
	s.noteGroup(group, "object %d of %s", id, label)
}

func (s *subscriber) groupEnded(group uint64, o *reading, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == io.EOF {
		whole := o.covers()
		if whole {
			s.stats.whole++
		}
		if o.label != "" {
			n := moqt.FullTrackName{Path: s.root.Join(s.path), Name: s.track}
			frames, closed := s.w.content(o.label, n).complete(group)
			if !closed || uint64(frames) > o.next {
				s.w.breach("%s saw the end of group %d after %d objects; there are %d", s.name, group, o.next, frames)
			}
			s.whole[o.label][group] = whole
		}
	} else if !errors.Is(err, context.Canceled) {
		s.stats.cut++
		s.codes[codeOf(err)]++
	}
	s.noteGroup(group, "ended: %v", err)
}

// noteGroup adds a line to the trace. What comes first of two groups at one
// instant is chance, so each has an order of its own.
func (s *subscriber) noteGroup(group uint64, format string, args ...any) {
	if s.w.conf.Trace != nil {
		s.w.note(fmt.Sprintf("%s group %d", s.name, group), format, args...)
	}
}

// unsubscribe leaves the track; the session stays.
func (s *subscriber) unsubscribe() {
	s.mu.Lock()
	s.left = true
	stop := s.stop
	s.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// missing counts the groups of the current content, between the first and the
// last that came whole, that did not.
func (s *subscriber) missing() int {
	n := moqt.FullTrackName{Path: s.root.Join(s.path), Name: s.track}
	missing := 0
	for label, whole := range s.whole {
		last, any := uint64(0), false
		for g, is := range whole {
			if is {
				last, any = max(last, g), true
			}
		}
		if !any {
			continue
		}
		for _, g := range s.w.content(label, n).between(s.first[label], last) {
			if !whole[g] {
				missing++
			}
		}
	}
	return missing
}

// received returns when what came last was written.
func (s *subscriber) received() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastAt
}

// silent reports whether the subscriber wants something and has received
// nothing that was written since.
func (s *subscriber) silent(since time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.left && !s.once && !s.stalled && s.lastAt < since && s.begun < since
}

func (s *subscriber) facts() []fact {
	f := s.connected()
	s.mu.Lock()
	defer s.mu.Unlock()
	age := s.w.Now() - s.lastAt
	return append(f,
		yes("active", s.active),
		text("content", s.current),
		number("subscribed", s.stats.subscribed),
		number("frames", s.stats.frames),
		number("groups", s.stats.groups),
		number("whole", s.stats.whole),
		number("last", int64(s.stats.last)),
		number("first", int64(s.first[s.current])).silent(),
		number("cut", s.stats.cut),
		number("missing", s.missing()),
		number("late", s.stats.late),
		number("ends", s.stats.ends),
		number("notfound", s.codes[moqt.CodeNotFound.String()]),
		number("dropped", s.codes[moqt.CodeDropped.String()]),
		number("replaced", s.codes[moqt.CodeReplaced.String()]),
		number("old", s.codes[moqt.CodeOld.String()]),
		number("evicted", s.codes[moqt.CodeEvicted.String()]),
		span_("lag", s.stats.lag).silent(),
		span_("worst", s.stats.worst).silent(),
		span_("age", age).silent(),
		number("bytes", s.stats.bytes).silent(),
	)
}
