package moq

import (
	"bytes"
	"cmp"
	"time"
)

// A Location is a place in a track.
type Location struct{ Group, Object uint64 }

// Compare orders locations by group, then by object.
func (l Location) Compare(m Location) int {
	if c := cmp.Compare(l.Group, m.Group); c != 0 {
		return c
	}
	return cmp.Compare(l.Object, m.Object)
}

// Next returns the location after l; there is none after the last.
func (l Location) Next() Location {
	if l.Object+1 == 0 {
		return l.nextGroup()
	}
	return Location{l.Group, l.Object + 1}
}

// Status is the status of an object (moq-transport).
type Status uint8

const (
	StatusNormal       Status = 0
	StatusDoesNotExist Status = 1
	StatusEndOfGroup   Status = 3
	StatusEndOfTrack   Status = 4
)

// A Property is a key with a number or bytes, as moq-transport attaches to
// tracks and objects: even types carry Int, odd types carry Bytes.
type Property struct {
	Type  uint64
	Int   uint64
	Bytes []byte
	// Nested are the properties in Bytes where those are some, encoded as
	// Carriage.Pairs says; without Bytes they are yet to be encoded.
	Nested []Property
	Pairs  uint8
}

// An ObjectHeader is what is known of an object before its payload.
type ObjectHeader struct {
	ID       uint64
	Priority uint8 // publisher priority, 255 first
	Status   Status
	// Timed says that Timestamp, in units of the track's Timescale, was
	// given by the publisher.
	Timed     bool
	Timestamp uint64
	// Properties are the raw properties in the order of arrival.
	Properties []Property
}

const (
	// headroom is the space before a payload in which the first encoding
	// class puts its header.
	headroom = 32
	// FirstChunk is how many payload bytes of a large object are contiguous
	// with its header, in bytes.
	FirstChunk = 16 << 10
	// laterChunk is the size of every further chunk.
	laterChunk = 64 << 10
	// wakeBytes is how much of a growing object a reader is woken for.
	wakeBytes = 8 << 10
)

// Class names a way to encode objects: every subscriber of one class shares
// the encoded bytes. Zero is no class.
type Class uint8

// An Object is the smallest unit of a track. Its header never changes; its
// payload grows until Size bytes are there. The bytes of a payload are shared
// and must not be modified.
type Object struct {
	ObjectHeader
	Arrived time.Time // of its first byte

	track *Track
	group *Group
	size  uint64
	have  uint64   // published bytes; guarded by track.mu
	buf   []byte   // headroom and the first chunk
	more  [][]byte // further chunks of laterChunk bytes
	first uint64   // payload bytes in buf

	class Class // owner of the headroom; guarded by track.mu
	head  uint8 // length of the header in it
	alt   []encoded
}

type encoded struct {
	class Class
	bytes []byte
}

func newObject(t *Track, h ObjectHeader, size, first uint64, now time.Time) *Object {
	return &Object{
		ObjectHeader: h, Arrived: now, track: t, size: size, first: first,
		buf: make([]byte, headroom+first),
	}
}

// Size returns the number of payload bytes that the object will have.
func (o *Object) Size() uint64 { return o.size }

// holds returns how much memory the object takes when it is new.
func (o *Object) holds() int64 { return int64(len(o.buf)) + o.cost() }

// cost returns what an object takes besides its payload.
func (h *ObjectHeader) cost() int64 { return objectCost + costOf(h.Properties) }

func costOf(all []Property) (n int64) {
	for i := range all {
		n += propertyCost + int64(len(all[i].Bytes)) + costOf(all[i].Nested)
	}
	return n
}

// space returns where the next payload bytes belong.
func (o *Object) space() []byte {
	if o.have < o.first {
		return o.buf[headroom+o.have:]
	}
	at := o.have - o.first
	i, off := at/laterChunk, at%laterChunk
	if i == uint64(len(o.more)) {
		o.more = append(o.more, make([]byte, min(laterChunk, o.size-o.have)))
		o.group.hold(int64(len(o.more[i])))
	}
	return o.more[i][off:]
}

// fork moves the unpublished part of an incomplete payload to new memory: the
// writer that left may still be filling the old.
func (o *Object) fork() {
	if o.have == o.size {
		return
	}
	if o.have < o.first {
		o.buf = append(make([]byte, 0, len(o.buf)), o.buf[:headroom+o.have]...)[:len(o.buf)]
		return
	}
	at := o.have - o.first
	if i := at / laterChunk; i < uint64(len(o.more)) {
		c := make([]byte, len(o.more[i]))
		copy(c, o.more[i][:at%laterChunk])
		o.more[i] = c
	}
}

// from returns the contiguous payload bytes that are there from off on.
func (o *Object) from(off uint64) []byte {
	if off >= o.have {
		return nil
	}
	if off < o.first {
		return o.buf[headroom+off : headroom+min(o.have, o.first)]
	}
	at := off - o.first
	i, start := at/laterChunk, at%laterChunk
	return o.more[i][start:min(laterChunk, o.have-o.first-i*laterChunk)]
}

// Payload returns the whole payload once it is complete, and nil before. The
// bytes are shared where they are contiguous, and copied where they are not.
func (o *Object) Payload() []byte {
	o.track.mu.Lock()
	defer o.track.mu.Unlock()
	if o.have < o.size {
		return nil
	}
	if o.size <= o.first {
		return o.buf[headroom:len(o.buf):len(o.buf)]
	}
	b := make([]byte, 0, o.size)
	for off := uint64(0); off < o.size; off = uint64(len(b)) {
		b = append(b, o.from(off)...)
	}
	return b
}

// Encoded returns header followed by the first n bytes of the payload, in one
// slice that is shared by every caller of the same class where that is
// possible: in the headroom for the first class, in a shared copy for another
// one when the object is complete and no larger than FirstChunk, and in a
// private copy otherwise. A header may differ from that of others of its class:
// then the bytes are private. n must not exceed the bytes of the first piece.
func (o *Object) Encoded(c Class, header []byte, n int) []byte {
	o.track.mu.Lock()
	defer o.track.mu.Unlock()
	if o.class == 0 && len(header) <= headroom {
		o.class, o.head = c, uint8(len(header))
		copy(o.buf[headroom-len(header):], header)
	}
	if o.class == c && bytes.Equal(o.buf[headroom-int(o.head):headroom], header) {
		end := headroom + n
		return o.buf[headroom-len(header) : end : end]
	}
	whole := uint64(n) == o.size && o.size <= FirstChunk
	if whole {
		for _, e := range o.alt {
			switch {
			case e.class != c:
			case bytes.HasPrefix(e.bytes, header) && len(e.bytes) == len(header)+n:
				return e.bytes
			default:
				whole = false
			}
		}
	}
	b := make([]byte, 0, len(header)+n)
	b = append(append(b, header...), o.buf[headroom:headroom+n]...)
	if whole {
		o.alt = append(o.alt, encoded{c, b})
		o.group.hold(int64(cap(b)))
	}
	return b
}
