package fmp4

import (
	"errors"
	"fmt"
	"math"
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
}

// parseMoof reads a moof that begins at the given place of the file. next are
// the decode times at which tracks go on whose fragments do not say.
func parseMoof(b []byte, at uint64, init *Init, next map[uint32]int64) (*layout, error) {
	all, err := children(b)
	if err != nil {
		return nil, err
	}
	l := &layout{}
	total := 0
	end := at // of the data of the track fragment before
	for _, b := range all {
		if b.kind != "traf" {
			continue
		}
		if len(l.tracks) == maxTracks {
			return nil, fmt.Errorf("more than %d track fragments", maxTracks)
		}
		if end, err = l.parseTraf(b.body, at, end, init, next, &total); err != nil {
			return nil, fmt.Errorf("traf: %w", err)
		}
	}
	return l, nil
}

// parseTraf appends what a traf says, and returns where its data end.
func (l *layout) parseTraf(b []byte, moof, after uint64, init *Init, next map[uint32]int64, total *int) (end uint64, err error) {
	all, err := children(b)
	if err != nil {
		return 0, err
	}
	var track *Track
	var def defaults
	var dts int64
	var samples []Sample
	var places []uint64
	base, place := after, uint64(0)
	for _, b := range all {
		c := cursor{b: b.body}
		version, flags := c.full()
		switch {
		case b.kind == "tfhd":
			id := c.u32()
			if track = init.Track(id); track != nil {
				def = track.defaults
			}
			if flags&baseIsMoof != 0 || len(l.tracks) == 0 {
				base = moof
			}
			if flags&1 != 0 {
				base = c.u64()
			}
			if flags&2 != 0 {
				c.skip(4)
			}
			for _, f := range []struct {
				flag uint32
				into *uint32
			}{{8, &def.duration}, {0x10, &def.size}, {0x20, &def.flags}} {
				if flags&f.flag != 0 {
					*f.into = c.u32()
				}
			}
			dts, place = next[id], base
		case b.kind == "tfdt":
			time := c.number(4 << min(version, 1))
			if time > math.MaxInt64>>1 {
				return 0, fmt.Errorf("a decode time of %d", time)
			}
			dts = int64(time)
		case b.kind == "trun" && track == nil:
			// Of a track that is not played.
		case b.kind == "trun":
			count := c.u32()
			if *total += int(min(count, maxSamples+1)); *total > maxSamples {
				return 0, fmt.Errorf("more than %d samples", maxSamples)
			}
			if flags&1 != 0 {
				place = base + uint64(int64(int32(c.u32())))
			}
			first, hasFirst := uint32(0), flags&4 != 0
			if hasFirst {
				first = c.u32()
			}
			for i := range count {
				s := Sample{DTS: dts, Duration: def.duration}
				size, how := def.size, def.flags
				for _, f := range []struct {
					flag uint32
					into *uint32
				}{{0x100, &s.Duration}, {0x200, &size}, {0x400, &how}} {
					if flags&f.flag != 0 {
						*f.into = c.u32()
					}
				}
				if flags&0x800 != 0 {
					s.Offset = int32(c.u32()) // version 0 is unsigned, and nobody means 2^31
				}
				if i == 0 && hasFirst {
					how = first
				}
				if c.err != nil {
					return 0, fmt.Errorf("trun: %w", c.err)
				}
				s.Key = how&0x10000 == 0 || track.Kind == Audio
				samples, places = append(samples, s), append(places, place, uint64(size))
				if place+uint64(size) < place || dts > math.MaxInt64>>1 {
					return 0, errors.New("trun: sizes or times overflow")
				}
				place += uint64(size)
				dts += int64(s.Duration)
			}
		}
		if c.err != nil {
			return 0, fmt.Errorf("%s: %w", printable(b.kind), c.err)
		}
	}
	if track != nil {
		next[track.ID] = dts
		l.tracks = append(l.tracks, TrackFragment{track, samples})
		l.at = append(l.at, places)
	}
	return place, nil
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
	all, err := children(b)
	if err != nil {
		return nil, fmt.Errorf("fmp4: %w", err)
	}
	var samples []Sample
	var pending *layout
	next := map[uint32]int64{}
	for _, c := range all {
		switch {
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
