package fmp4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/Eyevinn/mp4ff/mp4"
)

// maxSamples bounds the samples of one fragment.
const maxSamples = 1 << 16

// A Fragment is a moof with the samples that it describes.
type Fragment struct{ Tracks []TrackFragment }

// A TrackFragment are samples of one track that follow one another. Their Data
// are parts of one buffer, which nobody else uses.
type TrackFragment struct {
	Track   *Track
	Samples []Sample
}

// A layout is a Fragment whose samples have no data yet: their places in the
// file are known.
type layout struct {
	tracks []TrackFragment
	at     [][]uint64 // of each sample of each track, in bytes of the file
	count  int        // of the samples that have been announced
}

// parseMoof reads a moof that begins at the given place of the file. next are
// the decode times at which tracks go on whose fragments do not say.
func parseMoof(b []byte, at uint64, init *Init, next map[uint32]int64) (*layout, error) {
	l := &layout{}
	end := at // of the data of the track fragment before
	for b, err := range boxes(b) {
		switch {
		case err != nil:
			return nil, err
		case b.kind != "traf":
			continue
		case len(l.tracks) == maxTracks:
			return nil, fmt.Errorf("more than %d track fragments", maxTracks)
		}
		if end, err = l.parseTraf(b.body, at, end, init, next); err != nil {
			return nil, fmt.Errorf("traf: %w", err)
		}
	}
	return l, nil
}

// parseTraf appends what a traf says, and returns where its data end.
func (l *layout) parseTraf(b []byte, moof, after uint64, init *Init, next map[uint32]int64) (end uint64, err error) {
	var head *mp4.TfhdBox
	var track *Track
	var dts int64
	var samples []Sample
	var places []uint64
	base, place := after, uint64(0)
	for b, err := range boxes(b) {
		switch {
		case err != nil:
			return 0, err
		case b.kind == "tfhd":
			if head, err = decode[*mp4.TfhdBox](b); err != nil {
				return 0, err
			}
			track = init.Track(head.TrackID)
			if head.DefaultBaseIfMoof() || len(l.tracks) == 0 {
				base = moof
			}
			if head.HasBaseDataOffset() {
				base = head.BaseDataOffset
			}
			dts, place = next[head.TrackID], base
		case b.kind == "tfdt":
			time, err := decode[*mp4.TfdtBox](b)
			if err != nil {
				return 0, err
			}
			if time.BaseMediaDecodeTime() > math.MaxInt64>>1 {
				return 0, fmt.Errorf("a decode time of %d", time.BaseMediaDecodeTime())
			}
			dts = int64(time.BaseMediaDecodeTime())
		case b.kind == "trun" && track != nil: // else of one that is not played
			run, err := l.parseTrun(b)
			if err != nil {
				return 0, err
			}
			run.AddSampleDefaultValues(head, track.defaults)
			if run.HasDataOffset() {
				place = base + uint64(int64(run.DataOffset))
			}
			for _, x := range run.Samples {
				if place+uint64(x.Size) < place || dts > math.MaxInt64>>1 {
					return 0, errors.New("trun: sizes or times overflow")
				}
				key := x.Flags&mp4.NonSyncSampleFlags == 0 || track.Kind == Audio
				samples = append(samples, Sample{DTS: dts, Duration: x.Dur, Offset: x.CompositionTimeOffset, Key: key})
				places = append(places, place, uint64(x.Size))
				place += uint64(x.Size)
				dts += int64(x.Dur)
			}
		}
	}
	if track != nil {
		next[track.ID] = dts
		l.tracks = append(l.tracks, TrackFragment{track, samples})
		l.at = append(l.at, places)
	}
	return place, nil
}

// parseTrun reads a run of samples.
func (l *layout) parseTrun(b box) (*mp4.TrunBox, error) {
	const perSample = mp4.TrunSampleDurationPresentFlag | mp4.TrunSampleSizePresentFlag |
		mp4.TrunSampleFlagsPresentFlag | mp4.TrunSampleCompositionTimeOffsetPresentFlag
	if len(b.body) < 8 {
		return nil, errors.New("box trun ends too early")
	}
	flags, count := binary.BigEndian.Uint32(b.body), binary.BigEndian.Uint32(b.body[4:])
	if l.count += int(min(count, maxSamples+1)); l.count > maxSamples {
		return nil, fmt.Errorf("more than %d samples", maxSamples)
	}
	if count == 0 || flags&perSample != 0 {
		return decode[*mp4.TrunBox](b)
	}
	// Samples that are all alike take no bytes. The library has its doubts when
	// they are many, so it is told of the first one.
	b.body = slices.Clone(b.body)
	binary.BigEndian.PutUint32(b.body[4:], 1)
	run, err := decode[*mp4.TrunBox](b)
	if err == nil {
		run.Samples = append(run.Samples, make([]mp4.Sample, count-1)...)
	}
	return run, err
}

// fill gives the samples their data out of an mdat whose body begins at the
// given place of the file.
func (l *layout) fill(mdat []byte, at uint64) (*Fragment, error) {
	end := at + uint64(len(mdat))
	for i, t := range l.tracks {
		for j := range t.Samples {
			place, size := l.at[i][2*j], l.at[i][2*j+1]
			if place < at || place > end || size > end-place {
				return nil, fmt.Errorf("a sample of track %d has %d bytes at %d, and mdat is from %d to %d", t.Track.ID, size, place, at, end)
			}
			from := place - at
			t.Samples[j].Data = mdat[from : from+size : from+size]
		}
	}
	return &Fragment{l.tracks}, nil
}

// samples returns how many samples there are.
func (l *layout) samples() (n int) {
	for _, t := range l.tracks {
		n += len(t.Samples)
	}
	return n
}

// ParseSamples returns the samples in a frame of a broadcast: one or more pairs
// of moof and mdat with samples of the one track of init.
func ParseSamples(b []byte, init *Init) ([]Sample, error) {
	var samples []Sample
	var pending *layout
	next := map[uint32]int64{}
	for c, err := range boxes(b) {
		switch {
		case err != nil:
			return nil, fmt.Errorf("fmp4: %w", err)
		case c.kind == "moof":
			if pending, err = parseMoof(c.body, uint64(c.start), init, next); err != nil {
				return nil, fmt.Errorf("fmp4: moof: %w", err)
			}
		case c.kind == "mdat" && pending != nil:
			f, err := pending.fill(c.body, uint64(c.from))
			if err != nil {
				return nil, fmt.Errorf("fmp4: moof: %w", err)
			}
			for _, t := range f.Tracks {
				samples = append(samples, t.Samples...)
			}
			pending = nil
		}
	}
	if len(samples) == 0 {
		return nil, errors.New("fmp4: a frame without samples")
	}
	return samples, nil
}
