package ietf

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
)

// The types of properties that we act on. All others are kept as they are.
const (
	propObjectTimeout            = moq.PropObjectTimeout
	propMaxCacheDuration         = moq.PropMaxCacheDuration
	propSubgroupTimeout          = moq.PropSubgroupTimeout
	propTimescale                = moq.PropTimescale
	propImmutable                = moq.PropImmutable
	propPublisherPriority        = moq.PropPublisherPriority
	propTimestamp                = moq.PropTimestamp
	propGroupOrder               = moq.PropGroupOrder
	propDynamicGroups     uint64 = 0x30
	propPriorGroupIDGap   uint64 = 0x3c
	propPriorObjectIDGap  uint64 = 0x3e
)

// appendPairs appends key-value pairs: even types have a number, odd ones
// bytes. Where types are coded as differences they are put in order first.
func appendPairs(b []byte, p *Profile, pairs []moq.Property) []byte {
	if p.DeltaTypes && !slices.IsSortedFunc(pairs, byType) {
		pairs = slices.Clone(pairs)
		slices.SortStableFunc(pairs, byType)
	}
	var last uint64
	for i := range pairs {
		pair := &pairs[i]
		b = p.Varint.Append(b, pair.Type-last)
		if p.DeltaTypes {
			last = pair.Type
		}
		switch {
		case pair.Type%2 == 0:
			b = p.Varint.Append(b, pair.Int)
		case pair.Bytes == nil && len(pair.Nested) > 0:
			b = p.Varint.AppendBytes(b, appendPairs(nil, p, pair.Nested))
		default:
			b = p.Varint.AppendBytes(b, pair.Bytes)
		}
	}
	return b
}

func byType(a, b moq.Property) int { return cmp.Compare(a.Type, b.Type) }

// readPairs reads the pairs that fill the rest of r, in their order.
func readPairs(r *wire.Reader, p *Profile) []moq.Property {
	var pairs []moq.Property
	var last uint64
	for r.Len() > 0 {
		if len(pairs) == maxProperties {
			r.Fail(&wire.TooLargeError{What: "number of properties", Size: maxProperties + 1, Limit: maxProperties})
			break
		}
		pairs = append(pairs, readPair(r, p, &last))
	}
	if r.Err() != nil {
		return nil
	}
	return pairs
}

// readCountedPairs reads a number of pairs and as many pairs.
func readCountedPairs(r *wire.Reader, p *Profile) []moq.Property {
	var pairs []moq.Property
	var last uint64
	for range r.Count("number of set-up options", maxProperties) {
		pairs = append(pairs, readPair(r, p, &last))
	}
	if r.Err() != nil {
		return nil
	}
	return pairs
}

func readPair(r *wire.Reader, p *Profile, last *uint64) (pair moq.Property) {
	pair.Type = readType(r, p, last)
	if pair.Type%2 == 0 {
		pair.Int = r.Varint()
	} else {
		pair.Bytes = bytes.Clone(r.Bytes(maxValue))
	}
	return pair
}

// readType reads the type of a pair or parameter behind one of type last.
func readType(r *wire.Reader, p *Profile, last *uint64) uint64 {
	t := r.Varint()
	if !p.DeltaTypes {
		return t
	}
	if *last+t < t {
		r.Fail(invalid("type above 64 bits"))
		return 0
	}
	*last += t
	return *last
}

// appendTrackProperties appends the properties of a track, which end a message.
func appendTrackProperties(b []byte, p *Profile, props []moq.Property) []byte {
	if !p.TrackProperties {
		return b
	}
	return appendPairs(b, p, props)
}

func readTrackProperties(r *wire.Reader, p *Profile) []moq.Property {
	if !p.TrackProperties {
		return nil
	}
	return p.nest(readPairs(r, p))
}

// appendBlock appends the properties of an object behind their length in bytes.
func appendBlock(b []byte, p *Profile, props []moq.Property) []byte {
	if len(props) == 0 {
		return append(b, 0)
	}
	start := len(b)
	b = appendPairs(b, p, props)
	var length [9]byte
	return slices.Insert(b, start, p.Varint.Append(length[:0], uint64(len(b)-start))...)
}

// parseBlock reads the properties of an object, without their length.
func parseBlock(block []byte, p *Profile) ([]moq.Property, error) {
	r := wire.NewReader(p.Varint, block)
	props := readPairs(&r, p)
	return p.nest(props), r.Close()
}

// nest decodes the properties inside of properties: other drafts write them in
// another way.
func (p *Profile) nest(props []moq.Property) []moq.Property {
	for i := range props {
		if prop := &props[i]; prop.Type == propImmutable {
			prop.Pairs = p.pairs()
			prop.Nested, _ = immutable(prop.Bytes, p)
		}
	}
	return props
}

// immutable returns the properties inside of an IMMUTABLE_PROPERTIES, whose
// bytes are kept as they came. It fails for a malformed track.
func immutable(value []byte, p *Profile) ([]moq.Property, error) {
	r := wire.NewReader(p.Varint, value)
	props := readPairs(&r, p)
	if err := r.Close(); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(props, func(prop moq.Property) bool { return prop.Type == propImmutable }) {
		return nil, invalid("immutable properties inside of immutable ones")
	}
	return props, nil
}

// lookup finds a property by its even type, also among the immutable ones.
func lookup(props []moq.Property, t uint64) (x uint64, ok bool) {
	for _, prop := range props {
		if prop.Type == t {
			return prop.Int, true
		}
		if x, ok := lookup(prop.Nested, t); ok {
			return x, true
		}
	}
	return 0, false
}
