package fmp4

import (
	"bytes"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"
)

// Kind is what a track carries.
type Kind uint8

const (
	Video Kind = iota + 1
	Audio
)

// String returns "video" or "audio".
func (k Kind) String() string {
	switch k {
	case Video:
		return "video"
	case Audio:
		return "audio"
	}
	return "unknown"
}

// A Track is what a decoder needs to know of a track.
type Track struct {
	// ID is the number of the track in its file; fragments refer to it.
	ID   uint32
	Kind Kind
	// Timescale is the number of time units a second, never 0.
	Timescale uint32
	// Codec names the codec as WebCodecs does: avc1.64001f, opus.
	Codec string
	// Config is the configuration of the decoder: the record of avcC, hvcC,
	// av1C, vpcC or dOps, and the AudioSpecificConfig of AAC. It may be nil for
	// Opus, VP8, VP9 and AV1.
	Config []byte

	Width, Height int // video, in pixels

	SampleRate int // audio, in Hz
	Channels   int // audio

	// Bitrate is what the file says of it, in bits a second; 0 where it does
	// not.
	Bitrate int
	// Language is the tag of ISO 639-2 of the file, "" where it has none.
	Language string

	entry mp4.Box // the sample entry as it was read; nil: to be made
	edit  mp4.Box // the edit list as it was read, or nil

	defaults *mp4.TrexBox // for samples of fragments that do not say, or nil
}

// A Sample is one encoded picture, or one frame of audio.
type Sample struct {
	// DTS is when it is to be decoded, in units of the track's Timescale.
	DTS int64
	// Duration is until the next sample, in the same units.
	Duration uint32
	// Offset is from DTS to when it is to be shown.
	Offset int32
	// Key says that decoding can begin here.
	Key  bool
	Data []byte
}

// PTS returns when the sample is to be shown.
func (s *Sample) PTS() int64 { return s.DTS + int64(s.Offset) }

// Time returns a number of units of a timescale as a duration, rounded down to
// nanoseconds.
func Time(units int64, timescale uint32) time.Duration {
	scale := int64(timescale)
	return time.Duration(units/scale)*time.Second + time.Duration(units%scale*int64(time.Second)/scale)
}

// Units returns a duration as the nearest number of units of a timescale.
func Units(d time.Duration, timescale uint32) int64 {
	scale, second := int64(timescale), int64(time.Second)
	whole, rest := int64(d)/second, int64(d)%second
	if rest < 0 {
		whole, rest = whole-1, rest+second
	}
	return whole*scale + (rest*scale+second/2)/second
}

// Same reports whether the decoder of t can go on with samples of u.
func (t *Track) Same(u *Track) bool {
	return t.Kind == u.Kind && t.Timescale == u.Timescale && t.Codec == u.Codec && bytes.Equal(t.Config, u.Config) &&
		t.Width == u.Width && t.Height == u.Height && t.SampleRate == u.SampleRate && t.Channels == u.Channels
}
