package session

import (
	"fmt"
	"io"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
)

// history is a publisher whose track has groups 0 to 4, of which a relay that
// comes now sees the last one only.
func history(t *testing.T) (*route.Mux, *moq.TrackWriter) {
	mux, track, _ := publish("room/alice", "video")
	for g := range 5 {
		write(t, track, g)
	}
	return mux, track
}

// fetchAll reads a fetch to its end: the payloads of each group, and the ranges
// that nobody knows.
func fetchAll(t *testing.T, s *Session, start, end moq.Location) (got map[uint64][][]byte, unknown []string, err error) {
	t.Helper()
	r, err := s.Fetch(t.Context(), moq.FetchRequest{Name: aliceVideo, Start: start, End: end})
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	got = map[uint64][][]byte{}
	for {
		f, err := r.Next(t.Context())
		switch {
		case err == io.EOF:
			return got, unknown, nil
		case err != nil:
			return got, unknown, err
		case f.Object != nil:
			got[f.Group] = append(got[f.Group], f.Object.Payload())
		case !f.Absent:
			unknown = append(unknown, fmt.Sprintf("%d-%d", f.Start.Group, f.End.Group))
		}
	}
}

// A FETCH of which the relay has a part is completed upstream, whatever dialect
// is spoken there.
func TestFetchFillsGaps(t *testing.T) {
	for _, from := range slices.Concat(versions[:3], drafts) {
		for _, to := range drafts {
			bubble(t, from+" to "+to, func(t *testing.T, w *world) {
				mux, track := history(t)
				w.dial("publisher", from, mux)
				s := w.dial("watcher", to, nil)
				w.sleep(time.Second)
				r := subscribeTo(t, s, aliceVideo, moq.Subscription{})
				nextGroup(t, r)
				write(t, track, 5)
				w.sleep(time.Second)
				got, unknown, err := fetchAll(t, s, moq.Location{}, moq.Location{Group: 9, Object: math.MaxUint64})
				require.NoError(t, err)
				require.Empty(t, unknown)
				require.Len(t, got, 6)
				for g := range 6 {
					require.Len(t, got[uint64(g)], len(sizes), "group %d", g)
					for i, n := range sizes {
						require.Equal(t, payload(g, i, n), got[uint64(g)][i])
					}
				}
				_, _, err = fetchAll(t, s, moq.Location{Group: 6}, moq.Location{Group: 7})
				require.ErrorIs(t, err, moq.ErrRange)
			})
		}
	}
}
