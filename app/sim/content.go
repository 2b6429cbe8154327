package sim

import (
	"bytes"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/moqtgo/moqt/app/moqt"
)

// A content is what one origin publishes in one track. Every byte of it
// follows from its label, so that a reader can tell whose it is.
type content struct {
	label string
	name  moqt.FullTrackName // absolute
	epoch time.Duration      // when group 0 begins
	fps   int
	gop   int // frames a group
	size  int // bytes a frame

	mu     sync.Mutex
	groups map[uint64]*written
}

// A written is what there is of a group.
type written struct {
	frames map[uint64]time.Duration // when each was written first
	closed bool
}

// noise is what frames are filled with.
var noise = func() []byte {
	b := make([]byte, 1<<17)
	h := uint64(1)
	for i := range b {
		if i%8 == 0 {
			h = spread(h + 0x9e3779b97f4a7c15)
		}
		b[i] = byte(h >> (i % 8 * 8))
	}
	return b
}()

func (c *content) header(group, frame uint64) []byte {
	b := make([]byte, 0, 96)
	b = append(b, c.label...)
	b = append(b, '|')
	b = append(b, c.name.Path...)
	b = append(b, '|')
	b = append(b, c.name.Name...)
	b = append(b, '|')
	b = strconv.AppendUint(b, group, 10)
	b = append(b, '|')
	b = strconv.AppendUint(b, frame, 10)
	return append(b, '|')
}

// filler returns what follows the header of a frame.
func (c *content) filler(header []byte, group, frame uint64) []byte {
	n := max(0, c.size-len(header))
	at := int((group*131 + frame*17) % uint64(len(noise)/2))
	return noise[at : at+min(n, len(noise)/2)]
}

// payload returns the bytes of a frame.
func (c *content) payload(group, frame uint64) []byte {
	h := c.header(group, frame)
	return append(h, c.filler(h, group, frame)...)
}

// at returns when a frame is due.
func (c *content) at(group, frame uint64) time.Duration {
	n := group*uint64(c.gop) + frame
	return c.epoch + time.Duration(n)*time.Second/time.Duration(c.fps)
}

// begins returns the first group that begins at now or later.
func (c *content) begins(now time.Duration) uint64 {
	if now <= c.epoch {
		return 0
	}
	length := time.Duration(c.gop) * time.Second / time.Duration(c.fps)
	g := uint64((now - c.epoch) / length)
	for c.at(g, 0) < now {
		g++
	}
	return g
}

func (c *content) wrote(group, frame uint64, now time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.groups[group]
	if w == nil {
		w = &written{frames: map[uint64]time.Duration{}}
		c.groups[group] = w
	}
	if _, ok := w.frames[frame]; !ok {
		w.frames[frame] = now
	}
}

func (c *content) closed(group uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w := c.groups[group]; w != nil {
		w.closed = true
	}
}

// complete returns how many frames a group has, and whether it has its end.
func (c *content) complete(group uint64) (frames int, closed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w := c.groups[group]; w != nil {
		return len(w.frames), w.closed
	}
	return 0, false
}

// last returns when the content was written to last.
func (c *content) between(first, last uint64) (groups []uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for g := first; g <= last; g++ {
		if w := c.groups[g]; w != nil && w.closed {
			groups = append(groups, g)
		}
	}
	return groups
}

// check reports what is wrong with a frame that was received, and otherwise
// when it was written.
func (c *content) check(group, frame uint64, payload []byte) (time.Duration, error) {
	c.mu.Lock()
	w := c.groups[group]
	at, ok := time.Duration(0), false
	if w != nil {
		at, ok = w.frames[frame]
	}
	c.mu.Unlock()
	if !ok {
		return 0, fmt.Errorf("frame %d of group %d was never written", frame, group)
	}
	h := c.header(group, frame)
	rest, own := bytes.CutPrefix(payload, h)
	if !own {
		return 0, fmt.Errorf("frame %d of group %d begins with %q instead of %q", frame, group, payload[:min(len(payload), 80)], h)
	}
	if !bytes.Equal(rest, c.filler(h, group, frame)) {
		return 0, fmt.Errorf("frame %d of group %d has other bytes than what was written", frame, group)
	}
	return at, nil
}

// labelOf returns the label of the content that a frame says it is of.
func labelOf(payload []byte) string {
	label, _, _ := bytes.Cut(payload, []byte{'|'})
	return string(label)
}

// hash depends on every part.
func hash(seed uint64, parts ...string) uint64 {
	h := seed
	for _, p := range parts {
		h ^= 14695981039346656037
		for i := range len(p) {
			h = (h ^ uint64(p[i])) * 1099511628211
		}
		h = spread(h)
	}
	return h
}

func spread(h uint64) uint64 {
	h ^= h >> 30
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 27
	h *= 0x94d049bb133111eb
	return h ^ h>>31
}

// source returns a source of numbers in [0, 1) that follow from the seed.
func source(seed uint64) func() float64 {
	return func() float64 {
		seed = spread(seed + 0x9e3779b97f4a7c15)
		return float64(seed>>11) / (1 << 53)
	}
}
