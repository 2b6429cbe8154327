package fmp4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strings"
)

// The codecs that have a name here, by the type of their sample entry; config
// is the box that has the configuration of the decoder, name makes the name out
// of it.
var codecs = map[string]struct {
	kind   Kind
	config string
	name   func(entry string, config []byte) (string, error)
}{
	"avc1": {Video, "avcC", nameAVC},
	"avc3": {Video, "avcC", nameAVC},
	"hvc1": {Video, "hvcC", nameHEVC},
	"hev1": {Video, "hvcC", nameHEVC},
	"vp08": {Video, "vpcC", func(string, []byte) (string, error) { return "vp8", nil }},
	"vp09": {Video, "vpcC", nameVP9},
	"av01": {Video, "av1C", nameAV1},
	"mp4a": {Audio, "esds", nameAAC},
	"Opus": {Audio, "dOps", func(string, []byte) (string, error) { return "opus", nil }},
}

var errShortConfig = errors.New("the configuration of its decoder is missing or too short")

// nameAVC is of ISO/IEC 14496-15 and RFC 6381: profile, constraints, level.
func nameAVC(entry string, config []byte) (string, error) {
	if len(config) < 7 {
		return "", errShortConfig
	}
	return fmt.Sprintf("%s.%x", entry, config[1:4]), nil
}

// nameHEVC is of ISO/IEC 14496-15, annex E.
func nameHEVC(entry string, config []byte) (string, error) {
	if len(config) < 23 {
		return "", errShortConfig
	}
	space := []string{"", "A", "B", "C"}[config[1]>>6]
	tier := "L"
	if config[1]&0x20 != 0 {
		tier = "H"
	}
	name := fmt.Sprintf("%s.%s%d.%X.%s%d", entry, space, config[1]&0x1f,
		bits.Reverse32(binary.BigEndian.Uint32(config[2:])), tier, config[12])
	constraints := config[6:12]
	for len(constraints) > 0 && constraints[len(constraints)-1] == 0 {
		constraints = constraints[:len(constraints)-1]
	}
	for _, c := range constraints {
		name += fmt.Sprintf(".%X", c)
	}
	return name, nil
}

// nameVP9 is of the VP codec ISO media file format binding: vpcC is a full box.
func nameVP9(_ string, config []byte) (string, error) {
	if len(config) < 7 {
		return "", errShortConfig
	}
	return fmt.Sprintf("vp09.%02d.%02d.%02d", config[4], config[5], config[6]>>4), nil
}

// nameAV1 is of the AV1 codec ISO media file format binding.
func nameAV1(_ string, config []byte) (string, error) {
	if len(config) < 4 {
		return "", errShortConfig
	}
	tier, depth := "M", 8
	if config[2]&0x80 != 0 {
		tier = "H"
	}
	switch {
	case config[2]&0x60 == 0x60:
		depth = 12
	case config[2]&0x40 != 0:
		depth = 10
	}
	return fmt.Sprintf("av01.%d.%02d%s.%02d", config[1]>>5, config[1]&0x1f, tier, depth), nil
}

// nameAAC takes the AudioSpecificConfig.
func nameAAC(_ string, config []byte) (string, error) {
	if len(config) < 2 {
		return "", errShortConfig
	}
	object := uint16(config[0] >> 3)
	if object == 31 {
		object = 32 + binary.BigEndian.Uint16(config)>>5&0x3f
	}
	return fmt.Sprintf("mp4a.40.%d", object), nil
}

// sampleRates are those that an AudioSpecificConfig has numbers for.
var sampleRates = []int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}

// aacShape returns what an AudioSpecificConfig (ISO/IEC 14496-3) says of the
// sample rate and the channels; 0 where it does not. A sample entry may say
// something else, which does not count.
func aacShape(config []byte) (rate, channels int) {
	x := uint64(0)
	for i := range 8 {
		x <<= 8
		if i < len(config) {
			x |= uint64(config[i])
		}
	}
	take := func(n int) int {
		v := x >> (64 - n)
		x <<= n
		return int(v)
	}
	if take(5) == 31 {
		take(6)
	}
	switch i := take(4); {
	case i == 15:
		rate = take(24)
	case i < len(sampleRates):
		rate = sampleRates[i]
	}
	if channels = take(4); channels == 7 {
		channels = 8
	}
	return rate, channels
}

// Descriptors of ISO/IEC 14496-1 that an esds consists of.
const (
	tagES       = 3
	tagDecoder  = 4
	tagSpecific = 5
	tagSL       = 6

	objectAAC   = 0x40 // objectTypeIndication of ISO/IEC 14496-3
	streamAudio = 5
)

// readESDS returns the AudioSpecificConfig in the body of an esds, and the
// bitrate if it is there.
func readESDS(b []byte) (config []byte, bitrate int, err error) {
	c := cursor{b: b}
	c.full()
	es := descriptor(&c, tagES)
	es.skip(2)
	flags := es.u8()
	if flags&0x80 != 0 {
		es.skip(2)
	}
	if flags&0x40 != 0 {
		es.skip(int(es.u8()))
	}
	if flags&0x20 != 0 {
		es.skip(2)
	}
	decoder := descriptor(es, tagDecoder)
	object := decoder.u8()
	decoder.skip(8)
	bitrate = int(decoder.u32())
	if decoder.err == nil && object != objectAAC {
		return nil, 0, fmt.Errorf("its object type 0x%x has no name here", object)
	}
	specific := descriptor(decoder, tagSpecific)
	if specific.err != nil {
		return nil, 0, fmt.Errorf("esds: %w", specific.err)
	}
	return specific.b, bitrate, nil
}

// descriptor returns the body of the descriptor that comes next in c.
func descriptor(c *cursor, tag uint8) *cursor {
	if got := c.u8(); c.err == nil && got != tag {
		c.err = fmt.Errorf("descriptor %d where %d should be", got, tag)
	}
	size := 0
	for range 4 {
		x := c.u8()
		size = size<<7 | int(x&0x7f)
		if x&0x80 == 0 {
			break
		}
	}
	return &cursor{b: c.take(size), err: c.err}
}

// esds returns the body of an esds.
func esds(t *Track) []byte {
	wrap := func(tag byte, parts ...[]byte) []byte {
		var body []byte
		for _, p := range parts {
			body = append(body, p...)
		}
		n := len(body)
		return append([]byte{tag, 0x80 | byte(n>>21), 0x80 | byte(n>>14), 0x80 | byte(n>>7), byte(n & 0x7f)}, body...)
	}
	rate := uint64(t.Bitrate)
	decoder := wrap(tagDecoder, []byte{objectAAC, streamAudio<<2 | 1}, ints(3, 0), ints(4, rate, rate), wrap(tagSpecific, t.Config))
	return append(ints(4, 0), wrap(tagES, ints(2, uint64(t.ID)), []byte{0}, decoder, wrap(tagSL, []byte{2}))...)
}

// entryOf returns the type of the sample entry for the codec of t, and the
// configuration box in it: what t.Config does not say is made from the name.
func entryOf(t *Track) (entry string, config []byte, err error) {
	base, _, _ := strings.Cut(t.Codec, ".")
	entry = map[string]string{"vp8": "vp08", "opus": "Opus"}[base]
	if entry == "" {
		entry = base
	}
	c, known := codecs[entry]
	if !known || c.kind != t.Kind {
		return "", nil, fmt.Errorf("there is no sample entry for %s %q", t.Kind, t.Codec)
	}
	body := t.Config
	switch {
	case entry == "mp4a":
		if len(body) < 2 {
			return "", nil, fmt.Errorf("%s: %w", t.Codec, errShortConfig)
		}
		body = esds(t)
	case body == nil && entry == "Opus":
		// Version, channels, pre-skip, input rate, gain, mapping family 0.
		body = append(append([]byte{0, byte(t.Channels)}, ints(2, 0)...), append(ints(4, uint64(t.SampleRate)), 0, 0, 0)...)
		if t.Channels < 1 || t.Channels > 2 {
			return "", nil, fmt.Errorf("opus with %d channels needs a configuration", t.Channels)
		}
	case body == nil && (entry == "vp08" || entry == "vp09"):
		profile, level, depth := 0, 10, 8
		if _, err := fmt.Sscanf(t.Codec, "vp09.%d.%d.%d", &profile, &level, &depth); err != nil && entry == "vp09" {
			return "", nil, fmt.Errorf("%q has no profile, level and depth", t.Codec)
		}
		// 4:2:0, limited range, colours unspecified.
		body = append([]byte{1, 0, 0, 0, byte(profile), byte(level), byte(depth)<<4 | 1<<1, 2, 2, 2}, 0, 0)
	case body == nil && entry == "av01":
		if body, err = av1Config(t.Codec); err != nil {
			return "", nil, err
		}
	}
	if _, err := c.name(entry, configOf(entry, t.Config, body)); err != nil {
		return "", nil, fmt.Errorf("%s: %w", t.Codec, err)
	}
	return entry, newBox(c.config, body), nil
}

// configOf returns what the name of a codec is made of.
func configOf(entry string, config, body []byte) []byte {
	if entry == "mp4a" {
		return config
	}
	return body
}

// av1Config returns the av1C of a codec name, without sequence header: that is
// in front of every key frame.
func av1Config(codec string) ([]byte, error) {
	var profile, level, depth int
	var tier rune
	if _, err := fmt.Sscanf(codec, "av01.%d.%2d%c.%d", &profile, &level, &tier, &depth); err != nil {
		return nil, fmt.Errorf("%q has no profile, level and depth", codec)
	}
	flags := byte(0x0c) // 4:2:0
	if tier == 'H' {
		flags |= 0x80
	}
	if depth > 8 {
		flags |= 0x40
	}
	if depth > 10 {
		flags |= 0x20
	}
	return []byte{0x81, byte(profile)<<5 | byte(level)&0x1f, flags, 0}, nil
}
