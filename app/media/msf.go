package media

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/moqtgo/moqt/app/media/fmp4"
)

// MSFVersion is the draft of MSF that is written.
const MSFVersion = "draft-01"

// MSF is the catalog of draft-ietf-moq-msf-01, and of draft-ietf-moq-cmsf-00 for
// CMAF: the JSON of track catalog, a group for each version of it, of one
// object.
type MSF struct {
	Version json.RawMessage `json:"version"` // of draft 00 the number 1
	// GeneratedAt is in milliseconds since 1970.
	GeneratedAt int64 `json:"generatedAt,omitempty"`
	// IsComplete says that nothing will be published any more.
	IsComplete   bool       `json:"isComplete,omitempty"`
	Tracks       []MSFEntry `json:"tracks"`
	InitDataList []MSFInit  `json:"initDataList,omitempty"`
}

// An MSFEntry is a track.
type MSFEntry struct {
	Name        string `json:"name"`
	Packaging   string `json:"packaging"` // cmaf, loc; not of the drafts: legacy
	IsLive      bool   `json:"isLive"`
	Role        string `json:"role,omitempty"` // video, audio
	RenderGroup int    `json:"renderGroup,omitempty"`
	AltGroup    int    `json:"altGroup,omitempty"`
	Codec       string `json:"codec,omitempty"`
	// InitRef is the ID of an MSFInit; InitData is the same where CMSF still
	// expects it.
	InitRef       string  `json:"initRef,omitempty"`
	InitData      []byte  `json:"initData,omitempty"`
	Framerate     float64 `json:"framerate,omitempty"`
	Timescale     int64   `json:"timescale,omitempty"`
	Bitrate       int     `json:"bitrate,omitempty"` // in bits a second
	Width         int     `json:"width,omitempty"`
	Height        int     `json:"height,omitempty"`
	SampleRate    int     `json:"samplerate,omitempty"`
	ChannelConfig string  `json:"channelConfig,omitempty"`
	Language      string  `json:"lang,omitempty"`
	MaxGroupSAP   int     `json:"maxGrpSapStartingType,omitempty"`
	Jitter        int     `json:"jitter,omitempty"` // in ms; not of the drafts
}

// An MSFInit is initialization data.
type MSFInit struct {
	ID   string `json:"id"`
	Type string `json:"type"` // inline: Data is what it is
	Data string `json:"data"`
}

// MSF returns the catalog in the format of MSF. Tracks of one kind are said to
// be alternatives of each other, and all of them to belong together.
func (c *Catalog) MSF(now time.Time) (*MSF, error) {
	m := &MSF{Version: json.RawMessage(strconv.Quote(MSFVersion)), GeneratedAt: now.UnixMilli(), Tracks: []MSFEntry{}}
	count := map[Kind]int{}
	for i := range c.Tracks {
		count[c.Tracks[i].Kind]++
	}
	for i := range c.Tracks {
		t := &c.Tracks[i]
		e := MSFEntry{
			Name: t.Name, Packaging: string(t.Container), IsLive: true, Role: t.Kind.String(), RenderGroup: 1,
			Codec: t.Codec, Framerate: t.Framerate, Timescale: int64(t.Timescale), Bitrate: t.Bitrate,
			Width: t.Width, Height: t.Height, SampleRate: t.SampleRate, Language: t.Language,
			Jitter: int((t.Jitter + time.Millisecond - 1) / time.Millisecond),
		}
		if count[t.Kind] > 1 {
			e.AltGroup = int(t.Kind)
		}
		if t.Kind == Audio {
			e.ChannelConfig = strconv.Itoa(t.Channels)
		}
		data := t.Config
		switch t.Container {
		case CMAF:
			var err error
			if data, err = initOf(t); err != nil {
				return nil, err
			}
			e.MaxGroupSAP = 2
		case Bare:
			e.Packaging = "loc"
		}
		if len(data) > 0 {
			init, err := json.Marshal(data)
			if err != nil {
				return nil, err
			}
			e.InitRef, e.InitData = "init"+strconv.Itoa(i), data
			m.InitDataList = append(m.InitDataList, MSFInit{ID: e.InitRef, Type: "inline", Data: string(init[1 : len(init)-1])})
		}
		m.Tracks = append(m.Tracks, e)
	}
	return m, nil
}

// ParseMSF reads a catalog in the format of MSF, of draft 00 and 01. Tracks that
// are no media, and those that make no sense, are left out; skipped says of the
// latter why.
func ParseMSF(b []byte) (c *Catalog, skipped []error, err error) {
	if len(b) > maxCatalog {
		return nil, nil, fmt.Errorf("media: a catalog of %d bytes", len(b))
	}
	var m MSF
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, nil, fmt.Errorf("media: catalog: %w", err)
	}
	inline := map[string][]byte{}
	for _, i := range m.InitDataList {
		var data []byte
		if quoted, err := json.Marshal(i.Data); err == nil && i.Type == "inline" && json.Unmarshal(quoted, &data) == nil {
			inline[i.ID] = data
		}
	}
	c = &Catalog{}
	for i := range m.Tracks {
		e := &m.Tracks[i]
		if e.Role != "video" && e.Role != "audio" {
			continue
		}
		if e.InitData == nil {
			e.InitData = inline[e.InitRef]
		}
		t, err := e.track()
		switch {
		case err != nil:
			skipped = append(skipped, fmt.Errorf("media: catalog: %s %q: %w", e.Role, e.Name, err))
		case len(c.Tracks) < maxTracks:
			c.Tracks = append(c.Tracks, *t)
		}
	}
	return c, skipped, nil
}

func (e *MSFEntry) track() (*Track, error) {
	kind, scale := Video, int64(microseconds)
	if e.Role == "audio" {
		kind = Audio
	}
	if e.Timescale > 0 && e.Timescale <= 1<<31 {
		scale = e.Timescale
	}
	channels, _ := strconv.Atoi(e.ChannelConfig) // anything else is left to the codec
	t := &Track{
		Name: e.Name, Container: Container(e.Packaging), Framerate: e.Framerate, Jitter: time.Duration(min(max(e.Jitter, 0), 1<<30)) * time.Millisecond,
		Track: fmp4.Track{
			ID: 1, Kind: kind, Codec: e.Codec, Config: e.InitData, Timescale: uint32(scale),
			Width: e.Width, Height: e.Height, SampleRate: e.SampleRate, Channels: channels, Bitrate: e.Bitrate, Language: e.Language,
		},
	}
	switch e.Packaging {
	case "cmaf":
		if err := t.adopt(e.InitData); err != nil {
			return nil, err
		}
		if t.Kind != kind {
			return nil, fmt.Errorf("its init segment is of %s", t.Kind)
		}
	case "loc":
		t.Container = Bare
	case "legacy":
		if kind == Video {
			t.Timescale = microseconds
		}
	default:
		return nil, fmt.Errorf("its packaging %q is unknown", e.Packaging)
	}
	return t, nil
}
