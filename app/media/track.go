package media

import (
	"time"

	"github.com/moqtgo/moqt/app/media/fmp4"
)

// The nouns of package fmp4.
type (
	// Kind is what a track carries.
	Kind = fmp4.Kind
	// A Sample is one encoded picture, or one frame of audio.
	Sample = fmp4.Sample
)

// What a track carries.
const (
	Video = fmp4.Video
	Audio = fmp4.Audio
)

// A Container is how a sample becomes a frame of a track.
type Container string

const (
	// CMAF: a frame is a moof and an mdat; the catalog has the init segment.
	// All times are kept.
	CMAF Container = "cmaf"
	// Legacy, of hang: a varint with the presentation time in microseconds,
	// then the sample.
	Legacy Container = "legacy"
	// LOC, as hang has it: the length of a block of properties, the block, then
	// the sample.
	LOC Container = "loc"
	// Bare, which MSF calls loc: the sample; its time is a property of the
	// object.
	Bare Container = "bare"
)

// A Track is a track of a broadcast as a catalog describes it.
type Track struct {
	// Name is that of the track in its broadcast.
	Name string
	// Track is what a decoder needs to know. ID has no meaning in a broadcast.
	fmp4.Track
	Container Container
	// Framerate is in frames a second; 0: unknown.
	Framerate float64
	// Jitter is how irregularly frames come: of what is sent in batches, the
	// length of one. Players buffer that much. 0: unknown.
	Jitter time.Duration
}

// microseconds is the timescale of containers that have no other.
const microseconds = 1_000_000
