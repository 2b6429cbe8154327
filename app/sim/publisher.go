package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/moqtgo/moqt/app/moqt"
)

// A publisher announces one broadcast and writes its tracks by the clock.
type publisher struct {
	*dialer
	path      moqt.Path // relative to its root
	line      *Line
	mux       *moqt.TrackMux
	broadcast *moqt.Broadcast
	withdraw  context.CancelFunc
	tracks    []*pubTrack
	paused    bool
	announced bool
	again     int // how often it was announced again

	flapping time.Duration // the time between two changes of its announcement
	flapNext time.Duration
	flapEnd  time.Duration
	flaps    int
}

// A pubTrack is a track of a publisher.
type pubTrack struct {
	name   string
	c      *content
	writer *moqt.TrackWriter
	open   *moqt.GroupWriter
	group  uint64
	frame  uint64
	end    int64 // group after the last one; -1: none
}

func (w *World) publish(l *Line) error {
	for _, n := range names(l.Args[0]) {
		if err := w.free(n); err != nil {
			return err
		}
		p := &publisher{dialer: w.dialer(n, l.Args[1], l), path: moqt.ParsePath(l.Args[2]), line: l}
		if len(names(l.Args[0])) > 1 {
			p.path = p.path.Join(moqt.Path(n))
		}
		w.disturbed()
		w.enter(p)
		w.Wait()
	}
	return nil
}

// label is what names the content: with a fixed hop it is the same whenever
// the process starts again, otherwise every start makes another.
func (p *publisher) label() string {
	label := p.line.word("content", p.name)
	if _, fixed := p.line.option("hop"); fixed {
		return label
	}
	return fmt.Sprintf("%s#%d", label, p.lives)
}

func (p *publisher) begin() {
	w := p.w
	hop := uint64(p.line.number("hop", count, float64(p.hop())))
	p.mux = moqt.NewTrackMux(&moqt.TrackMuxConfig{Hop: hop, Cache: p.cache()})
	p.broadcast = moqt.NewBroadcast()
	p.broadcast.Cache = p.cache()
	p.tracks, p.paused, p.withdraw, p.again = nil, false, nil, 0
	for _, name := range p.line.Args[3:] {
		t := &pubTrack{name: name, c: p.content(name)}
		t.end = int64(p.line.number("groups", count, -1))
		if t.end >= 0 {
			t.end += int64(t.c.begins(w.Now()))
		}
		info := moqt.TrackInfo{Timescale: 1000, MaxAge: p.line.span("maxage", 0), Priority: uint8(p.line.number("priority", count, 0))}
		t.writer, _ = p.broadcast.Track(name, info)
		t.group = t.c.begins(w.Now())
		p.tracks = append(p.tracks, t)
	}
	p.announce()
	p.run(func(ctx context.Context) { p.stay(ctx, p.mux, nil) })
}

func (p *publisher) cache() moqt.CacheLimits {
	return moqt.CacheLimits{Bytes: int64(p.line.number("cache", bytesize, 0))}
}

// content returns the content of a track, which standbys share.
func (p *publisher) content(track string) *content {
	w, label := p.w, p.label()
	n := moqt.FullTrackName{Path: p.root.Join(p.path), Name: track}
	key := contentKey{label, n}
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.contents[key]; c != nil {
		return c
	}
	if _, ok := w.epochs[label]; !ok {
		w.epochs[label] = time.Since(w.start)
	}
	l := p.line
	c := &content{
		label: label, name: n, epoch: w.epochs[label], groups: map[uint64]*written{},
		fps: max(1, int(l.number("fps", count, 10))), gop: max(1, int(l.number("gop", count, 10))), size: int(l.number("size", bytesize, 400)),
	}
	w.contents[key] = c
	return c
}

func (p *publisher) announce() {
	if p.announced {
		return
	}
	if p.withdraw != nil {
		p.again++
	}
	ctx, cancel := context.WithCancel(p.ctx)
	if err := p.mux.Announce(ctx, p.path, p.broadcast); err != nil {
		p.w.breach("%s cannot announce: %v", p.name, err)
	}
	p.withdraw, p.announced = cancel, true
}

func (p *publisher) unannounce() {
	if p.announced {
		p.withdraw()
		p.announced = false
	}
}

func (p *publisher) crash() {
	p.dialer.crash()
	p.announced = false
}

func (p *publisher) leave() {
	p.paused = true
	for _, t := range p.tracks {
		p.breakOff(t)
	}
	if !p.shares() {
		_ = p.broadcast.Close()
	}
	p.w.Advance(3 * time.Second) // let subscribers have the end
	p.unannounce()
	p.w.Wait()
	p.dialer.leave()
}

// next implements timed.
func (p *publisher) next() (time.Duration, bool) {
	due, ok := time.Duration(0), false
	if p.alive && !p.paused {
		for _, t := range p.tracks {
			if d := t.due(); !t.over() && (!ok || d < due) {
				due, ok = d, true
			}
		}
	}
	if p.alive && p.flapping > 0 && (!ok || p.flapNext < due) {
		due, ok = p.flapNext, true
	}
	return due, ok
}

func (t *pubTrack) over() bool         { return t.end >= 0 && t.group >= uint64(t.end) }
func (t *pubTrack) due() time.Duration { return t.c.at(t.group, t.frame) }

// act implements timed: it does the first thing that is due.
func (p *publisher) act(now time.Duration) {
	if p.flapping > 0 && p.flapNext <= now {
		p.flap()
		return
	}
	for _, t := range p.tracks {
		if !t.over() && t.due() <= now {
			p.write(t, now)
			return
		}
	}
}

func (p *publisher) flap() {
	if p.announced {
		p.unannounce()
	} else {
		p.announce()
	}
	p.flaps++
	p.w.disturbed()
	if p.flapNext += p.flapping; p.flapNext > p.flapEnd {
		p.flapping = 0
		p.announce()
	}
}

// write writes the next frame of a track.
func (p *publisher) write(t *pubTrack, now time.Duration) {
	if t.open == nil {
		g, err := t.writer.OpenGroup(t.group)
		if err != nil {
			p.w.breach("%s cannot open group %d of %s: %v", p.name, t.group, t.name, err)
			t.end = 0
			return
		}
		t.open = g
	}
	at := t.c.at(t.group, t.frame)
	t.c.wrote(t.group, t.frame, now)
	f := moqt.Frame{Payload: t.c.payload(t.group, t.frame), Timed: true, Timestamp: uint64(at / time.Millisecond)}
	if err := t.open.WriteFrame(f); err != nil {
		p.w.breach("%s cannot write group %d of %s: %v", p.name, t.group, t.name, err)
		t.end = 0
		return
	}
	if t.frame++; t.frame < uint64(t.c.gop) {
		return
	}
	t.c.closed(t.group)
	_ = t.open.Close()
	t.open, t.frame = nil, 0
	t.group++
	if t.over() {
		_ = t.writer.Close()
	}
}

// shares reports whether others may publish the same content.
func (p *publisher) shares() bool {
	_, is := p.line.option("content")
	return is
}

// breakOff ends the open group of a track where it is. What others publish too
// has not ended there: it is cut short.
func (p *publisher) breakOff(t *pubTrack) {
	switch {
	case t.open == nil:
	case p.shares():
		t.open.CloseWithError(moqt.Errorf(moqt.CodeDropped, "the publisher breaks off"))
	default:
		t.c.closed(t.group)
		_ = t.open.Close()
	}
	t.open = nil
}

// pause stops writing inside the group; resume goes on with the next one.
func (p *publisher) resume() {
	p.paused = false
	for _, t := range p.tracks {
		if g := t.c.begins(p.w.Now()); g > t.group {
			p.breakOff(t)
			t.group, t.frame = g, 0
		}
	}
}

// writes reports whether a track of that name goes on for ever.
func (p *publisher) writes(track string) bool {
	for _, t := range p.tracks {
		if t.name == track {
			return t.end < 0
		}
	}
	return false
}

func (p *publisher) facts() []fact {
	f := p.connected()
	readers, groups := 0, 0
	for _, t := range p.tracks {
		readers = max(readers, t.writer.Demand().Readers)
		groups += int(t.group)
	}
	return append(f, yes("announced", p.announced), number("readers", readers), number("flaps", p.flaps))
}

// check holds the relay to one subscription a track: a session that has just
// been replaced may have another one for a moment.
func (p *publisher) check(w *World) {
	most := 1 + p.again // who had subscribed before stays with what there was
	if w.Now() < w.changed+idleTimeout+5*time.Second {
		most++
	}
	for _, t := range p.tracks {
		if n := t.writer.Demand().Readers; n > most {
			w.breach("%s has %d upstream subscriptions of %s from one relay", p.name, n, t.name)
		}
	}
}
