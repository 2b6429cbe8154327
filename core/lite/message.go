package lite

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/moqtgo/moqt/core/wire"
)

// The first integer of a bidirectional stream. Those of 0x20 and above are the
// exchange of drafts without a subprotocol.
const (
	typeAnnounce    uint64 = 0x01
	typeSubscribe   uint64 = 0x02
	typeFetch       uint64 = 0x03
	typeProbe       uint64 = 0x04
	typeGoaway      uint64 = 0x05
	typeTrack       uint64 = 0x06
	typeClientSetup uint64 = 0x20
	typeServerSetup uint64 = 0x21
)

// The first integer of a unidirectional stream.
const (
	typeGroup uint64 = 0x00
	typeSetup uint64 = 0x01
)

// Limits of what a message may hold.
const (
	maxName        = 4 << 10     // bytes of a path and a track name together
	maxSegments    = 32          // of a path
	maxHops        = 32          // of an announcement
	maxParameters  = 64          // of a set-up message
	maxVersions    = 64          // of a CLIENT_SETUP
	maxBroadcasts  = 4 << 10     // of an ANNOUNCE_INIT
	maxRequestPath = 16 << 10    // bytes of a SETUP Path with its query
	maxURI         = 8 << 10     // bytes of a GOAWAY URI
	anyLength      = math.MaxInt // the message bounds it
)

// A message is one unit of a draft. append writes it whole: its Type where it
// has one, its Length, its body. read reads the body and leaves errors in r.
type message interface {
	append(b []byte, p *Profile) []byte
	read(r *wire.Reader, p *Profile)
}

// decode reads body, which must hold m and nothing else.
func decode(body []byte, p *Profile, m message) error {
	r := wire.NewReader(wire.RFC9000, body)
	m.read(&r, p)
	return r.Close()
}

// readMessage reads one message that has no Type. io.EOF: the stream ended in
// front of it. Nothing of m refers to the stream's buffers afterwards.
func readMessage(s *wire.Stream, p *Profile, limit int, m message) error {
	body, err := s.Message(limit, nil)
	if err != nil {
		return err
	}
	return decode(body, p, m)
}

// withLength puts its Length in front of the body b[start:].
func withLength(b []byte, start int) []byte {
	var length [8]byte
	return slices.Insert(b, start, appendVarint(length[:0], uint64(len(b)-start))...)
}

func appendVarint(b []byte, x uint64) []byte { return wire.RFC9000.Append(b, x) }

func appendString(b []byte, s string) []byte { return wire.RFC9000.AppendString(b, s) }

func appendBool(b []byte, x bool) []byte {
	if x {
		return append(b, 1)
	}
	return append(b, 0)
}

// An optional is a number that may be absent: 0 on the wire, else n+1.
type optional struct {
	n   uint64
	has bool
}

func some(n uint64) optional { return optional{n, true} }

func appendOptional(b []byte, o optional) []byte {
	if !o.has {
		return appendVarint(b, 0)
	}
	return appendVarint(b, min(o.n, wire.MaxRFC9000-1)+1)
}

func readOptional(r *wire.Reader) optional {
	if n := r.Varint(); n > 0 {
		return some(n - 1)
	}
	return optional{}
}

// maxDuration is the longest duration that is a number of milliseconds.
const maxDuration = math.MaxInt64 / time.Millisecond * time.Millisecond

// appendDuration appends d in milliseconds, rounded up so that a short
// duration does not become none. A negative one is 0.
func appendDuration(b []byte, d time.Duration) []byte {
	ms := max(d, 0) / time.Millisecond
	if d > ms*time.Millisecond {
		ms++
	}
	return appendVarint(b, uint64(ms))
}

// readDuration reads milliseconds; what is too long becomes maxDuration.
func readDuration(r *wire.Reader) time.Duration {
	return time.Duration(min(r.Varint(), uint64(maxDuration/time.Millisecond))) * time.Millisecond
}

// readPath reads a path, prefix or suffix as it is, normalised or not.
func readPath(r *wire.Reader) string {
	path := r.String(maxName)
	if strings.Count(path, "/") < maxSegments {
		return path
	}
	n := 0
	for segment := range strings.SplitSeq(path, "/") {
		if segment != "" {
			n++
		}
	}
	if n > maxSegments {
		r.Fail(&wire.TooLargeError{What: "number of path segments", Size: uint64(n), Limit: maxSegments})
	}
	return path
}

// readTrack reads the name of a track of the broadcast at path.
func readTrack(r *wire.Reader, path string) string { return r.String(maxName - len(path)) }
