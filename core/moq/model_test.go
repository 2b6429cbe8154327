package moq

import (
	"io"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// payload returns what the object with this name holds: every source of a
// track brings the same bytes.
func payload(group, subgroup, id, size uint64) []byte {
	b := make([]byte, size)
	x := group*0x9e3779b97f4a7c15 ^ subgroup<<40 ^ id<<20 ^ 0x1234567
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x)
	}
	return b
}

// A naiveSubgroup is what is true of a subgroup.
type naiveSubgroup struct {
	group, id uint64
	sizes     []uint64 // of the objects 0, 1, 2 …
	have      uint64   // of the last object
	sg        *Subgroup
	w         *SubgroupWriter
	at        int    // object that w is in, len(sizes) between two
	passed    uint64 // bytes of it
	ended     bool
}

func (n *naiveSubgroup) complete() int {
	k := len(n.sizes)
	if k > 0 && n.have < n.sizes[k-1] {
		k--
	}
	return k
}

// A machine is a track, what is true of it, and its readers.
type machine struct {
	track   *Track
	now     time.Time
	subs    []*naiveSubgroup
	order   []any // all arrivals: *Subgroup or *Datagram
	readers []*naiveReader
}

func (m *machine) tick(t *rapid.T) {
	m.now = m.now.Add(rapid.SampledFrom([]time.Duration{0, time.Millisecond, 300 * time.Millisecond, 3 * time.Second}).Draw(t, "dt"))
}

func (m *machine) Open(t *rapid.T) {
	m.tick(t)
	group, id := rapid.Uint64Range(0, 12).Draw(t, "group"), rapid.Uint64Range(0, 2).Draw(t, "subgroup")
	h := SubgroupHeader{ID: id, FirstKnown: true}
	// The log of an evicted group starts anew.
	i := slices.IndexFunc(m.subs, func(n *naiveSubgroup) bool {
		return n.group == group && n.id == id && !n.sg.group.evicted
	})
	w, err := m.track.OpenSubgroup(group, h, m.now)
	if i < 0 {
		if err != nil {
			require.Contains(t, []Code{CodeOld, CodeEvicted}, err.Code)
			return
		}
		m.subs = append(m.subs, &naiveSubgroup{group: group, id: id, sg: w.sg, w: w})
		m.order = append(m.order, w.sg)
		return
	}
	n := m.subs[i]
	if n.ended || n.w != nil {
		require.ErrorIs(t, err, ErrDuplicate)
		return
	}
	require.Nil(t, err, "an orphan can be continued")
	n.w, n.at, n.passed = w, 0, 0
	if len(n.sizes) == 0 {
		n.at = 0
	}
}

var sizes = []uint64{0, 1, 100, wakeBytes - 1, wakeBytes, FirstChunk - 1, FirstChunk, FirstChunk + 1, 20_000, FirstChunk + laterChunk, 100_000}

// pick returns a subgroup with a writer.
func (m *machine) pick(t *rapid.T) *naiveSubgroup {
	var live []*naiveSubgroup
	for _, n := range m.subs {
		if n.w != nil && !n.ended {
			live = append(live, n)
		}
	}
	if len(live) == 0 {
		t.Skip("no writer")
	}
	return rapid.SampledFrom(live).Draw(t, "writer")
}

// dead notes that the writer has found its group evicted or reset.
func (m *machine) dead(t *rapid.T, n *naiveSubgroup, err *Error) bool {
	if err == nil {
		return false
	}
	require.True(t, n.sg.group.evicted, "%v", err)
	require.ErrorIs(t, err, ErrEvicted)
	n.w, n.ended = nil, true
	return true
}

func (m *machine) Begin(t *rapid.T) {
	n := m.pick(t)
	m.tick(t)
	if n.w.Missing() > 0 {
		t.Skip("inside an object")
	}
	known := n.at < len(n.sizes)
	size := rapid.SampledFrom(sizes).Draw(t, "size")
	if known {
		size = n.sizes[n.at]
	}
	err := n.w.Begin(ObjectHeader{ID: uint64(n.at)}, size, m.now)
	if n.sg.group.evicted {
		if !known && len(n.sg.objects) > len(n.sizes) {
			n.sizes, n.have = append(n.sizes, size), 0
		}
		n.w, n.ended = nil, true
		return
	}
	require.Nil(t, err)
	if !known {
		n.sizes, n.have = append(n.sizes, size), 0
	}
	if size == 0 {
		n.at++
	}
	n.passed = 0
}

func (m *machine) Feed(t *rapid.T) {
	n := m.pick(t)
	m.tick(t)
	if n.w.Missing() == 0 {
		t.Skip("between objects")
	}
	whole := payload(n.group, n.id, uint64(n.at), n.sizes[n.at])
	for budget := rapid.SampledFrom([]int{1, 1000, wakeBytes, 1 << 20}).Draw(t, "bytes"); budget > 0 && n.w.Missing() > 0; {
		space := n.w.Space()
		k := copy(space[:min(len(space), budget)], whole[n.passed:])
		require.Positive(t, k)
		if m.dead(t, n, n.w.Advance(k)) {
			return
		}
		budget -= k
		n.passed += uint64(k)
		if n.at == len(n.sizes)-1 {
			n.have = max(n.have, n.passed)
		}
	}
	if n.passed == n.sizes[n.at] {
		n.at++
		n.passed = 0
	}
}

func (m *machine) Append(t *rapid.T) {
	n := m.pick(t)
	m.tick(t)
	if n.w.Missing() > 0 || n.at < len(n.sizes) {
		t.Skip("not at the end")
	}
	size := rapid.SampledFrom(sizes).Draw(t, "size")
	err := n.w.Append(ObjectHeader{ID: uint64(n.at)}, payload(n.group, n.id, uint64(n.at), size), m.now)
	if n.sg.group.evicted {
		if len(n.sg.objects) > len(n.sizes) {
			n.sizes, n.have = append(n.sizes, size), 0
			if err == nil {
				n.have = size
			}
		}
		n.w, n.ended = nil, true
		return
	}
	require.Nil(t, err)
	n.sizes, n.have = append(n.sizes, size), size
	n.at++
}

func (m *machine) Finish(t *rapid.T) {
	n := m.pick(t)
	evicted := n.sg.group.evicted
	err := n.w.Finish(true)
	if !evicted {
		if n.at == len(n.sizes) {
			require.Nil(t, err)
		} else {
			require.ErrorIs(t, err, ErrMalformed)
		}
	}
	n.w, n.ended = nil, true
}

func (m *machine) Reset(t *rapid.T) {
	n := m.pick(t)
	n.w.Reset(ErrCanceled)
	n.w, n.ended = nil, true
}

func (m *machine) Leave(t *rapid.T) {
	n := m.pick(t)
	n.w.Leave()
	n.w = nil
	n.ended = n.sg.group.evicted
}

func (m *machine) Detach(*rapid.T) {
	m.track.Detach()
	for _, n := range m.subs {
		n.w = nil
	}
}

func (m *machine) Datagram(t *rapid.T) {
	m.tick(t)
	group, id := rapid.Uint64Range(0, 12).Draw(t, "group"), rapid.Uint64Range(100, 103).Draw(t, "id")
	before := m.track.ordinal
	err := m.track.AddDatagram(group, ObjectHeader{ID: id}, payload(group, 1<<20, id, 900), false, m.now)
	if err != nil {
		require.Contains(t, []Code{CodeDuplicate, CodeOld, CodeEvicted}, err.Code)
		return
	}
	require.Equal(t, before+1, m.track.ordinal)
	last := m.track.arrivals[len(m.track.arrivals)-1]
	require.Equal(t, before, last.ordinal)
	m.order = append(m.order, last.dg)
}

func (m *machine) Subscribe(t *rapid.T) {
	if len(m.readers) > 6 {
		t.Skip("enough readers")
	}
	s := Subscription{From: rapid.SampledFrom([]From{FromLatest, FromNext, FromAbsolute}).Draw(t, "from")}
	largest, any := m.track.Largest()
	n := &naiveReader{t: t}
	switch {
	case s.From == FromAbsolute:
		n.start = rapid.Uint64Range(0, 8).Draw(t, "start")
		s.Start.Group = n.start
	case any && s.From == FromNext:
		n.start = largest.Group + 1
	case any:
		n.start = largest.Group
	}
	n.r = m.track.Subscribe(s, func() {
		require.False(t, n.woken, "woken twice")
		n.woken = true
	})
	require.True(t, n.woken, "a new reader looks at what there is")
	m.readers = append(m.readers, n)
}

func (m *machine) Update(t *rapid.T) {
	n := m.reader(t)
	s := n.r.Subscription()
	s.Ends = rapid.Bool().Draw(t, "ends")
	s.End = Location{rapid.Uint64Range(0, 12).Draw(t, "end"), 1<<64 - 1}
	s.Paused = rapid.Bool().Draw(t, "paused")
	n.bounded = true
	n.r.Update(s)
}

func (m *machine) reader(t *rapid.T) *naiveReader {
	if len(m.readers) == 0 {
		t.Skip("no reader")
	}
	return rapid.SampledFrom(m.readers).Draw(t, "reader")
}

// Run lets a reader read, but only if it was woken.
func (m *machine) Run(t *rapid.T) {
	if n := m.reader(t); n.woken {
		n.run()
	}
}

func (m *machine) CloseReader(t *rapid.T) {
	n := m.reader(t)
	n.r.Close()
	m.readers = slices.DeleteFunc(m.readers, func(o *naiveReader) bool { return o == n })
	_, _, err := n.r.Next()
	require.ErrorIs(t, err, ErrClosed)
}

// Settle lets all readers read for as long as they are woken; then each must
// know what is true.
func (m *machine) Settle(t *rapid.T) {
	for _, n := range m.readers {
		for n.woken {
			n.run()
		}
		m.complete(t, n)
	}
}

// complete fails where a reader that nobody will wake lacks anything.
func (m *machine) complete(t *rapid.T, n *naiveReader) {
	s := n.r.Subscription()
	for _, a := range m.order {
		var g *Group
		switch a := a.(type) {
		case *Subgroup:
			g = a.group
		case *Datagram:
			g = a.group
		}
		if g.Sequence < n.start {
			require.NotContains(t, n.got, a)
			continue
		}
		if beyond := s.Ends && g.Sequence > s.End.Group; g.evicted || s.Paused || beyond {
			continue
		}
		require.Contains(t, n.got, a, "group %d was not delivered", g.Sequence)
	}
	for _, c := range n.cursors {
		i := slices.IndexFunc(m.subs, func(o *naiveSubgroup) bool { return o.sg == c.r.Subgroup })
		o := m.subs[i]
		if c.r.group.squeezed && c.done {
			continue
		}
		require.Equal(t, o.complete(), c.whole, "objects of group %d subgroup %d", o.group, o.id)
		switch {
		case o.sg.state == finished:
			require.Equal(t, io.EOF, c.err)
		case o.sg.state == reset:
			require.Error(t, c.err)
			require.NotErrorIs(t, c.err, io.EOF)
		case c.whole < len(o.sizes):
			require.NoError(t, c.err)
			if o.sizes[c.whole] > FirstChunk {
				require.Less(t, int(o.have)-len(c.part), 2*wakeBytes, "bytes are held back")
			}
		}
	}
}

// Check holds the bounds of the cache after every step.
func (m *machine) Check(t *rapid.T) {
	k := m.track
	var cost int64
	for i, g := range k.groups {
		require.False(t, g.evicted)
		require.True(t, i == 0 || k.groups[i-1].Sequence < g.Sequence)
		require.Equal(t, i == len(k.groups)-1, g.superseded.IsZero())
		sum := g.bytes + objectCost*int64(g.objects+len(g.subgroups))
		require.Equal(t, sum, g.cost)
		cost += g.cost
	}
	require.Equal(t, cost, k.bytes)
	if n := len(k.groups); n > 1 {
		require.LessOrEqual(t, k.bytes, k.limits.Bytes)
		require.LessOrEqual(t, n, k.limits.Groups)
	}
	for i, a := range k.arrivals {
		require.False(t, a.group().evicted, "an evicted group is remembered")
		require.True(t, i == 0 || k.arrivals[i-1].ordinal < a.ordinal)
	}
	for _, n := range m.readers {
		for _, a := range n.r.held {
			require.False(t, a.group().evicted, "an evicted group is held")
		}
	}
}

// TestTrackModel compares a track with a naive model of it: no reader sees an
// object twice or out of order, the bytes are right, nothing that is there
// stays unread by a reader that waits to be woken, and the bounds hold.
func TestTrackModel(t *testing.T) {
	for _, limits := range []CacheLimits{
		{},
		{Bytes: 300_000, Groups: 6, Age: 2 * time.Second},
		{Bytes: 30_000, Groups: 2},
	} {
		rapid.Check(t, func(t *rapid.T) {
			m := &machine{now: time.Unix(1000, 0), track: NewTrack(FullTrackName{}, limits, nil)}
			t.Repeat(map[string]func(*rapid.T){
				"": m.Check, "open": m.Open, "open2": m.Open, "begin": m.Begin, "feed": m.Feed, "feed2": m.Feed,
				"append": m.Append, "finish": m.Finish, "reset": m.Reset, "leave": m.Leave, "detach": m.Detach,
				"datagram": m.Datagram, "subscribe": m.Subscribe, "update": m.Update, "run": m.Run,
				"close": m.CloseReader, "settle": m.Settle,
			})
			m.Settle(t)
			m.track.Finish(0)
			for _, n := range m.readers {
				n.run()
				require.Equal(t, io.EOF, n.err)
				for _, c := range n.cursors {
					require.True(t, c.done, "nobody waits after the end")
				}
			}
		})
	}
}

// TestLostCounts says that what a reader of everything has not got is counted.
func TestLostCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := NewTrack(FullTrackName{}, CacheLimits{Groups: 3}, nil)
		r := k.Subscribe(Subscription{}, nil)
		got := 0
		now := time.Unix(1000, 0)
		total := 0
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "write") {
				before := k.ordinal
				if w, err := k.OpenSubgroup(rapid.Uint64Range(0, 60).Draw(t, "group"), SubgroupHeader{}, now); err == nil {
					_ = w.Finish(true)
				}
				total += k.ordinal - before
				continue
			}
			for {
				sg, _, err := r.Next()
				require.NoError(t, err)
				if sg == nil {
					break
				}
				got++
			}
			require.Equal(t, total, got+r.Lost())
		}
	})
}
