package media

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/app/media/fmp4"
	"github.com/moqtgo/moqt/app/moqt"
)

// legacy is a track as browsers publish it.
func (s *stage) legacy(name string) (*moqt.TrackWriter, Track) {
	s.Helper()
	w, err := s.b.Track(name, moqt.TrackInfo{})
	require.NoError(s, err)
	return w, Track{Name: name, Container: Legacy, Track: fmp4.Track{Kind: Video, Codec: "vp8", Timescale: microseconds}}
}

// group writes a group of frames of the legacy container.
func (s *stage) group(w *moqt.TrackWriter, sequence uint64, whole bool, micros ...uint64) *moqt.GroupWriter {
	s.Helper()
	g, err := w.OpenGroup(sequence)
	require.NoError(s, err)
	for _, at := range micros {
		_, err := g.Write(append(appendVarint(nil, at), fmt.Sprint(at)...))
		require.NoError(s, err)
	}
	if whole {
		require.NoError(s, g.Close())
	}
	return g
}

// A tracker reads a track to its end.
type tracker struct {
	mu   sync.Mutex
	pts  []int64
	lost []string
	err  error
	done chan struct{}
}

// shown returns the times of what has been read so far.
func (t *tracker) shown() []int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.pts)
}

// missed returns what was lost so far.
func (t *tracker) missed() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.lost)
}

func (s *stage) read(t Track, sub *moqt.Subscription) *tracker {
	s.Helper()
	r, err := Subscribe(s.Context(), s.mux, show, t, sub)
	require.NoError(s, err)
	got := &tracker{done: make(chan struct{})}
	r.Lost = func(first, last uint64, why string) {
		got.mu.Lock()
		defer got.mu.Unlock()
		got.lost = append(got.lost, fmt.Sprintf("%d to %d: %s", first, last, why))
	}
	go func() {
		defer close(got.done)
		defer r.Close()
		for {
			var sample Sample
			if sample, got.err = r.Read(s.Context()); got.err != nil {
				return
			}
			got.mu.Lock()
			got.pts = append(got.pts, sample.PTS())
			got.mu.Unlock()
		}
	}()
	synctest.Wait()
	return got
}

var patient = &moqt.Subscription{Order: moqt.Ascending, MaxLatency: time.Second}

// Groups are read in their order, whatever that of their arrival.
func TestOrder(t *testing.T) {
	bubble(t, nil, func(s *stage) {
		w, track := s.legacy("v")
		got := s.read(track, patient)
		s.group(w, 3, true, 30)
		synctest.Wait()
		assert.Empty(t, got.shown(), "an earlier one may come")
		s.group(w, 2, true, 20)
		time.Sleep(startGrace)
		synctest.Wait()
		assert.Equal(t, []int64{20, 30}, got.shown())
		s.group(w, 5, true, 50, 51)
		s.group(w, 6, true, 60)
		synctest.Wait()
		assert.Equal(t, []int64{20, 30}, got.shown())
		s.group(w, 1, true, 10) // before the first one: too late
		s.group(w, 4, true, 40)
		require.NoError(t, w.Close())
		<-got.done
		assert.Equal(t, []int64{20, 30, 40, 50, 51, 60}, got.shown())
		assert.Empty(t, got.missed())
		assert.ErrorIs(t, got.err, io.EOF)
	})
}

// A group that does not come is waited for as long as the subscription says.
func TestMissingGroup(t *testing.T) {
	bubble(t, nil, func(s *stage) {
		w, track := s.legacy("v")
		got := s.read(track, patient)
		s.group(w, 0, true, 1)
		synctest.Wait()
		s.group(w, 3, true, 30)
		time.Sleep(900 * time.Millisecond)
		synctest.Wait()
		assert.Equal(t, []int64{1}, got.shown())
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		assert.Equal(t, []int64{1, 30}, got.shown())
		assert.Equal(t, []string{"1 to 2: missing"}, got.missed())
		s.group(w, 5, true, 50)
		require.NoError(t, w.Close())
		<-got.done
		assert.Equal(t, []int64{1, 30, 50}, got.shown())
		assert.Equal(t, []string{"1 to 2: missing", "4 to 4: missing"}, got.missed())
	})
}

// A group that is cut short, and a frame that makes no sense, cost the rest of
// their group and nothing else.
func TestBrokenGroup(t *testing.T) {
	bubble(t, nil, func(s *stage) {
		w, track := s.legacy("v")
		got := s.read(track, patient)
		s.group(w, 0, false, 1, 2).CloseWithError(moqt.Errorf(moqt.CodeOld, "too old"))
		g := s.group(w, 1, false, 10)
		_, _ = g.Write([]byte{0xc0})
		_, _ = g.Write([]byte{11, 11})
		require.NoError(t, g.Close())
		s.group(w, 2, true, 20)
		require.NoError(t, w.Close())
		<-got.done
		assert.Equal(t, []int64{1, 2, 10, 20}, got.shown())
		require.Len(t, got.missed(), 2)
		assert.Equal(t, "0 to 0: moq: too old: too old", got.missed()[0])
		assert.Contains(t, got.missed()[1], "1 to 1: media: a frame ends in the middle")
	})
}

// The end of a track with an error is that of the reader.
func TestTrackFails(t *testing.T) {
	bubble(t, nil, func(s *stage) {
		w, track := s.legacy("v")
		got := s.read(track, patient)
		s.group(w, 0, false, 1)
		synctest.Wait()
		w.CloseWithError(moqt.Errorf(moqt.CodeDropped, "gone"))
		<-got.done
		assert.Equal(t, []int64{1}, got.shown())
		assert.ErrorIs(t, got.err, moqt.ErrDropped)
		assert.Empty(t, got.missed())
	})
}

// A catalog follows its versions; what a group adds to its first frame is a
// patch, and what makes no sense is an error.
func TestFollowCatalog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		mux, b := moqt.NewTrackMux(nil), moqt.NewBroadcast()
		w, err := b.Track(HangTrack, moqt.TrackInfo{})
		require.NoError(t, err)
		require.NoError(t, mux.Announce(ctx, show, b))
		c, err := OpenCatalog(ctx, mux, show)
		require.NoError(t, err)
		g, err := w.AppendGroup()
		require.NoError(t, err)
		for _, test := range []struct{ frame, want string }{
			{`{"video":{"renditions":{"a":{"codec":"vp8"}}}}`, "[a]"},
			{`{"video":{"renditions":{"b":{"codec":"vp8"}}}}`, "[a b]"},
			{`{"video":{"renditions":{"a":null}}}`, "[b]"},
			{`{"video":null}`, "[]"},
		} {
			_, err = g.Write([]byte(test.frame))
			require.NoError(t, err)
			catalog, _, err := c.Next(ctx)
			require.NoError(t, err)
			var names []string
			for _, t := range catalog.Tracks {
				names = append(names, t.Name)
			}
			assert.Equal(t, test.want, fmt.Sprint(names))
		}
		_ = g.Close()
		g, err = w.AppendGroup()
		require.NoError(t, err)
		_, _ = g.Write([]byte(`{"video":`))
		_, _, err = c.Next(ctx)
		assert.ErrorContains(t, err, "media: catalog: ")
		_ = g.Close()
		_ = b.Close()
		_, _, err = c.Next(ctx)
		assert.ErrorIs(t, err, io.EOF)
		c.Close()
		cancel()
		time.Sleep(time.Minute)
	})
}

// Without a catalog of hang there is MSF's, and without any there is an error.
func TestWhichCatalog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		mux, b := moqt.NewTrackMux(nil), moqt.NewBroadcast()
		require.NoError(t, mux.Announce(ctx, show, b))
		_, err := OpenCatalog(ctx, mux, show)
		assert.ErrorIs(t, err, moqt.ErrNotFound)
		w, err := b.Track(MSFTrack, moqt.TrackInfo{})
		require.NoError(t, err)
		g, _ := w.AppendGroup()
		_, _ = g.Write([]byte(`{"version":1,"tracks":[{"name":"a","role":"audio","packaging":"loc","codec":"opus"}]}`))
		_, _ = g.Write([]byte(`{"deltaUpdate":[]}`))
		_ = g.Close()
		_ = w.Close()
		c, err := OpenCatalog(ctx, mux, show)
		require.NoError(t, err)
		catalog, _, err := c.Next(ctx)
		require.NoError(t, err)
		assert.Equal(t, "a", catalog.Tracks[0].Name)
		_, _, err = c.Next(ctx)
		assert.ErrorIs(t, err, io.EOF, "its delta updates are not followed")
		c.Close()
		cancel()
		time.Sleep(time.Minute)
	})
}

// A browser's broadcast: the catalog is empty at first, then has video, then
// sound; H.264 is a byte stream. The file has all of it.
func TestRecordBrowser(t *testing.T) {
	key := []byte("\x00\x00\x00\x01\x67\x42\xc0\x1e\x95\x00\x00\x00\x01\x68\xce\x3c\x80\x00\x00\x01\x65\x88")
	delta := []byte("\x00\x00\x00\x01\x41\x9a\x02")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		mux, b := moqt.NewTrackMux(nil), moqt.NewBroadcast()
		tracks := map[string]*moqt.TrackWriter{}
		for _, name := range []string{HangTrack, "video/hd", "audio/data"} {
			w, err := b.Track(name, moqt.TrackInfo{})
			require.NoError(t, err)
			tracks[name] = w
		}
		require.NoError(t, mux.Announce(ctx, show, b))
		write := func(track string, frames ...[]byte) {
			g, err := tracks[track].AppendGroup()
			require.NoError(t, err)
			for _, f := range frames {
				_, _ = g.Write(f)
			}
			_ = g.Close()
		}
		var out bytes.Buffer
		r := NewRecorder(&out)
		r.Log = t.Logf
		done := make(chan error)
		go func() { done <- r.Run(ctx, mux, show) }()
		const video = `"video":{"renditions":{"video/hd":{"codec":"avc1.42c01e","container":{"kind":"legacy"},"codedWidth":640,"codedHeight":480,"framerate":25}}}`
		const audio = `"audio":{"renditions":{"audio/data":{"codec":"opus","sampleRate":48000,"numberOfChannels":2,"container":{"kind":"legacy"}}}}`
		for _, catalog := range []string{`{}`, `{` + video + `}`, `{` + video + `,` + audio + `}`} {
			write(HangTrack, []byte(catalog))
			time.Sleep(300 * time.Millisecond)
		}
		at := func(micros uint64, data []byte) []byte { return append(appendVarint(nil, micros), data...) }
		write("audio/data", at(1_000_000, []byte("sound")))
		write("audio/data", at(1_020_000, []byte("more")))
		write("video/hd", at(1_000_000, key), at(1_040_000, delta), at(1_080_000, delta))
		time.Sleep(time.Second)
		_ = b.Close()
		require.NoError(t, <-done)
		init, got := samples(t, &out)
		require.Len(t, init.Tracks, 2)
		assert.Equal(t, []string{"avc3.42c01e", "opus"}, []string{init.Tracks[0].Codec, init.Tracks[1].Codec})
		assert.Equal(t, []int{640, 480}, []int{init.Tracks[0].Width, init.Tracks[0].Height})
		assert.Equal(t, []Sample{
			{DTS: 1_000_000, Duration: 40_000, Key: true, Data: withLengths(key)},
			{DTS: 1_040_000, Duration: 40_000, Data: withLengths(delta)},
			{DTS: 1_080_000, Duration: 40_000, Data: withLengths(delta)},
		}, got[1])
		assert.Equal(t, []Sample{
			{DTS: 48000, Duration: 960, Key: true, Data: []byte("sound")},
			{DTS: 48960, Duration: 960, Key: true, Data: []byte("more")},
		}, got[2])
		cancel()
		time.Sleep(time.Minute)
	})
}

// A track that the file cannot have does not keep the others out of it.
func TestRecordWithout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		mux, b := moqt.NewTrackMux(nil), moqt.NewBroadcast()
		catalog, err := b.Track(HangTrack, moqt.TrackInfo{})
		require.NoError(t, err)
		audio, err := b.Track("a", moqt.TrackInfo{})
		require.NoError(t, err)
		_, err = b.Track("v", moqt.TrackInfo{}) // never has a key frame
		require.NoError(t, err)
		_, err = b.Track("h", moqt.TrackInfo{}) // HEVC without a configuration
		require.NoError(t, err)
		require.NoError(t, mux.Announce(ctx, show, b))
		g, _ := catalog.AppendGroup()
		_, _ = g.Write([]byte(`{"video":{"renditions":{"v":{"codec":"avc1.42c01e"},"h":{"codec":"hev1.1.6.L93.B0"}}},"audio":{"renditions":{"a":{"codec":"opus","sampleRate":48000,"numberOfChannels":2}}}}`))
		_ = g.Close()
		var out bytes.Buffer
		var said []string
		r := NewRecorder(&out)
		r.Log = func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
		done := make(chan error)
		go func() { done <- r.Run(ctx, mux, show) }()
		g, _ = audio.AppendGroup()
		_, _ = g.Write([]byte("\x01sound"))
		_ = g.Close()
		time.Sleep(waitKey + time.Second)
		synctest.Wait()
		assert.True(t, r.Begun())
		_ = b.Close()
		require.NoError(t, <-done)
		require.Len(t, said, 2)
		assert.Contains(t, said[0], `track "h" is not recorded`)
		assert.Contains(t, said[1], `track "v" has no key frame yet`)
		_, got := samples(t, &out)
		assert.Len(t, got, 1)
		cancel()
		time.Sleep(time.Minute)
	})
}

type full struct{ room int }

var errFull = errors.New("the disk is full")

func (f *full) Write(b []byte) (int, error) {
	if f.room -= len(b); f.room < 0 {
		return 0, errFull
	}
	return len(b), nil
}

// An output that fails ends the recording, and is told from other failures.
func TestRecordOutput(t *testing.T) {
	for _, room := range []int{0, 2000} {
		bubble(t, nil, func(s *stage) {
			done := make(chan error)
			go func() { done <- NewRecorder(&full{room}).Run(s.Context(), s.mux, show) }()
			synctest.Wait()
			require.NoError(s, s.pump(bytes.NewReader(clip(s, "h264.mp4"))))
			err := <-done
			assert.ErrorIs(s, err, errFull)
			assert.True(s, IsOutput(err))
			assert.False(s, IsOutput(io.EOF))
		})
	}
}
