package media

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/moqtgo/moqt/app/media/fmp4"
	"github.com/moqtgo/moqt/app/moqt"
)

// Priorities of the tracks of a Publisher: hang's.
const (
	priorityCatalog = 100
	priorityAudio   = 80
	priorityVideo   = 60
)

// audioGroup is how long a group of audio is: who comes late starts with one.
const audioGroup = time.Second

// A Publisher makes a moqt.Broadcast out of encoded samples. Add tracks, call
// PublishCatalog, and Write. Its methods may be called concurrently.
type Publisher struct {
	b    *moqt.Broadcast
	conf PublisherConfig

	mu       sync.Mutex
	tracks   []*published
	catalogs map[string]*moqt.TrackWriter
	err      error // after Close
}

// A PublisherConfig are the settings of a Publisher. The zero value, and nil,
// take the defaults named.
type PublisherConfig struct {
	// Container is how samples are packed: CMAF, which every player of hang
	// and of CMSF knows. Legacy is for players of hang only, and takes some
	// hundred bytes less for each sample.
	Container Container
	// MaxAge is how long groups that are not the newest are kept: 5 s.
	MaxAge time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// A published is a track of a Publisher.
type published struct {
	Track
	w *moqt.TrackWriter

	mu       sync.Mutex
	group    *moqt.GroupWriter // nil: a key frame is waited for
	begun    int64             // decode time of the first sample of group
	sequence uint32
	buf      []byte
}

// ErrNoKey is the error of Publisher.Write for a sample that cannot be decoded:
// the samples of its group up to here are missing, and it is no key frame.
var ErrNoKey = errors.New("media: no key frame has come yet")

// NewPublisher returns a Publisher of b. It makes the tracks of b; b is announced
// and closed by the caller.
func NewPublisher(b *moqt.Broadcast, conf *PublisherConfig) (*Publisher, error) {
	p := &Publisher{b: b, catalogs: map[string]*moqt.TrackWriter{}}
	if conf != nil {
		p.conf = *conf
	}
	if p.conf.Container == "" {
		p.conf.Container = CMAF
	}
	if p.conf.Container != CMAF && p.conf.Container != Legacy {
		return nil, fmt.Errorf("media: a publisher packs samples as %q or %q, not as %q", CMAF, Legacy, p.conf.Container)
	}
	if p.conf.Now == nil {
		p.conf.Now = time.Now
	}
	for _, name := range []string{HangTrack, MSFTrack} {
		w, err := b.Track(name, moqt.TrackInfo{Priority: priorityCatalog})
		if err != nil {
			return nil, err
		}
		p.catalogs[name] = w
	}
	return p, nil
}

// Catalog returns what is in the catalog after the next PublishCatalog.
func (p *Publisher) Catalog() *Catalog {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &Catalog{}
	for _, t := range p.tracks {
		c.Tracks = append(c.Tracks, t.Track)
	}
	return c
}

// Add adds a track; the catalog has it once PublishCatalog is called. Container
// is set. It fails where the name is taken, or the decoder cannot be described.
func (p *Publisher) Add(t Track) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	t.Container = p.conf.Container
	if t.Timescale == 0 {
		return fmt.Errorf("media: track %q has no timescale", t.Name)
	}
	if t.Kind != Video && t.Kind != Audio {
		return fmt.Errorf("media: track %q is neither video nor audio", t.Name)
	}
	if _, err := initOf(&t); err != nil {
		return fmt.Errorf("media: track %q: %w", t.Name, err)
	}
	info := moqt.TrackInfo{Priority: priorityVideo, MaxAge: p.conf.MaxAge, Timescale: uint64(t.Timescale)}
	if t.Kind == Audio {
		info.Priority = priorityAudio
	}
	w, err := p.b.Track(t.Name, info)
	if err != nil {
		return err
	}
	p.tracks = append(p.tracks, &published{Track: t, w: w})
	return nil
}

// Remove ends a track; the catalog has it until PublishCatalog is called.
func (p *Publisher) Remove(name string) {
	p.mu.Lock()
	t := p.track(name)
	p.tracks = slices.DeleteFunc(p.tracks, func(other *published) bool { return other == t })
	p.mu.Unlock()
	if t != nil {
		t.end()
		p.b.RemoveTrack(name)
	}
}

// track returns a track, or nil. p.mu is held.
func (p *Publisher) track(name string) *published {
	for _, t := range p.tracks {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// PublishCatalog publishes the catalog as it is now.
func (p *Publisher) PublishCatalog() error { return p.publishCatalog(false) }

func (p *Publisher) publishCatalog(complete bool) error {
	c := p.Catalog()
	hang, err := c.Hang()
	if err != nil {
		return err
	}
	msf, err := c.MSF(p.conf.Now())
	if err != nil {
		return err
	}
	msf.IsComplete = complete
	for name, catalog := range map[string]any{HangTrack: hang, MSFTrack: msf} {
		b, err := json.Marshal(catalog)
		if err != nil {
			return err
		}
		g, err := p.catalogs[name].AppendGroup()
		if err != nil {
			return err
		}
		if _, err := g.Write(b); err != nil {
			return err
		}
		if err := g.Close(); err != nil {
			return err
		}
	}
	return nil
}

// Write writes a sample of a track. A key frame of video opens a group, as does
// audio once a second. What comes before the first key frame is not published
// but returns ErrNoKey; so does what comes after a group that could not be gone
// on with, whose error the Write before had.
func (p *Publisher) Write(name string, s Sample) error {
	p.mu.Lock()
	t, err := p.track(name), p.err
	p.mu.Unlock()
	switch {
	case err != nil:
		return err
	case t == nil:
		return moqt.Errorf(moqt.CodeNotFound, "media: there is no track %q", name)
	}
	return t.write(s)
}

func (t *published) write(s Sample) error {
	if len(s.Data) == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.Key && (t.Kind == Video || t.group == nil || fmp4.Time(s.DTS-t.begun, t.Timescale) >= audioGroup || s.DTS < t.begun) {
		if err := t.open(s.DTS); err != nil {
			return err
		}
	}
	if t.group == nil {
		return ErrNoKey
	}
	t.sequence++
	var err error
	if t.buf, err = appendFrame(t.buf[:0], &t.Track, t.sequence, s); err != nil {
		return err
	}
	if err := t.group.WriteFrame(moqt.Frame{Payload: t.buf, Timed: true, Timestamp: uint64(max(0, s.PTS()))}); err != nil {
		t.group.CloseWithError(moqt.Errorf(moqt.CodeTooLarge, "the group cannot go on: %v", err))
		t.group = nil
		return fmt.Errorf("media: track %q: %w", t.Name, err)
	}
	return nil
}

func (t *published) open(dts int64) error {
	if t.group != nil {
		_ = t.group.Close()
		t.group = nil
	}
	g, err := t.w.AppendGroup()
	if err != nil {
		return err
	}
	t.group, t.begun = g, dts
	return nil
}

// end ends the group and the track.
func (t *published) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.group != nil {
		_ = t.group.Close()
		t.group = nil
	}
	_ = t.w.Close()
}

// Close says in the catalog that this was all, and ends all tracks. Subscribers
// still get what was written.
func (p *Publisher) Close() error {
	err := p.publishCatalog(true)
	p.mu.Lock()
	ended := p.err
	p.err = moqt.Errorf(moqt.CodeClosed, "media: the publisher is closed")
	tracks := p.tracks
	p.mu.Unlock()
	if ended != nil {
		return ended
	}
	for _, t := range tracks {
		t.end()
	}
	for _, w := range p.catalogs {
		_ = w.Close()
	}
	return err
}

// closed returns the error of what is called after Close.
func (p *Publisher) closed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// WaitSubscribers waits until a track has a subscriber, and after that until all
// have one, for the time given at most.
func (p *Publisher) WaitSubscribers(ctx context.Context, others time.Duration) error {
	p.mu.Lock()
	tracks := slices.Clone(p.tracks)
	p.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	came := make(chan error, len(tracks))
	for _, t := range tracks {
		go func() { came <- t.w.WaitSubscribers(ctx) }()
	}
	var late <-chan time.Time
	for range tracks {
		select {
		case err := <-came:
			if err != nil {
				return err
			}
		case <-late:
			return nil
		}
		if late == nil {
			late = time.After(others)
		}
	}
	return nil
}
