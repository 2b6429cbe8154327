package session

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/moqtgo/moqt/core/moq"
)

// A sample is a random track: what it says of itself, its parts, and the order
// in which all of it is published.
type sample struct {
	info  moq.TrackInfo
	parts []*part
	steps []step
	seed  uint64 // of the network
	late  time.Duration
}

// A part is a subgroup with all that its publisher writes before it ends it,
// or one datagram.
type part struct {
	group    uint64
	datagram bool
	header   moq.SubgroupHeader // of a datagram: EndOfGroup alone
	objects  []object
	reset    bool
}

type object struct {
	moq.ObjectHeader
	payload []byte
}

// A step advances a part: it opens it, appends an object, or ends it.
type step struct {
	part  int
	after time.Duration
}

// The features that every run of the test must have had, in more than 5 % of
// its samples.
var features = []string{
	"several subgroups in a group", "several groups", "ids with gaps", "a start behind object 0", "properties",
	"unknown properties, several", "properties inside of properties", "large numbers", "an end of a group", "an end of the track",
	"a missing object", "datagrams", "datagrams beside subgroups", "groups out of order", "subgroups of a group at once",
	"resets", "empty subgroups", "objects without payload", "large objects", "timestamps", "track properties", "the end of group in a header",
}

// features returns what of that the sample has.
func (s *sample) features() map[string]bool {
	has := map[string]bool{}
	subgroups, datagrams := map[uint64]int{}, map[uint64]int{}
	lowest := map[uint64]uint64{}
	for _, p := range s.parts {
		if p.datagram {
			datagrams[p.group]++
		} else {
			subgroups[p.group]++
			has["empty subgroups"] = has["empty subgroups"] || len(p.objects) == 0
			has["the end of group in a header"] = has["the end of group in a header"] || p.header.EndOfGroup
			has["resets"] = has["resets"] || p.reset
		}
		for i, o := range p.objects {
			if l, ok := lowest[p.group]; !ok || o.ID < l {
				lowest[p.group] = o.ID
			}
			if i > 0 && o.ID > p.objects[i-1].ID+1 {
				has["ids with gaps"] = true
			}
			o.features(has)
		}
	}
	for g, n := range subgroups {
		has["several subgroups in a group"] = has["several subgroups in a group"] || n > 1
		has["datagrams beside subgroups"] = has["datagrams beside subgroups"] || datagrams[g] > 0
	}
	for _, id := range lowest {
		has["a start behind object 0"] = has["a start behind object 0"] || id > 0
	}
	has["several groups"] = len(lowest) > 1
	has["datagrams"] = len(datagrams) > 0
	has["track properties"] = len(s.info.Properties) > 0
	s.orders(has)
	return has
}

func (o *object) features(has map[string]bool) {
	unknown := 0
	for _, p := range o.Properties {
		has["properties"] = true
		if p.Type != moq.PropTimestamp && p.Type != moq.PropImmutable {
			unknown++
		}
		has["properties inside of properties"] = has["properties inside of properties"] || p.Type == moq.PropImmutable
		has["large numbers"] = has["large numbers"] || max(p.Int, p.Type) >= 1<<62
	}
	has["unknown properties, several"] = has["unknown properties, several"] || unknown > 1
	has["large numbers"] = has["large numbers"] || o.ID >= 1<<62
	has["timestamps"] = has["timestamps"] || o.Timed
	switch o.Status {
	case moq.StatusNormal:
		has["objects without payload"] = has["objects without payload"] || len(o.payload) == 0
		has["large objects"] = has["large objects"] || len(o.payload) > moq.FirstChunk
	case moq.StatusDoesNotExist:
		has["a missing object"] = true
	case moq.StatusEndOfGroup:
		has["an end of a group"] = true
	case moq.StatusEndOfTrack:
		has["an end of the track"] = true
	}
}

// orders looks at the order of the steps.
func (s *sample) orders(has map[string]bool) {
	left := map[int]int{}
	newest := uint64(0)
	for _, st := range s.steps {
		p := s.parts[st.part]
		if p.group < newest {
			has["groups out of order"] = true
		}
		newest = max(newest, p.group)
		if left[st.part]++; left[st.part] == p.length() {
			delete(left, st.part)
		}
		open := map[uint64]int{}
		for i := range left {
			open[s.parts[i].group]++
			has["subgroups of a group at once"] = has["subgroups of a group at once"] || open[s.parts[i].group] > 1
		}
	}
}

// length returns how many steps the part takes.
func (p *part) length() int {
	if p.datagram {
		return 1
	}
	return len(p.objects) + 2
}

// sampleOf draws a track.
func sampleOf(t *rapid.T) *sample {
	s := &sample{seed: rapid.Uint64().Draw(t, "network seed")}
	s.late = rapid.SampledFrom([]time.Duration{0, 7 * time.Millisecond}).Draw(t, "jitter")
	s.info = infoOf(t)
	groups := rapid.SliceOfNDistinct(rapid.Uint64Range(0, 9), 1, 4, rapid.ID).Draw(t, "groups")
	newest := slices.Max(groups)
	for _, g := range groups {
		s.group(t, g, g == newest)
	}
	s.interleave(t)
	return s
}

func infoOf(t *rapid.T) moq.TrackInfo {
	info := moq.TrackInfo{
		Priority:  rapid.Byte().Draw(t, "track priority"),
		Order:     rapid.SampledFrom([]moq.Order{moq.Descending, moq.Ascending}).Draw(t, "order"),
		MaxAge:    rapid.SampledFrom([]time.Duration{0, 3 * time.Second, 9 * time.Second}).Draw(t, "age"),
		Timescale: rapid.SampledFrom([]uint64{0, 1000, 90_000}).Draw(t, "timescale"),
	}
	if rapid.Bool().Draw(t, "track properties") {
		order := uint64(1)
		if info.Order == moq.Descending {
			order = 2
		}
		info.Properties = []moq.Property{
			{Type: moq.PropPublisherPriority, Int: uint64(255 - info.Priority)}, {Type: moq.PropGroupOrder, Int: order},
			{Type: 0x30, Int: 1}, {Type: 0x8001, Bytes: rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "bytes")},
		}
		if info.MaxAge > 0 {
			info.Properties = append(info.Properties, moq.Property{Type: moq.PropMaxCacheDuration, Int: uint64(info.MaxAge.Milliseconds())})
		}
		if info.Timescale > 0 {
			info.Properties = append(info.Properties, moq.Property{Type: moq.PropTimescale, Int: info.Timescale})
		}
		slices.SortFunc(info.Properties, func(a, b moq.Property) int { return cmp.Compare(a.Type, b.Type) })
	}
	return info
}

// group draws the parts of a group.
func (s *sample) group(t *rapid.T, g uint64, newest bool) {
	first := len(s.parts)
	ids := rapid.SliceOfNDistinct(rapid.SampledFrom([]uint64{0, 1, 2, 3}), 0, 2, rapid.ID).Draw(t, "subgroups")
	if rapid.Bool().Draw(t, "another subgroup") {
		ids = append(ids, 70)
	}
	for _, id := range ids {
		s.parts = append(s.parts, &part{group: g, header: moq.SubgroupHeader{
			ID: id, Priority: rapid.Byte().Draw(t, "priority"), FirstKnown: true,
		}})
	}
	subgroups := s.parts[first:]
	id := rapid.SampledFrom([]uint64{0, 0, 0, 1, 5}).Draw(t, "first id")
	last := -1 // the part with the last object
	used := id // ids below are used, or never will be
	for n := rapid.IntRange(1, 7).Draw(t, "objects"); n > 0; n-- {
		o := object{ObjectHeader: moq.ObjectHeader{ID: id}}
		if used < id && rapid.Bool().Draw(t, "say the gap") {
			o.Properties = append(o.Properties, moq.Property{Type: 0x3e, Int: id - used})
		}
		// Of three objects one is a datagram where the group has subgroups.
		if len(subgroups) == 0 || rapid.IntRange(0, 9).Draw(t, "datagram") == 0 {
			o.Priority = rapid.Byte().Draw(t, "priority")
			o.fill(t, false)
			last = len(s.parts)
			s.parts = append(s.parts, &part{group: g, datagram: true, objects: []object{o}})
		} else {
			last = first + rapid.IntRange(0, len(subgroups)-1).Draw(t, "carrier")
			o.Priority = s.parts[last].header.Priority
			o.fill(t, true)
			s.parts[last].objects = append(s.parts[last].objects, o)
		}
		used = id + 1
		id += rapid.SampledFrom([]uint64{1, 1, 1, 1, 1, 1, 2, 5, 1 << 40, 1 << 62}).Draw(t, "to the next id")
		if id < used || id > 1<<63 {
			break
		}
	}
	s.end(t, last, used, newest)
	for _, p := range subgroups {
		if rapid.IntRange(0, 7).Draw(t, "reset") == 0 {
			p.reset = true
			p.objects = p.objects[:rapid.IntRange(0, len(p.objects)).Draw(t, "objects before the reset")]
		}
	}
}

// end draws how the group says that it has ended behind the object of the
// part last, if at all; id is the first one that no object has.
func (s *sample) end(t *rapid.T, last int, id uint64, newest bool) {
	p := s.parts[last]
	status := moq.StatusEndOfGroup
	if newest && rapid.Bool().Draw(t, "end of track") {
		status = moq.StatusEndOfTrack
	}
	switch rapid.SampledFrom([]string{"untold", "bit", "status"}).Draw(t, "end") {
	case "bit":
		p.header.EndOfGroup = p.objects[len(p.objects)-1].Status == moq.StatusNormal // it says so of an object
	case "status":
		o := object{ObjectHeader: moq.ObjectHeader{ID: id, Status: status, Priority: p.header.Priority}}
		if p.datagram {
			o.Priority = 9
			s.parts = append(s.parts, &part{group: p.group, datagram: true, objects: []object{o}})
		} else {
			p.objects = append(p.objects, o)
		}
	}
}

// fill draws the payload and the properties of an object.
func (o *object) fill(t *rapid.T, stream bool) {
	if rapid.IntRange(0, 7).Draw(t, "missing") == 0 {
		o.Status, o.Properties = moq.StatusDoesNotExist, nil
		return
	}
	sizes := []int{1, 0, 7, 300, 900}
	if stream {
		sizes = append(sizes, 1300, moq.FirstChunk+5)
	}
	n := rapid.SampledFrom(sizes).Draw(t, "size")
	o.payload = make([]byte, n)
	for i := range o.payload {
		o.payload[i] = byte(int(o.ID) + i*31 + n)
	}
	for _, what := range rapid.SliceOfNDistinct(rapid.IntRange(0, 6), 0, 3, rapid.ID).Draw(t, "properties") {
		p := moq.Property{Type: []uint64{0x15, 0x20, 0x3801, 0x8000, 1<<62 + 2, moq.PropTimestamp, moq.PropImmutable}[what]}
		switch {
		case p.Type == moq.PropImmutable:
			p.Nested = []moq.Property{{Type: 0x20, Int: rapid.SampledFrom([]uint64{0, 63, 64, 200, 1 << 40}).Draw(t, "number inside")}}
			if rapid.Bool().Draw(t, "several inside") {
				p.Nested = append(p.Nested, moq.Property{Type: 0x8001, Bytes: []byte("inside")})
			}
		case p.Type%2 == 0:
			p.Int = rapid.SampledFrom([]uint64{0, 1, 63, 64, 1 << 20, 1<<62 - 1, 1 << 62, 1<<64 - 1}).Draw(t, "number")
		default:
			p.Bytes = rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes")
		}
		if p.Type == moq.PropTimestamp {
			p.Int %= 1 << 63
			o.Timed, o.Timestamp = true, p.Int
		}
		o.Properties = append(o.Properties, p)
	}
	if !o.Timed && rapid.IntRange(0, 3).Draw(t, "timed") == 0 { // as from moq-lite
		o.Timed, o.Timestamp = true, rapid.Uint64Range(0, 1<<50).Draw(t, "timestamp")
	}
}

// interleave draws the order of the steps. All of them take less time than a
// merged group waits for a missing object.
func (s *sample) interleave(t *rapid.T) {
	left := make([]int, len(s.parts))
	var open []int
	for i, p := range s.parts {
		left[i] = p.length()
		open = append(open, i)
	}
	pause := 50 * time.Millisecond
	for len(open) > 0 {
		st := step{part: open[rapid.IntRange(0, min(3, len(open)-1)).Draw(t, "part")]}
		st.after = min(pause, time.Millisecond*rapid.SampledFrom([]time.Duration{0, 0, 0, 1, 12}).Draw(t, "pause"))
		pause -= st.after
		s.steps = append(s.steps, st)
		if left[st.part]--; left[st.part] == 0 {
			open = slices.DeleteFunc(open, func(i int) bool { return i == st.part })
		}
	}
}

func (s *sample) String() string {
	b := fmt.Sprintf("network seed %d, jitter %v\ntrack %+v\n", s.seed, s.late, s.info)
	for i, p := range s.parts {
		b += fmt.Sprintf("part %d: group %d datagram %v reset %v %+v\n", i, p.group, p.datagram, p.reset, p.header)
		for _, o := range p.objects {
			b += fmt.Sprintf("  object %+v, %d bytes\n", o.ObjectHeader, len(o.payload))
		}
	}
	return b + fmt.Sprintf("steps %v", s.steps)
}
