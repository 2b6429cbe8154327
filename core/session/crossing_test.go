package session

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/moqtgo/moqt/core/moq"
)

// An arrived part is what the far end of a pair has of a subgroup or datagram.
type arrived struct {
	header   moq.SubgroupHeader
	datagram bool
	objects  []*moq.Object
	end      error
}

// read returns what has arrived, by group and then by subgroup, or by the id of
// a datagram.
func (r *taker) read() (map[uint64]map[partID]*arrived, error) {
	all := map[uint64]map[partID]*arrived{}
	put := func(g uint64, id partID, a *arrived) error {
		if all[g] == nil {
			all[g] = map[partID]*arrived{}
		}
		if all[g][id] != nil {
			return fmt.Errorf("group %d has %v twice", g, id)
		}
		all[g][id] = a
		return nil
	}
	if r.end != io.EOF {
		return nil, fmt.Errorf("the track has ended with %w", r.end)
	}
	for _, dg := range r.datagrams {
		a := &arrived{header: moq.SubgroupHeader{EndOfGroup: dg.EndOfGroup}, datagram: true, objects: []*moq.Object{dg.Object}, end: io.EOF}
		if err := put(dg.Sequence(), partID{dg.ID, true}, a); err != nil {
			return nil, err
		}
	}
	for _, sg := range r.subgroups {
		a := &arrived{header: sg.SubgroupHeader}
		for a.end == nil {
			p, ok, err := sg.Next()
			switch {
			case err != nil:
				a.end = err
			case !ok:
				a.end = errOpen
			case p.Last:
				a.objects = append(a.objects, p.Object)
			}
		}
		if err := put(sg.Group(), partID{sg.ID, false}, a); err != nil {
			return nil, err
		}
	}
	return all, nil
}

var errOpen = errors.New("still open")

// A partID tells the parts of a group apart.
type partID struct {
	id       uint64
	datagram bool
}

func (w *sampled) compare(s *sample, from, to string) error {
	r := w.readers[[2]string{from, to}]
	c := crossing{proj: moq.Project(carriage(from), carriage(to)), from: carriage(from), to: carriage(to), info: &s.info}
	want, _, _ := c.proj.Track(s.info)
	if got, _ := r.Track().Info(); !sameInfo(&want, &got) {
		return fmt.Errorf("the track is %+v, want %+v", got, want)
	}
	all, err := r.read()
	if err != nil {
		return err
	}
	groups := map[uint64][]*part{}
	for _, p := range s.parts {
		groups[p.group] = append(groups[p.group], p)
	}
	for g := range all {
		if groups[g] == nil {
			return fmt.Errorf("group %d was never sent", g)
		}
	}
	for g, parts := range groups {
		compare := c.parts
		if c.from.Whole || c.to.Whole {
			compare = c.group
		}
		if err := compare(g, parts, all[g]); err != nil {
			return fmt.Errorf("group %d: %w", g, err)
		}
	}
	return nil
}

// A crossing is a pair of versions and a track.
type crossing struct {
	proj     moq.Projection
	from, to moq.Carriage
	info     *moq.TrackInfo
}

// parts compares a group of which every part arrives for itself.
func (c *crossing) parts(g uint64, parts []*part, got map[partID]*arrived) error {
	left := len(got)
	for _, p := range parts {
		id := partID{p.header.ID, false}
		if p.datagram {
			id = partID{p.objects[0].ID, true}
		}
		a := got[id]
		if a != nil {
			left--
		}
		if err := c.part(g, p, a); err != nil {
			return fmt.Errorf("%v: %w", id, err)
		}
	}
	if left > 0 {
		return fmt.Errorf("it has %d parts that were never sent", left)
	}
	return nil
}

func (c *crossing) part(g uint64, p *part, a *arrived) error {
	var want []moq.Crossing
	var payloads [][]byte
	cut := p.reset
	for _, o := range p.objects {
		x := c.proj.Object(&o.ObjectHeader, c.info, time.Now(), uint64(len(want)))
		if cut = cut || x.End; x.End {
			break
		}
		if x.OK {
			want, payloads = append(want, x), append(payloads, o.payload)
		}
	}
	switch {
	case a == nil && (cut || p.datagram && len(want) == 0):
		return nil
	case a == nil:
		return errors.New("it did not come")
	}
	header, _, _ := c.proj.Subgroup(p.header, g, c.first(p), c.info)
	if p.datagram {
		header = p.header
	}
	if cut { // perhaps before its first object
		header.FirstKnown = a.header.FirstKnown
	}
	if a.header != header {
		return fmt.Errorf("its header is %+v, want %+v", a.header, header)
	}
	if cut == (a.end == io.EOF) {
		return fmt.Errorf("it ended with %w", a.end)
	}
	if len(a.objects) > len(want) || !cut && len(a.objects) < len(want) {
		return fmt.Errorf("it has %d objects, want %d", len(a.objects), len(want))
	}
	for i, o := range a.objects {
		if err := same(&want[i], payloads[i], o); err != nil {
			return err
		}
	}
	return nil
}

// first returns the id of the first object of a part that comes to who cannot
// tell whether it is the first of all; 1 where there is none.
func (c *crossing) first(p *part) uint64 {
	proj := c.proj
	if c.to.FirstObject {
		proj = moq.Sent(c.from)
	}
	for _, o := range p.objects {
		if x := proj.Object(&o.ObjectHeader, c.info, time.Now(), 0); x.OK {
			return o.ID
		}
	}
	return 1
}

// A carried object is one of a group, and where it was.
type carried struct {
	object
	part *part
	x    moq.Crossing
}

// group compares a group that arrives as one sequence.
func (c *crossing) group(g uint64, parts []*part, got map[partID]*arrived) error {
	var want []carried
	known, cut, nothing := true, false, true
	for _, p := range parts {
		seen := 0
		for _, o := range p.objects {
			// Where the second hop merges, the first decides what there is to
			// be merged.
			if x := moq.Sent(c.from).Object(&o.ObjectHeader, c.info, time.Now(), o.ID); !c.from.Whole && !x.OK {
				if cut = cut || x.End; x.End {
					break
				}
				continue
			}
			if seen++; seen == 1 && !c.from.FirstObject && o.ID > 0 {
				known = known && (c.from.Whole || p.datagram)
			}
			want = append(want, carried{object: o, part: p})
		}
		nothing = nothing && p.datagram && seen == 0
		known = known && (seen > 0 || c.from.Whole || c.from.FirstObject)
		cut = cut || p.reset
	}
	slices.SortFunc(want, func(a, b carried) int { return cmp.Compare(a.ID, b.ID) })
	if len(want) > 0 && want[0].ID > 0 && !tellsGap(&want[0].object) && (!known || want[0].part.datagram) && !cut {
		if n := objectsOf(got); n > 0 {
			return fmt.Errorf("its start is not known, but it has %d objects", n)
		}
		return nil
	}
	n := uint64(0)
	whole := want[:0]
	for _, o := range want {
		if o.x = c.proj.Object(&o.ObjectHeader, c.info, time.Now(), n); o.x.OK {
			whole, n = append(whole, o), n+1
		}
	}
	switch {
	case len(got) == 0 && (cut || nothing):
		return nil
	case len(got) != 1:
		return fmt.Errorf("it came as %d parts", len(got))
	}
	var a *arrived
	for _, a = range got {
	}
	if cut {
		if !prefix(whole, a.objects, map[*part]bool{}) {
			return fmt.Errorf("its %d objects are no prefix of what was sent", len(a.objects))
		}
		return nil
	}
	p := parts[0]
	datagram := false
	for _, p := range parts { // besides empty subgroups it may be too late to be one
		if p.datagram && c.proj.Datagram(&p.objects[0].ObjectHeader, c.info, time.Now(), p.header.EndOfGroup).Datagram {
			datagram = len(parts) == 1 || a.datagram
		}
	}
	header, _, _ := c.proj.Subgroup(p.header, g, min(1, 1-min(n, 1)), c.info)
	if datagram {
		header = moq.SubgroupHeader{EndOfGroup: true}
	}
	switch {
	case a.end != io.EOF:
		return fmt.Errorf("it ended with %w", a.end)
	case a.datagram != datagram:
		return fmt.Errorf("datagram: %v", a.datagram)
	case a.header != header:
		return fmt.Errorf("its header is %+v, want %+v", a.header, header)
	case len(a.objects) != len(whole):
		return fmt.Errorf("it has %d objects, want %d", len(a.objects), len(whole))
	}
	for i, o := range a.objects {
		if err := same(&whole[i].x, whole[i].payload, o); err != nil {
			return err
		}
	}
	return nil
}

func objectsOf(parts map[partID]*arrived) (n int) {
	for _, a := range parts {
		n += len(a.objects)
	}
	return n
}

func tellsGap(o *object) bool {
	return slices.ContainsFunc(o.Properties, func(p moq.Property) bool { return p.Type == 0x3e && p.Int >= o.ID })
}

// prefix compares a group that came without the rest of a part: in order, of
// every part a prefix, and nothing behind what is missing of a part that has
// begun. begun says which parts have, and which lack their start. Objects whose
// payloads are alike may be either.
func prefix(want []carried, got []*moq.Object, begun map[*part]bool) bool {
	switch {
	case len(got) == 0:
		return true
	case len(want) == 0:
		return false
	}
	o := &want[0]
	has, met := begun[o.part]
	with := func(came bool) map[*part]bool {
		m := maps.Clone(begun)
		m[o.part] = came
		return m
	}
	if (has || !met) && bytes.Equal(got[0].Payload(), o.payload) && prefix(want[1:], got[1:], with(true)) {
		return true
	}
	return !has && prefix(want[1:], got, with(false))
}

func same(want *moq.Crossing, payload []byte, o *moq.Object) error {
	got := o.ObjectHeader
	if want.Stamped {
		got.Timestamp, want.Timestamp = 0, 0
	}
	props := sameProperties(want.Properties, got.Properties, want.Stamped)
	a, b := want.ObjectHeader, got
	a.Properties, b.Properties = nil, nil
	if !props || fmt.Sprint(a) != fmt.Sprint(b) {
		return fmt.Errorf("object %d is %+v, want %+v", o.ID, got, want.ObjectHeader)
	}
	if !bytes.Equal(o.Payload(), payload) {
		return fmt.Errorf("the payload of object %d differs", o.ID)
	}
	return nil
}

func sameInfo(want, got *moq.TrackInfo) bool {
	return want.Priority == got.Priority && want.Order == got.Order && want.MaxAge == got.MaxAge &&
		want.Timescale == got.Timescale && sameProperties(want.Properties, got.Properties, false)
}

// sameProperties compares what properties say, in their order.
func sameProperties(want, got []moq.Property, stamped bool) bool {
	return slices.EqualFunc(want, got, func(a, b moq.Property) bool {
		return a.Type == b.Type && (a.Int == b.Int || stamped && a.Type == moq.PropTimestamp) &&
			(a.Nested != nil || bytes.Equal(a.Bytes, b.Bytes)) && sameProperties(a.Nested, b.Nested, false)
	})
}
