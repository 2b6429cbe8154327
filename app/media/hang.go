package media

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/moqtgo/moqt/app/media/fmp4"
)

// Hang is the catalog of hang: the JSON of track catalog.json, a group for each
// version of it, of one frame.
type Hang struct {
	Video *HangSection `json:"video,omitempty"`
	Audio *HangSection `json:"audio,omitempty"`
}

// A HangSection has renditions by the names of their tracks.
type HangSection struct {
	Renditions map[string]HangRendition `json:"renditions"`
}

// A HangRendition is a track. Its fields are those of the decoder
// configurations of WebCodecs.
type HangRendition struct {
	Codec     string         `json:"codec"`
	Container *HangContainer `json:"container,omitempty"` // nil: Legacy
	// Description is the configuration of the decoder in hex.
	Description      string  `json:"description,omitempty"`
	CodedWidth       int     `json:"codedWidth,omitempty"`
	CodedHeight      int     `json:"codedHeight,omitempty"`
	Framerate        float64 `json:"framerate,omitempty"`
	SampleRate       int     `json:"sampleRate,omitempty"`
	NumberOfChannels int     `json:"numberOfChannels,omitempty"`
	Bitrate          int     `json:"bitrate,omitempty"` // in bits a second
	Jitter           int     `json:"jitter,omitempty"`  // in ms
}

// A HangContainer is how frames are packed.
type HangContainer struct {
	Kind Container `json:"kind"`
	Init []byte    `json:"init,omitempty"` // the init segment of CMAF
}

// described are the codecs whose configuration a WebCodecs decoder takes as its
// description.
var described = map[string]bool{"avc1": true, "avc3": true, "hvc1": true, "hev1": true, "mp4a": true}

// Hang returns the catalog in the format of hang.
func (c *Catalog) Hang() (*Hang, error) {
	h := &Hang{}
	for i := range c.Tracks {
		t := &c.Tracks[i]
		r := HangRendition{
			Codec: t.Codec, Container: &HangContainer{Kind: t.Container},
			CodedWidth: t.Width, CodedHeight: t.Height, Framerate: t.Framerate,
			SampleRate: t.SampleRate, NumberOfChannels: t.Channels,
			Bitrate: t.Bitrate, Jitter: int((t.Jitter + time.Millisecond - 1) / time.Millisecond),
		}
		if len(t.Codec) >= 4 && described[t.Codec[:4]] {
			r.Description = hex.EncodeToString(t.Config)
		}
		if t.Container == CMAF {
			init, err := initOf(t)
			if err != nil {
				return nil, err
			}
			r.Container.Init = init
		}
		section := &h.Video
		if t.Kind == Audio {
			section = &h.Audio
		}
		if *section == nil {
			*section = &HangSection{Renditions: map[string]HangRendition{}}
		}
		(*section).Renditions[t.Name] = r
	}
	return h, nil
}

// ParseHang reads a catalog in the format of hang. Tracks that make no sense
// are left out, and skipped says why.
func ParseHang(b []byte) (c *Catalog, skipped []error, err error) {
	if len(b) > maxCatalog {
		return nil, nil, fmt.Errorf("media: a catalog of %d bytes", len(b))
	}
	var h Hang
	if err := json.Unmarshal(b, &h); err != nil {
		return nil, nil, fmt.Errorf("media: catalog: %w", err)
	}
	c = &Catalog{}
	for kind, section := range []*HangSection{Video: h.Video, Audio: h.Audio} {
		if section == nil {
			continue
		}
		kind := Kind(kind)
		for _, name := range slices.Sorted(maps.Keys(section.Renditions)) {
			r := section.Renditions[name]
			t, err := r.track(name, kind)
			switch {
			case err != nil:
				skipped = append(skipped, fmt.Errorf("media: catalog: %s %q: %w", kind, name, err))
			case len(c.Tracks) < maxTracks:
				c.Tracks = append(c.Tracks, *t)
			}
		}
	}
	return c, skipped, nil
}

func (r *HangRendition) track(name string, kind Kind) (*Track, error) {
	t := &Track{
		Name: name, Container: Legacy, Framerate: r.Framerate, Jitter: time.Duration(min(max(r.Jitter, 0), math.MaxInt32)) * time.Millisecond,
		Track: fmp4.Track{
			ID: 1, Kind: kind, Codec: r.Codec, Timescale: microseconds,
			Width: r.CodedWidth, Height: r.CodedHeight, SampleRate: r.SampleRate, Channels: r.NumberOfChannels, Bitrate: r.Bitrate,
		},
	}
	if r.Container != nil {
		t.Container = r.Container.Kind
	}
	switch t.Container {
	case CMAF:
		if err := t.adopt(r.Container.Init); err != nil {
			return nil, err
		}
		if t.Kind != kind {
			return nil, fmt.Errorf("its init segment is of %s", t.Kind)
		}
	case Legacy, LOC:
		var err error
		if t.Config, err = hex.DecodeString(r.Description); err != nil {
			return nil, fmt.Errorf("its description: %w", err)
		}
		if len(t.Config) == 0 {
			t.Config = nil
		}
		if kind == Audio && t.SampleRate > 0 && t.SampleRate < microseconds {
			t.Timescale = uint32(t.SampleRate)
		}
	default:
		return nil, fmt.Errorf("its container %q is unknown", t.Container)
	}
	return t, nil
}
