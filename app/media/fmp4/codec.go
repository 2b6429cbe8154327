package fmp4

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/Eyevinn/mp4ff/aac"
	"github.com/Eyevinn/mp4ff/av1"
	"github.com/Eyevinn/mp4ff/bits"
	"github.com/Eyevinn/mp4ff/hevc"
	"github.com/Eyevinn/mp4ff/mp4"
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

// nameAVC is of ISO/IEC 14496-15 and RFC 6381: profile, constraints, level. The
// library reads the record only where lengths have four bytes, and its names
// are in upper case.
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
	// The head has all that is in a name. The library reads on only where
	// lengths have four bytes, and as many parameter sets as are announced.
	head := append(bytes.Clone(config[:21]), config[21]|3, 0)
	record, err := decode[*mp4.HvcCBox](box{kind: "hvcC", body: head})
	if err != nil {
		return "", err
	}
	return hevc.CodecString(entry, &hevc.SPS{ProfileTierLevel: hevc.ProfileTierLevel{
		GeneralProfileSpace:              record.GeneralProfileSpace,
		GeneralTierFlag:                  record.GeneralTierFlag,
		GeneralProfileIDC:                record.GeneralProfileIDC,
		GeneralProfileCompatibilityFlags: record.GeneralProfileCompatibilityFlags,
		GeneralConstraintIndicatorFlags:  record.GeneralConstraintIndicatorFlags,
		GeneralLevelIDC:                  record.GeneralLevelIDC,
	}}), nil
}

// nameVP9 is of the VP codec ISO media file format binding.
func nameVP9(_ string, config []byte) (string, error) {
	record, err := decode[*mp4.VppCBox](box{kind: "vpcC", body: config})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("vp09.%02d.%02d.%02d", record.Profile, record.Level, record.BitDepth), nil
}

// nameAV1 is of the AV1 codec ISO media file format binding.
func nameAV1(_ string, config []byte) (string, error) {
	record, err := decode[*mp4.Av1CBox](box{kind: "av1C", body: config})
	if err != nil {
		return "", err
	}
	tier, depth := "M", 8
	if record.SeqTier0 == 1 {
		tier = "H"
	}
	if record.HighBitdepth == 1 {
		depth = 10 + 2*int(record.TwelveBit)
	}
	return fmt.Sprintf("av01.%d.%02d%s.%02d", record.SeqProfile, record.SeqLevelIdx0, tier, depth), nil
}

const objectAAC = 0x40 // objectTypeIndication of ISO/IEC 14496-3

// nameAAC takes the AudioSpecificConfig.
func nameAAC(_ string, config []byte) (string, error) {
	if len(config) < 2 {
		return "", errShortConfig
	}
	object, _, _ := readAAC(config)
	return fmt.Sprintf("mp4a.40.%d", object), nil
}

// readAAC returns what an AudioSpecificConfig (ISO/IEC 14496-3) says of the type
// of object, the sample rate and the channels; 0 where it does not. The library
// reads those of AAC-LC and HE-AAC only.
func readAAC(config []byte) (object, rate, channels int) {
	r := bits.NewReader(bytes.NewReader(config))
	if object = int(r.Read(5)); object == 31 {
		object = 32 + int(r.Read(6))
	}
	if i := r.Read(4); i == 15 {
		rate = int(r.Read(24))
	} else {
		rate = aac.FrequencyTable[byte(i)]
	}
	if channels = int(r.Read(4)); channels == 7 {
		channels = 8
	}
	if r.AccError() != nil {
		return object, 0, 0
	}
	return object, rate, channels
}

// entryOf returns the type of the sample entry for the codec of t, and the
// configuration box in it: what t.Config does not say is made from the name.
func entryOf(t *Track) (entry string, config mp4.Box, err error) {
	base, _, _ := strings.Cut(t.Codec, ".")
	entry = map[string]string{"vp8": "vp08", "opus": "Opus"}[base]
	if entry == "" {
		entry = base
	}
	c, known := codecs[entry]
	switch {
	case !known || c.kind != t.Kind:
		return "", nil, fmt.Errorf("there is no sample entry for %s %q", t.Kind, t.Codec)
	case t.Config == nil && entry == "Opus":
		config, err = opusConfig(t)
	case t.Config == nil && (entry == "vp08" || entry == "vp09"):
		config, err = vpConfig(t.Codec)
	case t.Config == nil && entry == "av01":
		config, err = av1Config(t.Codec)
	case entry == "mp4a":
		config, err = esds(t)
	default:
		config = raw(c.config, t.Config)
		_, err = c.name(entry, t.Config)
	}
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", t.Codec, err)
	}
	return entry, config, nil
}

// esds returns the esds of AAC.
func esds(t *Track) (mp4.Box, error) {
	// The library gives the length of a new descriptor one byte of seven bits,
	// and the outer ones have 23 bytes more.
	const most = 1<<7 - 1 - 23
	switch {
	case len(t.Config) < 2:
		return nil, errShortConfig
	case len(t.Config) > most:
		return nil, fmt.Errorf("the configuration of its decoder has %d bytes, and %d are the limit", len(t.Config), most)
	}
	b := mp4.CreateEsdsBox(t.Config)
	b.EsID = uint16(t.ID)
	b.DecConfigDescriptor.MaxBitrate, b.DecConfigDescriptor.AvgBitrate = uint32(t.Bitrate), uint32(t.Bitrate)
	return b, nil
}

// opusConfig returns the dOps of one or two channels, which need no mapping.
func opusConfig(t *Track) (mp4.Box, error) {
	if t.Channels < 1 || t.Channels > 2 {
		return nil, fmt.Errorf("%d channels need a configuration", t.Channels)
	}
	return &mp4.DopsBox{OutputChannelCount: byte(t.Channels), InputSampleRate: uint32(t.SampleRate)}, nil
}

// vpConfig returns the vpcC of a codec name: 4:2:0, limited range, colours
// unspecified.
func vpConfig(codec string) (mp4.Box, error) {
	b := &mp4.VppCBox{
		Version: 1, Level: 10, BitDepth: 8, ChromaSubsampling: 1,
		ColourPrimaries: 2, TransferCharacteristics: 2, MatrixCoefficients: 2,
	}
	if !strings.HasPrefix(codec, "vp09") {
		return b, nil
	}
	if _, err := fmt.Sscanf(codec, "vp09.%d.%d.%d", &b.Profile, &b.Level, &b.BitDepth); err != nil {
		return nil, errors.New("its name has no profile, level and depth")
	}
	return b, nil
}

// av1Config returns the av1C of a codec name, 4:2:0 and without sequence header:
// that is in front of every key frame.
func av1Config(codec string) (mp4.Box, error) {
	r := av1.CodecConfRec{Version: 1, ChromaSubsamplingX: 1, ChromaSubsamplingY: 1}
	var depth int
	var tier rune
	if _, err := fmt.Sscanf(codec, "av01.%d.%2d%c.%d", &r.SeqProfile, &r.SeqLevelIdx0, &tier, &depth); err != nil {
		return nil, errors.New("its name has no profile, level and depth")
	}
	r.SeqProfile, r.SeqLevelIdx0 = r.SeqProfile&7, r.SeqLevelIdx0&31 // of their widths in bits
	if tier == 'H' {
		r.SeqTier0 = 1
	}
	if depth > 8 {
		r.HighBitdepth = 1
	}
	if depth > 10 {
		r.TwelveBit = 1
	}
	return &mp4.Av1CBox{CodecConfRec: r}, nil
}
