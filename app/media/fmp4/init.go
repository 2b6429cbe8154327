package fmp4

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
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
	moov, err := child(b, "moov")
	if err != nil {
		return nil, fmt.Errorf("fmp4: init segment: %w", err)
	}
	return parseMoov(moov)
}

func parseMoov(moov []byte) (*Init, error) {
	all, err := children(moov)
	if err != nil {
		return nil, fmt.Errorf("fmp4: moov: %w", err)
	}
	defaults := map[uint32]defaults{}
	fragmented := false
	for _, b := range all {
		if b.kind == "mvex" {
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
	for _, b := range all {
		if b.kind != "trak" {
			continue
		}
		if len(init.Tracks)+len(init.Skipped) == maxTracks {
			return nil, fmt.Errorf("fmp4: moov: more than %d tracks", maxTracks)
		}
		t, why, err := parseTrak(b.body)
		switch {
		case err != nil:
			return nil, fmt.Errorf("fmp4: track %d: %w", len(init.Tracks)+len(init.Skipped)+1, err)
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

func parseMvex(b []byte, into map[uint32]defaults) error {
	all, err := children(b)
	if err != nil {
		return err
	}
	for _, b := range all {
		if b.kind != "trex" {
			continue
		}
		c := cursor{b: b.body}
		c.full()
		id := c.u32()
		c.skip(4)
		into[id] = defaults{c.u32(), c.u32(), c.u32()}
		if c.err != nil {
			return c.err
		}
	}
	return nil
}

// parseTrak returns a track, or why it is left out.
func parseTrak(b []byte) (t *Track, skipped string, err error) {
	t = &Track{}
	if t.ID, err = parseTkhd(b); err != nil {
		return nil, "", err
	}
	mdia, err := child(b, "mdia")
	if err != nil {
		return nil, "", err
	}
	if err := t.parseMdhd(mdia); err != nil {
		return nil, "", err
	}
	handler, err := child(mdia, "hdlr")
	if err != nil {
		return nil, "", err
	}
	c := cursor{b: handler}
	c.skip(8)
	kind := string(c.take(4))
	stsd, err := path(mdia, "minf", "stbl", "stsd")
	if err != nil {
		return nil, "", err
	}
	if c.err != nil || len(stsd) < 8 {
		return nil, "", errors.New("hdlr or stsd is too short")
	}
	entries, err := children(stsd[8:])
	if err != nil {
		return nil, "", err
	}
	if len(entries) == 0 {
		return nil, "", errors.New("stsd is empty")
	}
	entry := entries[0]
	known, ok := codecs[entry.kind]
	switch {
	case kind != "vide" && kind != "soun":
		return nil, fmt.Sprintf("track %d is neither video nor audio but %s", t.ID, printable(kind)), nil
	case !ok || (known.kind == Video) != (kind == "vide"):
		return nil, fmt.Sprintf("track %d: %s %s has no name in the catalog", t.ID, map[string]string{"vide": "video", "soun": "audio"}[kind], printable(entry.kind)), nil
	case t.Timescale == 0:
		return nil, "", errors.New("its timescale is 0")
	}
	t.Kind = known.kind
	if err := t.parseEntry(entry.kind, entry.body); err != nil {
		return nil, fmt.Sprintf("track %d: %s %s: %v", t.ID, t.Kind, entry.kind, err), nil
	}
	t.entry = newBox(entry.kind, entry.body)
	if edts, err := child(b, "edts"); err == nil {
		t.edit = newBox("edts", edts)
	}
	return t, "", nil
}

func parseTkhd(trak []byte) (id uint32, err error) {
	b, err := child(trak, "tkhd")
	if err != nil {
		return 0, err
	}
	c := cursor{b: b}
	if version, _ := c.full(); version == 1 {
		c.skip(16)
	} else {
		c.skip(8)
	}
	id = c.u32()
	return id, c.err
}

func (t *Track) parseMdhd(mdia []byte) error {
	b, err := child(mdia, "mdhd")
	if err != nil {
		return err
	}
	c := cursor{b: b}
	version, _ := c.full()
	times := 4
	if version == 1 {
		times = 8
	}
	c.skip(2 * times)
	t.Timescale = c.u32()
	c.skip(times)
	t.Language = languageOf(c.u16())
	return c.err
}

// languageOf unpacks three letters of five bits; "und" is none.
func languageOf(x uint16) string {
	b := []byte{byte(x>>10&31) + 0x60, byte(x>>5&31) + 0x60, byte(x&31) + 0x60}
	for _, c := range b {
		if c < 'a' || c > 'z' {
			return ""
		}
	}
	if string(b) == "und" {
		return ""
	}
	return string(b)
}

func packLanguage(tag string) uint64 {
	if len(tag) != 3 {
		tag = "und"
	}
	return uint64(tag[0]-0x60)&31<<10 | uint64(tag[1]-0x60)&31<<5 | uint64(tag[2]-0x60)&31
}

// parseEntry reads a sample entry.
func (t *Track) parseEntry(kind string, b []byte) error {
	c := cursor{b: b}
	c.skip(8) // reserved, data reference
	if t.Kind == Video {
		c.skip(16)
		t.Width, t.Height = int(c.u16()), int(c.u16())
		c.skip(50)
	} else {
		version := c.u16()
		c.skip(6)
		t.Channels = int(c.u16())
		c.skip(6)
		t.SampleRate = int(c.u32() >> 16)
		switch version { // of QuickTime
		case 0:
		case 1:
			c.skip(16)
		default:
			return fmt.Errorf("a sample entry of version %d", version)
		}
	}
	if c.err != nil {
		return c.err
	}
	all, err := children(c.b)
	if err != nil {
		return err
	}
	codec := codecs[kind]
	var config []byte
	found := false
	for _, b := range all {
		switch b.kind {
		case codec.config:
			config, found = b.body, true
		case "btrt":
			if len(b.body) >= 12 {
				t.Bitrate = int(max(binary.BigEndian.Uint32(b.body[4:]), binary.BigEndian.Uint32(b.body[8:])))
			}
		}
	}
	if !found {
		return fmt.Errorf("it has no box %s", codec.config)
	}
	if kind == "mp4a" {
		var rate int
		if config, rate, err = readESDS(config); err != nil {
			return err
		}
		if t.Bitrate == 0 {
			t.Bitrate = rate
		}
		rate, channels := aacShape(config)
		t.SampleRate, t.Channels = cmp.Or(rate, t.SampleRate), cmp.Or(channels, t.Channels)
	}
	t.Config = append([]byte(nil), config...)
	t.Codec, err = codec.name(kind, t.Config)
	return err
}
