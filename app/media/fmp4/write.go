package fmp4

import (
	"fmt"
	"io"
	"math"
)

const (
	// movieScale is the timescale of a movie, which nothing here is timed in.
	movieScale = 1000

	flagsKey   = 0x02000000 // depends on no other
	flagsOther = 0x01010000 // depends on others, and is no sync sample

	baseIsMoof = 0x020000
	// What a trun has: data offset, and of each sample duration, size, flags
	// and composition offset.
	trunFlags = 0x000f01
	trunHead  = 8 + 4 + 4 + 4
)

var identity = ints(4, 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)

// AppendInit appends an init segment with the tracks given. It fails where
// there is no way to write one of them down.
func AppendInit(b []byte, tracks ...*Track) ([]byte, error) {
	next := uint32(1)
	var traks, trexes []byte
	for _, t := range tracks {
		trak, err := t.trak()
		if err != nil {
			return nil, fmt.Errorf("fmp4: %w", err)
		}
		traks = append(traks, trak...)
		trexes = appendBox(trexes, "trex", ints(4, 0, uint64(t.ID), 1, 0, 0, 0))
		next = max(next, t.ID+1)
	}
	b = appendBox(b, "ftyp", []byte("iso6"), ints(4, 0), []byte("iso6cmfcmp41"))
	mvhd := newBox("mvhd", ints(4, 0, 0, 0, movieScale, 0, 0x10000), ints(2, 0x100, 0), ints(4, 0, 0), identity, make([]byte, 24), ints(4, uint64(next)))
	return appendBox(b, "moov", mvhd, traks, newBox("mvex", trexes)), nil
}

func (t *Track) trak() ([]byte, error) {
	entry, err := t.sampleEntry()
	if err != nil {
		return nil, err
	}
	if t.Timescale == 0 {
		return nil, fmt.Errorf("track %d: the timescale is 0", t.ID)
	}
	handler, name, header, volume := "vide", "Video", newBox("vmhd", ints(4, 1, 0, 0)), uint64(0)
	if t.Kind == Audio {
		handler, name, header, volume = "soun", "Audio", newBox("smhd", ints(4, 0, 0)), 0x0100
	}
	none := ints(4, 0, 0)
	tkhd := newBox("tkhd", ints(4, 3, 0, 0, uint64(t.ID), 0, 0, 0, 0), ints(2, 0, 0, volume, 0), identity,
		ints(4, uint64(uint16(t.Width))<<16, uint64(uint16(t.Height))<<16))
	dinf := newBox("dinf", newBox("dref", ints(4, 0, 1), newBox("url ", ints(4, 1))))
	stbl := newBox("stbl", newBox("stsd", ints(4, 0, 1), entry), newBox("stts", none), newBox("stsc", none),
		newBox("stsz", none, ints(4, 0)), newBox("stco", none))
	mdia := newBox("mdia",
		newBox("mdhd", ints(4, 0, 0, 0, uint64(t.Timescale), 0), ints(2, packLanguage(t.Language), 0)),
		newBox("hdlr", ints(4, 0, 0), []byte(handler), ints(4, 0, 0, 0), []byte(name), []byte{0}),
		newBox("minf", header, dinf, stbl))
	return newBox("trak", tkhd, t.edit, mdia), nil
}

// sampleEntry returns the sample entry as it was read, or makes one.
func (t *Track) sampleEntry() ([]byte, error) {
	if t.entry != nil {
		return t.entry, nil
	}
	kind, config, err := entryOf(t)
	if err != nil {
		return nil, err
	}
	head := ints(2, 0, 0, 0, 1) // reserved, data reference 1
	if t.Kind == Video {
		return newBox(kind, head, make([]byte, 16), ints(2, uint64(t.Width), uint64(t.Height)),
			ints(4, 0x480000, 0x480000, 0), ints(2, 1), make([]byte, 32), ints(2, 0x18, 0xffff), config), nil
	}
	return newBox(kind, head, make([]byte, 8), ints(2, uint64(t.Channels), 16, 0, 0), ints(4, uint64(t.SampleRate)<<16), config), nil
}

// AppendFragment appends a moof and an mdat with samples of one track, which
// follow one another. sequence counts the fragments of a file.
func AppendFragment(b []byte, sequence, track uint32, samples ...Sample) []byte {
	var size, dts uint64
	for i := range samples {
		size += uint64(len(samples[i].Data))
	}
	if len(samples) > 0 {
		dts = uint64(max(0, samples[0].DTS))
	}
	run := make([]byte, 0, 16*len(samples))
	for i := range samples {
		s := &samples[i]
		flags := uint64(flagsOther)
		if s.Key {
			flags = flagsKey
		}
		run = append(run, ints(4, uint64(s.Duration), uint64(len(s.Data)), flags, uint64(uint32(s.Offset)))...)
	}
	const before = 8 + 16 + 8 + 16 + 20 + trunHead // moof, mfhd, traf, tfhd, tfdt and trun up to its samples
	offset := uint64(before + len(run) + 8)        // of the first sample
	b = appendBox(b, "moof",
		newBox("mfhd", ints(4, 0, uint64(sequence))),
		newBox("traf",
			newBox("tfhd", ints(4, baseIsMoof, uint64(track))),
			newBox("tfdt", ints(4, 1<<24), ints(8, dts)),
			newBox("trun", ints(4, 1<<24|trunFlags, uint64(len(samples)), offset), run)))
	b = append(b, ints(4, 8+size)...)
	b = append(b, "mdat"...)
	for i := range samples {
		b = append(b, samples[i].Data...)
	}
	return b
}

// A Writer writes one file: an init segment and fragments.
type Writer struct {
	w        io.Writer
	sequence uint32
	buf      []byte
}

// NewWriter writes the init segment to w.
func NewWriter(w io.Writer, tracks ...*Track) (*Writer, error) {
	b, err := AppendInit(nil, tracks...)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	return &Writer{w: w}, nil
}

// Write writes samples of one track as a fragment, in one call of Write.
func (w *Writer) Write(track uint32, samples ...Sample) error {
	w.sequence = w.sequence%math.MaxUint32 + 1
	w.buf = AppendFragment(w.buf[:0], w.sequence, track, samples...)
	_, err := w.w.Write(w.buf)
	return err
}
