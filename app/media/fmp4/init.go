package fmp4

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/Eyevinn/mp4ff/mp4"
)

// maxTracks bounds the tracks of one file.
const maxTracks = 64

// An Init is what a file says of its tracks.
type Init struct {
	// Tracks are those that can be played, in the order of the file.
	Tracks []*Track
	// Skipped says what the others are, in words for users.
	Skipped []string
}

// Track returns the track with the given ID, or nil.
func (i *Init) Track(id uint32) *Track {
	for _, t := range i.Tracks {
		if t.ID == id {
			return t
		}
	}
	return nil
}

var errNotFragmented = errors.New("this MP4 is not fragmented: it was made without -movflags empty_moov+default_base_moof and frag_keyframe")

// ParseInit reads an init segment: ftyp, if it is there, and moov.
func ParseInit(b []byte) (*Init, error) {
	moov, err := find(b, "moov")
	if err != nil {
		return nil, fmt.Errorf("fmp4: init segment: %w", err)
	}
	return parseMoov(moov.body)
}

func parseMoov(moov []byte) (*Init, error) {
	defaults := map[uint32]*mp4.TrexBox{}
	fragmented := false
	var traks [][]byte
	for b, err := range boxes(moov) {
		switch {
		case err != nil:
			return nil, fmt.Errorf("fmp4: moov: %w", err)
		case b.kind == "trak" && len(traks) == maxTracks:
			return nil, fmt.Errorf("fmp4: moov: more than %d tracks", maxTracks)
		case b.kind == "trak":
			traks = append(traks, b.body)
		case b.kind == "mvex":
			fragmented = true
			if err := parseMvex(b.body, defaults); err != nil {
				return nil, fmt.Errorf("fmp4: mvex: %w", err)
			}
		}
	}
	if !fragmented {
		return nil, fmt.Errorf("fmp4: %w", errNotFragmented)
	}
	init := &Init{}
	for i, b := range traks {
		t, why, err := parseTrak(b)
		switch {
		case err != nil:
			return nil, fmt.Errorf("fmp4: track %d: %w", i+1, err)
		case why != "":
			init.Skipped = append(init.Skipped, why)
		case init.Track(t.ID) != nil:
			return nil, fmt.Errorf("fmp4: moov: two tracks have the ID %d", t.ID)
		default:
			t.defaults = defaults[t.ID]
			init.Tracks = append(init.Tracks, t)
		}
	}
	return init, nil
}

func parseMvex(b []byte, into map[uint32]*mp4.TrexBox) error {
	for b, err := range boxes(b) {
		if err != nil {
			return err
		}
		if b.kind != "trex" {
			continue
		}
		trex, err := decode[*mp4.TrexBox](b)
		if err != nil {
			return err
		}
		into[trex.TrackID] = trex
	}
	return nil
}

// parseTrak returns a track, or why it is left out.
func parseTrak(b []byte) (t *Track, skipped string, err error) {
	tkhd, err := decodeIn[*mp4.TkhdBox](b, "tkhd")
	if err != nil {
		return nil, "", err
	}
	mdhd, err := decodeIn[*mp4.MdhdBox](b, "mdia", "mdhd")
	if err != nil {
		return nil, "", err
	}
	hdlr, err := decodeIn[*mp4.HdlrBox](b, "mdia", "hdlr")
	if err != nil {
		return nil, "", err
	}
	stsd, err := find(b, "mdia", "minf", "stbl", "stsd")
	if err != nil {
		return nil, "", err
	}
	if len(stsd.body) <= 8 {
		return nil, "", errors.New("stsd is empty")
	}
	entry, _, err := first(stsd.body[8:]) // after the version and a count
	if err != nil {
		return nil, "", err
	}
	codec, known := codecs[entry.kind]
	kind := map[string]Kind{"vide": Video, "soun": Audio}[hdlr.HandlerType]
	switch {
	case kind == 0:
		return nil, fmt.Sprintf("track %d is neither video nor audio but %s", tkhd.TrackID, printable(hdlr.HandlerType)), nil
	case !known || codec.kind != kind:
		return nil, fmt.Sprintf("track %d: %s %s has no name in the catalog", tkhd.TrackID, kind, printable(entry.kind)), nil
	case mdhd.Timescale == 0:
		return nil, "", errors.New("its timescale is 0")
	}
	t = &Track{ID: tkhd.TrackID, Kind: kind, Timescale: mdhd.Timescale, Language: languageOf(mdhd)}
	if err := t.parseEntry(entry); err != nil {
		return nil, fmt.Sprintf("track %d: %s %s: %v", t.ID, t.Kind, entry.kind, err), nil
	}
	t.entry = raw(entry.kind, entry.body)
	if edts, err := find(b, "edts"); err == nil {
		t.edit = raw("edts", edts.body)
	}
	return t, "", nil
}

// languageOf returns the tag of a track's language, "" where there is none.
func languageOf(mdhd *mp4.MdhdBox) string {
	tag := mdhd.GetLanguage()
	if tag == "und" || slices.ContainsFunc([]byte(tag), func(c byte) bool { return c < 'a' || c > 'z' }) {
		return ""
	}
	return tag
}

// Lengths of sample entries up to the boxes in them.
const (
	videoHead = 78
	audioHead = 28
	audioMore = 16 // of QuickTime's version 1
)

// parseEntry reads a sample entry: its head, and those boxes in it that count.
func (t *Track) parseEntry(entry box) error {
	inner, err := t.parseHead(entry)
	if err != nil {
		return err
	}
	codec := codecs[entry.kind]
	found := false
	for b, err := range boxes(inner) {
		switch {
		case err != nil:
			return err
		case b.kind == codec.config:
			t.Config, found = slices.Clone(b.body), true
		case b.kind == "btrt":
			if rates, err := decode[*mp4.BtrtBox](b); err == nil {
				t.Bitrate = int(max(rates.MaxBitrate, rates.AvgBitrate))
			}
		}
	}
	switch {
	case !found:
		return fmt.Errorf("it has no box %s", codec.config)
	case entry.kind == "mp4a":
		if err := t.parseESDS(); err != nil {
			return err
		}
	}
	t.Codec, err = codec.name(entry.kind, t.Config)
	return err
}

// parseHead reads the head of a sample entry and returns what comes after it.
func (t *Track) parseHead(entry box) (inner []byte, err error) {
	size := videoHead
	if t.Kind == Audio {
		size = audioHead
	}
	if len(entry.body) < size {
		return nil, fmt.Errorf("box %s ends too early", entry.kind)
	}
	head, inner := slices.Clone(entry.body[:size]), entry.body[size:]
	if t.Kind == Video {
		// The length of a name that nobody reads, and some write without it: the
		// library wants 31 at most.
		head[42] = 0
		visual, err := decode[*mp4.VisualSampleEntryBox](box{kind: entry.kind, body: head})
		if err != nil {
			return nil, err
		}
		t.Width, t.Height = int(visual.Width), int(visual.Height)
		return inner, nil
	}
	audio, err := decode[*mp4.AudioSampleEntryBox](box{kind: entry.kind, body: head})
	if err != nil {
		return nil, err
	}
	t.Channels, t.SampleRate = int(audio.ChannelCount), int(audio.SampleRate)
	switch version := binary.BigEndian.Uint16(head[8:]); {
	case version == 1 && len(inner) >= audioMore:
		return inner[audioMore:], nil
	case version != 0:
		return nil, fmt.Errorf("a sample entry of version %d", version)
	}
	return inner, nil
}

// maxESDS bounds an esds: descriptors are nested too.
const maxESDS = 4 << 10

// parseESDS replaces the esds in t.Config by the AudioSpecificConfig in it, and
// takes from it what a sample entry may say otherwise.
func (t *Track) parseESDS() error {
	if len(t.Config) > maxESDS {
		return fmt.Errorf("box esds has %d bytes, and %d are the limit", len(t.Config), maxESDS)
	}
	esds, err := decode[*mp4.EsdsBox](box{kind: "esds", body: t.Config})
	if err != nil {
		return err
	}
	decoder := esds.DecConfigDescriptor
	switch {
	case decoder.ObjectType != objectAAC:
		return fmt.Errorf("its object type 0x%x has no name here", decoder.ObjectType)
	case decoder.DecSpecificInfo == nil:
		return errShortConfig
	}
	t.Config = slices.Clone(decoder.DecSpecificInfo.DecConfig)
	t.Bitrate = cmp.Or(t.Bitrate, int(decoder.AvgBitrate))
	_, rate, channels := readAAC(t.Config)
	t.SampleRate, t.Channels = cmp.Or(rate, t.SampleRate), cmp.Or(channels, t.Channels)
	return nil
}
