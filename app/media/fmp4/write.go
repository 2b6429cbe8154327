package fmp4

import (
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/Eyevinn/mp4ff/mp4"
)

// movieScale is the timescale of a movie, which nothing here is timed in.
const movieScale = 1000

// AppendInit appends an init segment with the tracks given. It fails where
// there is no way to write one of them down.
func AppendInit(b []byte, tracks ...*Track) ([]byte, error) {
	head, extends := mp4.CreateMvhd(), mp4.NewMvexBox()
	head.Timescale, head.NextTrackID = movieScale, 1
	moov := mp4.NewMoovBox()
	moov.AddChild(head)
	for _, t := range tracks {
		trak, err := t.trak()
		if err != nil {
			return nil, fmt.Errorf("fmp4: %w", err)
		}
		moov.AddChild(trak)
		extends.AddChild(mp4.CreateTrex(t.ID))
		head.NextTrackID = max(head.NextTrackID, t.ID+1)
	}
	moov.AddChild(extends)
	return encode(b, mp4.NewFtyp("iso6", 0, []string{"iso6", "cmfc", "mp41"}), moov)
}

func (t *Track) trak() (*mp4.TrakBox, error) {
	entry, err := t.sampleEntry()
	if err != nil {
		return nil, err
	}
	if t.Timescale == 0 {
		return nil, fmt.Errorf("track %d: the timescale is 0", t.ID)
	}
	language := t.Language
	if len(language) != 3 {
		language = "und"
	}
	trak := mp4.CreateEmptyTrak(t.ID, t.Timescale, t.Kind.String(), language)
	trak.Mdia.Hdlr.Name = t.Kind.String()
	trak.Tkhd.Width, trak.Tkhd.Height = mp4.Fixed32(uint16(t.Width))<<16, mp4.Fixed32(uint16(t.Height))<<16
	if t.edit != nil {
		trak.Children = slices.Insert(trak.Children, 1, t.edit)
	}
	// AddChild would take the entry for one of the library's types.
	stsd := trak.Mdia.Minf.Stbl.Stsd
	stsd.Children, stsd.SampleCount = []mp4.Box{entry}, 1
	return trak, nil
}

// sampleEntry returns the sample entry as it was read, or makes one.
func (t *Track) sampleEntry() (mp4.Box, error) {
	if t.entry != nil {
		return t.entry, nil
	}
	kind, config, err := entryOf(t)
	if err != nil {
		return nil, err
	}
	if t.Kind == Video {
		entry := mp4.CreateVisualSampleEntryBox(kind, uint16(t.Width), uint16(t.Height), config)
		entry.CompressorName = ""
		return entry, nil
	}
	entry := mp4.CreateAudioSampleEntryBox(kind, uint16(t.Channels), 16, uint16(t.SampleRate), nil)
	entry.Children = []mp4.Box{config}
	return entry, nil
}

// AppendFragment appends a moof and an mdat with samples of one track, which
// follow one another. sequence counts the fragments of a file.
func AppendFragment(b []byte, sequence, track uint32, samples ...Sample) []byte {
	f, err := mp4.CreateFragment(sequence, track)
	if err != nil {
		panic(err) // the library has none for one track
	}
	for i := range samples {
		s := &samples[i]
		flags := mp4.SetNonSyncSampleFlags(0)
		if s.Key {
			flags = mp4.SyncSampleFlags
		}
		f.Moof.Traf.Trun.AddSample(mp4.NewSample(flags, s.Duration, uint32(len(s.Data)), s.Offset))
		f.Mdat.AddSampleDataPart(s.Data)
	}
	time := f.Moof.Traf.Tfdt
	if len(samples) > 0 {
		time.SetBaseMediaDecodeTime(uint64(max(0, samples[0].DTS)))
	}
	time.Version = 1 // of 64 bits, however early it is
	f.SetTrunDataOffsets()
	b, err = encode(b, f.Moof, f.Mdat)
	if err != nil {
		panic(err) // the buffer is as large as the library said
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
