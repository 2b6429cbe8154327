package memnet

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A note is a line of Network.Trace that waits for its turn.
type note struct {
	at        time.Duration
	who, what string
}

// Trace adds an event of the layers above to Config.Trace. Lines of one who
// keep their order; lines of one step are sorted by who, because who came
// first is chance.
func (n *Network) Trace(who, what string) {
	if n.conf.Trace == nil {
		return
	}
	n.mu.Lock()
	defer n.release()
	n.notes = append(n.notes, note{n.now(), who, what})
}

func (n *Network) writeNotes() {
	if len(n.notes) == 0 {
		return
	}
	slices.SortStableFunc(n.notes, func(a, b note) int {
		if a.at != b.at {
			return int(a.at - b.at)
		}
		return strings.Compare(a.who, b.who)
	})
	for _, note := range n.notes {
		fmt.Fprintf(n.conf.Trace, "%s %s %s\n", stamp(note.at), note.who, note.what)
	}
	n.notes = n.notes[:0]
}

// traceFrame writes the line of a hand-over.
func (n *Network) traceFrame(e *event) {
	if n.conf.Trace == nil {
		return
	}
	f := &e.frame
	where := "-"
	if f.stream >= 0 {
		where = fmt.Sprint(f.stream)
	}
	fmt.Fprintf(n.conf.Trace, "%s %s %s %v", stamp(e.due), e.lane, where, f.kind)
	switch f.kind {
	case dataFrame:
		fmt.Fprintf(n.conf.Trace, " off=%d len=%d hash=%08x", f.offset, len(f.data), uint32(mix(0, string(f.data))))
		if f.fin {
			fmt.Fprint(n.conf.Trace, " fin")
		}
	case datagramFrame:
		fmt.Fprintf(n.conf.Trace, " len=%d hash=%08x", len(f.data), uint32(mix(0, string(f.data))))
	case resetFrame:
		fmt.Fprintf(n.conf.Trace, " code=%#x size=%d reliable=%d", uint64(f.code), f.offset, f.limit)
	case stopFrame, closeFrame:
		fmt.Fprintf(n.conf.Trace, " code=%#x", uint64(f.code))
	case maxDataFrame, maxStreamDataFrame, maxBidiFrame, maxUniFrame:
		fmt.Fprintf(n.conf.Trace, " max=%d", f.limit)
	}
	fmt.Fprintln(n.conf.Trace)
}

func stamp(d time.Duration) string {
	return fmt.Sprintf("%d.%09d", d/time.Second, d%time.Second)
}

// hash depends on the seed and on every part.
func (n *Network) hash(parts ...string) uint64 {
	h := n.conf.Seed
	for _, part := range parts {
		h = mix(h, part)
	}
	return h
}

// mix is FNV-1a with a finaliser that spreads every bit.
func mix(h uint64, s string) uint64 {
	h ^= 14695981039346656037
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return spread(h)
}

func spread(h uint64) uint64 {
	h ^= h >> 30
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 27
	h *= 0x94d049bb133111eb
	return h ^ h>>31
}

// fraction is hash as a number in [0, 1).
func fraction(h uint64) float64 { return float64(h>>11) / (1 << 53) }
