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
	propObjectDeliveryTimeout   uint64 = 0x02
	propMaxCacheDuration        uint64 = 0x04
	propSubgroupDeliveryTimeout uint64 = 0x06
	propTimescale               uint64 = 0x08
	propImmutable               uint64 = 0x0b
	propPublisherPriority       uint64 = 0x0e
	propTimestamp               uint64 = 0x10
	propGroupOrder              uint64 = 0x22
	propDynamicGroups           uint64 = 0x30
	propPriorGroupIDGap         uint64 = 0x3c
	propPriorObjectIDGap        uint64 = 0x3e
)

// mandatory says whether a track whose property of this type is not known must
// be refused.
func mandatory(t uint64) bool { return t >= 0x4000 && t <= 0x7fff }

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
		if pair.Type%2 == 0 {
			b = p.Varint.Append(b, pair.Int)
		} else {
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
	return readPairs(r, p)
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
	return props, r.Close()
}

// immutable returns the properties inside of an IMMUTABLE_PROPERTIES, whose
// bytes are kept as they came. It fails for a malformed track.
func immutable(value []byte, p *Profile) ([]moq.Property, error) {
	props, err := parseBlock(value, p)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(props, func(prop moq.Property) bool { return prop.Type == propImmutable }) {
		return nil, invalid("immutable properties inside of immutable ones")
	}
	return props, nil
}

// lookup finds a property by its even type, also among the immutable ones.
func lookup(props []moq.Property, p *Profile, t uint64) (x uint64, ok bool) {
	for _, prop := range props {
		switch prop.Type {
		case t:
			return prop.Int, true
		case propImmutable:
			inner, err := immutable(prop.Bytes, p)
			if err != nil {
				continue
			}
			for _, prop := range inner {
				if prop.Type == t {
					return prop.Int, true
				}
			}
		}
	}
	return 0, false
}

// portable says whether the draft can encode the properties.
func (p *Profile) portable(props []moq.Property) bool {
	for i := range props {
		if !p.fits(props[i].Type, props[i].Int) {
			return false
		}
	}
	return true
}
