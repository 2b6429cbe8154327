package moq

import (
	"cmp"
	"slices"
	"time"
)

// The types of the properties that are the same as what other versions have
// fields for.
const (
	PropMaxCacheDuration  uint64 = 0x04 // of a track, in ms
	PropObjectTimeout     uint64 = 0x02 // of a track
	PropSubgroupTimeout   uint64 = 0x06 // of a track
	PropTimescale         uint64 = 0x08 // of a track
	PropImmutable         uint64 = 0x0b // properties that nobody may change
	PropPublisherPriority uint64 = 0x0e // of a track, 0 first
	PropTimestamp         uint64 = 0x10 // of an object
	PropGroupOrder        uint64 = 0x22 // of a track: 1 ascending, 2 descending
)

const (
	// DefaultPriority is that of tracks whose publisher gives none.
	DefaultPriority = 127
	// DefaultTimescale is that of tracks which have none but need one:
	// milliseconds.
	DefaultTimescale            = 1000
	propPriorObjectIDGap uint64 = 0x3e // of an object: how many before it do not exist
	// defaultAge is what is said of tracks whose publisher says nothing.
	defaultAge = 5 * time.Second
	// maxStamp is the largest timestamp of moq-lite, which writes differences.
	maxStamp = 1<<61 - 1
)

// A Projection says what of a track arrives when it crosses from one version
// of a protocol to another. It is made by Project.
type Projection struct{ hops []Carriage }

// Project returns what of a track that one version has brought another one
// brings on. All that converts between versions is here: a session asks for
// the objects that it sends, and tests for what they expect.
func Project(from, to Carriage) Projection { return Projection{[]Carriage{from, to}} }

// Sent returns what a version brings of what is here.
func Sent(to Carriage) Projection { return Projection{[]Carriage{to}} }

// A Crossing is what arrives of an object.
type Crossing struct {
	ObjectHeader
	// OK says that the object arrives at all; End that nothing behind it on
	// its stream does either.
	OK, End bool
	// Stamped says that the timestamp is the time of arrival.
	Stamped bool
	// Datagram says that an object which was a datagram is one.
	Datagram bool
	Lost     Losses
}

// Object returns what arrives of an object that is behind n others on its
// stream, or in its group where that is one sequence. arrived is when its first
// byte was here.
func (p Projection) Object(h *ObjectHeader, info *TrackInfo, arrived time.Time, n uint64) Crossing {
	x := Crossing{ObjectHeader: *h, OK: true}
	for i := range p.hops {
		if i > 0 {
			info = p.hops[i-1].told(info)
		}
		if x.OK {
			x.cross(&p.hops[i], info, arrived, n)
		}
	}
	return x
}

func (x *Crossing) cross(c *Carriage, info *TrackInfo, arrived time.Time, n uint64) {
	switch {
	case c.Whole:
		x.flatten(c, info, arrived, n)
		return
	case x.Status != StatusNormal && c.NoStatus, x.Status == StatusDoesNotExist && !c.Missing:
		x.OK = false // a missing id says as much
		x.lose(LossStatus)
		return
	case x.ID > c.MaxNumber:
		x.OK, x.End = false, true
		x.lose(LossRange)
		return
	}
	bare := x.Status == StatusDoesNotExist || x.Status != StatusNormal && !c.StatusProperties
	x.Properties = x.properties(c, bare)
	if x.Timed && (bare || !c.Timestamps || x.Timestamp > c.MaxNumber) {
		x.Timed, x.Timestamp = false, 0
		x.lose(LossTimestamp)
	}
}

// flatten is cross for a version that knows payloads only.
func (x *Crossing) flatten(c *Carriage, info *TrackInfo, arrived time.Time, n uint64) {
	if x.Status != StatusNormal {
		x.OK = false
		x.lose(LossStatus)
		return
	}
	if x.ID != n {
		x.ID = n
		x.lose(LossNumber)
	}
	if slices.ContainsFunc(x.Properties, func(p Property) bool { return p.Type != PropTimestamp }) {
		x.lose(LossProperty)
	}
	x.Properties, x.Priority = nil, c.priority(info)
	switch {
	case x.Timed && (!c.Timestamps || x.Timestamp > maxStamp):
		x.lose(LossTimestamp)
		x.Timed, x.Timestamp = false, 0
	case !x.Timed && c.Timestamps:
		x.lose(LossTimestamp)
	}
	if c.Timestamps && !x.Timed {
		x.Timed, x.Timestamp, x.Stamped = true, info.stamp(arrived), true
	}
}

// priority returns that of a track as the version tells it.
func (c *Carriage) priority(info *TrackInfo) uint8 {
	if c.Info < InfoDelivery {
		return DefaultPriority
	}
	return info.Priority
}

// stamp returns a time in units of the track's timescale.
func (info *TrackInfo) stamp(t time.Time) uint64 {
	scale, ms := info.Timescale, uint64(t.UnixMilli())
	if scale == 0 {
		scale = DefaultTimescale
	}
	if scale == 1000 {
		return ms
	}
	return min(ms/1000*scale+ms%1000*scale/1000, maxStamp)
}

func (x *Crossing) lose(l Loss) { x.Lost |= l.Of() }

// properties returns those that arrive, with the timestamp; none where bare.
func (x *Crossing) properties(c *Carriage, bare bool) []Property {
	if bare {
		if len(x.Properties) > 0 {
			x.lose(LossProperty)
		}
		return nil
	}
	props, all := c.fitting(x.Properties)
	if !all {
		x.lose(LossProperty)
	}
	if x.Timed && c.Timestamps && x.Timestamp <= c.MaxNumber && !slices.ContainsFunc(props, Property.stamps) {
		props = append(slices.Clip(props), Property{Type: PropTimestamp, Int: x.Timestamp})
	}
	return c.sorted(props)
}

func (p Property) stamps() bool {
	return p.Type == PropTimestamp || slices.ContainsFunc(p.Nested, Property.stamps)
}

// fitting returns the properties that the version can write; all says that
// there are no others.
func (c *Carriage) fitting(props []Property) (fit []Property, all bool) {
	asIs := func(p Property) bool { return c.fits(p) && (p.Pairs == 0 || p.Pairs == c.Pairs) }
	if !slices.ContainsFunc(props, func(p Property) bool { return !asIs(p) }) {
		return props, true
	}
	fit = make([]Property, 0, len(props))
	for _, p := range props {
		if !c.fits(p) {
			continue
		}
		if !asIs(p) { // to be written anew
			p.Pairs, p.Bytes, p.Nested = c.Pairs, nil, c.sorted(p.Nested)
		}
		fit = append(fit, p)
	}
	return fit, len(fit) == len(props)
}

func (c *Carriage) fits(p Property) bool {
	if p.Pairs != 0 && p.Pairs != c.Pairs && p.Nested == nil {
		return false // nobody knows what is inside
	}
	return p.Type <= c.MaxNumber && (p.Type%2 == 1 || p.Int <= c.MaxNumber) &&
		!slices.ContainsFunc(p.Nested, func(p Property) bool { return !c.fits(p) })
}

func (c *Carriage) sorted(props []Property) []Property {
	byType := func(a, b Property) int { return cmp.Compare(a.Type, b.Type) }
	if !c.Sorted || slices.IsSortedFunc(props, byType) {
		return props
	}
	props = slices.Clone(props)
	slices.SortStableFunc(props, byType)
	return props
}

// Subgroup returns what arrives of a subgroup of a group; first is the id of
// its first object, 0 where there is none. ok is false where nothing does. A
// subgroup of its group (LossSubgroup) has no stream of its own.
func (p Projection) Subgroup(h SubgroupHeader, group, first uint64, info *TrackInfo) (_ SubgroupHeader, lost Losses, ok bool) {
	for i := range p.hops {
		c := &p.hops[i]
		if i > 0 {
			info = p.hops[i-1].told(info)
		}
		switch {
		case max(group, h.ID) > c.MaxNumber:
			return h, lost | LossRange.Of(), false
		case c.Whole:
			if !h.Whole {
				lost |= LossSubgroup.Of()
			}
			h = SubgroupHeader{Priority: c.priority(info), FirstKnown: true, EndOfGroup: true, Whole: true}
			continue
		case !c.FirstObject:
			h.FirstKnown = first == 0
		}
		h.Whole = false
	}
	return h, lost, true
}

// Datagram returns what arrives of an object that was a datagram. A datagram
// that arrives as none comes as a part of its group: as a subgroup of its own
// where end is false for versions with subgroups.
func (p Projection) Datagram(h *ObjectHeader, info *TrackInfo, arrived time.Time, endOfGroup bool) Crossing {
	x := p.Object(h, info, arrived, h.ID)
	x.Datagram = true
	for i := range p.hops {
		c := &p.hops[i]
		if c.Datagrams == NoDatagrams || c.Datagrams == WholeDatagrams && (h.ID != 0 || !endOfGroup) {
			x.Datagram = false
			x.lose(LossDatagram)
		}
	}
	return x
}

// Track returns what arrives of what is said of a track. ok is false where it
// must be refused: it has a property that the other side must understand, and
// would not see.
func (p Projection) Track(info TrackInfo) (_ TrackInfo, lost Losses, ok bool) {
	for i := range p.hops {
		c := &p.hops[i]
		if c.Info != InfoProperties && slices.ContainsFunc(info.Properties, Property.Mandatory) {
			return info, lost | LossTrack.Of(), false
		}
		info, lost = c.info(info, lost)
	}
	return info, lost, true
}

// Mandatory reports whether a track with the property must be refused by who
// does not know it.
func (p Property) Mandatory() bool { return p.Type >= 0x4000 && p.Type <= 0x7fff }

func (c *Carriage) told(info *TrackInfo) *TrackInfo {
	told, _ := c.info(*info, 0)
	return &told
}

// info returns what a version tells of a track.
func (c *Carriage) info(info TrackInfo, lost Losses) (TrackInfo, Losses) {
	if c.Info == InfoProperties {
		info.MaxAge = info.MaxAge.Truncate(time.Millisecond)
		props, all := c.fitting(info.properties())
		if !all {
			lost |= LossProperty.Of()
		}
		info.Properties = c.sorted(props)
		return info, lost
	}
	told := []uint64{PropGroupOrder, PropPublisherPriority, PropMaxCacheDuration, PropTimescale}
	told = told[:[...]int{InfoNone: 0, InfoOrder: 1, InfoDelivery: 3, InfoTimed: 4}[c.Info]]
	if slices.ContainsFunc(info.Properties, func(p Property) bool { return !slices.Contains(told, p.Type) }) {
		lost |= LossProperty.Of()
	}
	out := TrackInfo{Priority: DefaultPriority, Order: c.Order}
	if c.Info >= InfoOrder {
		out.Order = info.Order
	}
	if c.Info >= InfoDelivery {
		out.Priority, out.MaxAge = info.Priority, info.MaxAge.Truncate(time.Millisecond)
	}
	if c.Whole {
		out.Timescale = DefaultTimescale
	}
	if c.Info == InfoTimed {
		if info.Timescale > 0 {
			out.Timescale = info.Timescale
		}
		if out.MaxAge == 0 {
			out.MaxAge = defaultAge
		}
	}
	return out, lost
}

// properties returns what is said of a track: as it came, or made of the info.
func (info *TrackInfo) properties() []Property {
	if info.Properties != nil {
		return info.Properties
	}
	order := uint64(1)
	if info.Order == Descending {
		order = 2
	}
	props := []Property{
		{Type: PropPublisherPriority, Int: uint64(255 - info.Priority)},
		{Type: PropGroupOrder, Int: order},
	}
	for t, d := range map[uint64]time.Duration{
		PropMaxCacheDuration: info.MaxAge, PropObjectTimeout: info.ObjectTimeout, PropSubgroupTimeout: info.SubgroupTimeout,
	} {
		if ms := d.Milliseconds(); ms > 0 {
			props = append(props, Property{Type: t, Int: uint64(ms)})
		}
	}
	if info.Timescale > 0 {
		props = append(props, Property{Type: PropTimescale, Int: info.Timescale})
	}
	return (&Carriage{Sorted: true}).sorted(props)
}
