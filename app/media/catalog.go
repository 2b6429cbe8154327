package media

import (
	"fmt"

	"github.com/moqtgo/moqt/app/media/fmp4"
)

// Names of the tracks that have a catalog.
const (
	HangTrack = "catalog.json"
	MSFTrack  = "catalog"
)

const (
	// maxCatalog bounds a catalog that is read, in bytes.
	maxCatalog = 1 << 20
	// maxTracks bounds the tracks of a catalog that is read.
	maxTracks = 256
)

// A Catalog says which tracks a broadcast has.
type Catalog struct{ Tracks []Track }

// Track returns the track with a name, or nil.
func (c *Catalog) Track(name string) *Track {
	for i := range c.Tracks {
		if c.Tracks[i].Name == name {
			return &c.Tracks[i]
		}
	}
	return nil
}

// initOf returns the init segment of a track.
func initOf(t *Track) ([]byte, error) {
	one := t.Track
	one.ID = 1 // each track is alone in its file
	return fmp4.AppendInit(nil, &one)
}

// adopt takes the track out of its init segment. What the catalog says of its
// looks stays.
func (t *Track) adopt(segment []byte) error {
	init, err := fmp4.ParseInit(segment)
	if err != nil {
		return err
	}
	if len(init.Tracks) != 1 {
		return fmt.Errorf("its init segment has %d tracks that can be played: %q", len(init.Tracks), init.Skipped)
	}
	t.Track = *init.Tracks[0]
	return nil
}
