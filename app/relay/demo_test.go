package relay

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/app/media"
	"github.com/moqtgo/moqt/app/media/fmp4"
	"github.com/moqtgo/moqt/app/moqt"
)

// The demo plays its film in a loop at its pace, and its times go on.
func TestDemo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := &Relay{}
		require.NoError(t, Demo(ctx, r.TrackMux(), nil, nil))
		began := time.Now()

		reader, err := r.Mux.Subscribe(ctx, DemoBroadcast, media.HangTrack, nil)
		require.NoError(t, err)
		g, err := reader.NextGroup(ctx)
		require.NoError(t, err)
		f, err := g.ReadFrame(ctx)
		require.NoError(t, err)
		reader.Close()
		catalog, skipped, err := media.ParseHang(f.Payload)
		require.NoError(t, err)
		assert.Empty(t, skipped)
		require.Len(t, catalog.Tracks, 2)
		video := catalog.Tracks[0]
		assert.Equal(t, "avc1.64001f", video.Codec)
		assert.Equal(t, "opus", catalog.Tracks[1].Codec)

		reader, err = r.Mux.Subscribe(ctx, DemoBroadcast, video.Name, &moqt.Subscription{Order: moqt.Ascending})
		require.NoError(t, err)
		var last int64 = -1
		for range 10 { // of 2 s: into the third round
			g, err := reader.NextGroup(ctx)
			require.NoError(t, err)
			frames := 0
			for f, err := range g.Frames(ctx) {
				require.NoError(t, err)
				samples, err := fmp4.ParseSamples(f.Payload, &fmp4.Init{Tracks: []*fmp4.Track{&video.Track}})
				require.NoError(t, err)
				require.Len(t, samples, 1)
				assert.Equal(t, frames == 0, samples[0].Key)
				require.Greater(t, samples[0].DTS, last)
				last = samples[0].DTS
				due := began.Add(fmp4.Time(last, video.Timescale))
				require.WithinDuration(t, due, time.Now(), 10*time.Millisecond)
				frames++
			}
			assert.Equal(t, 50, frames)
		}
		reader.Close()
		cancel()
		synctest.Wait()
		assert.Equal(t, 0, r.Stats().Broadcasts)
		time.Sleep(time.Minute)
	})
}

// What is no film is refused before anything is announced.
func TestDemoOfNoFilm(t *testing.T) {
	r := &Relay{}
	require.ErrorContains(t, Demo(t.Context(), r.TrackMux(), strings.NewReader("this is a text"), nil), "no MP4")
	assert.Equal(t, 0, r.Stats().Broadcasts)
}

// pass lets virtual time pass.
func (w *world) pass(d time.Duration) { time.Sleep(d) }
