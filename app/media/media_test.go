package media

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/moqtgo/moqt/app/media/fmp4"
	"github.com/moqtgo/moqt/app/moqt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func clip(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return b
}

// samples returns what is in a file, by track.
func samples(t testing.TB, r io.Reader) (*fmp4.Init, map[uint32][]Sample) {
	t.Helper()
	var init *fmp4.Init
	all := map[uint32][]Sample{}
	for reader := fmp4.NewReader(r); ; {
		e, err := reader.Next()
		if err == io.EOF {
			return init, all
		}
		require.NoError(t, err)
		if e.Init != nil {
			require.Nil(t, init)
			init = e.Init
			continue
		}
		for _, f := range e.Fragment.Tracks {
			all[f.Track.ID] = append(all[f.Track.ID], f.Samples...)
		}
	}
}

// same compares samples without printing them.
func same(t testing.TB, want, got []Sample) {
	t.Helper()
	for i := range min(len(want), len(got)) {
		w, g := want[i], got[i]
		require.Equal(t, [4]int64{w.DTS, int64(w.Duration), int64(w.Offset), int64(len(w.Data))}, [4]int64{g.DTS, int64(g.Duration), int64(g.Offset), int64(len(g.Data))}, "sample %d of %d", i, len(want))
		require.Equal(t, w.Key, g.Key, "sample %d", i)
		require.True(t, bytes.Equal(w.Data, g.Data), "sample %d", i)
	}
	require.Len(t, got, len(want))
}

// A stage is a broadcast in a mux, in a bubble.
type stage struct {
	*testing.T
	mux *moqt.TrackMux
	b   *moqt.Broadcast
	pub *Publisher
}

const show = moqt.Path("show")

func bubble(t *testing.T, conf *PublisherConfig, f func(s *stage)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &stage{T: t, mux: moqt.NewTrackMux(nil), b: moqt.NewBroadcast()}
		s.b.Cache = moqt.CacheLimits{Age: time.Hour}
		var err error
		s.pub, err = NewPublisher(s.b, conf)
		require.NoError(t, err)
		require.NoError(t, s.mux.Announce(ctx, show, s.b))
		f(s)
		cancel()
		time.Sleep(time.Minute) // what lingers
	})
}

// pump publishes a file to its end at its pace.
func (s *stage) pump(in io.Reader) error {
	p := NewPump(s.pub, in)
	p.Live = true
	if err := p.Start(); err != nil {
		return err
	}
	err := p.Run(s.Context())
	_ = s.pub.Close()
	return err
}

// What goes in comes out: every sample of every track with its times, whatever
// the codec, over the container that keeps them.
func TestThere(t *testing.T) {
	for _, file := range []string{"h264.mp4", "h265.mp4", "vp9.mp4", "av1.mp4", "aac.mp4", "opus.mp4", "every.mp4", "edit.mp4"} {
		t.Run(file, func(t *testing.T) {
			bubble(t, nil, func(s *stage) {
				in := clip(t, file)
				var out bytes.Buffer
				done := make(chan error)
				go func() { done <- NewRecorder(&out).Run(s.Context(), s.mux, show) }()
				synctest.Wait()
				require.NoError(t, s.pump(bytes.NewReader(in)))
				require.NoError(t, <-done)
				init, want := samples(t, bytes.NewReader(in))
				init2, got := samples(t, &out)
				require.Len(t, init2.Tracks, len(init.Tracks))
				for i, track := range init.Tracks {
					assert.True(t, track.Same(init2.Tracks[i]))
					same(t, want[track.ID], got[init2.Tracks[i].ID])
				}
			})
		})
	}
}

// The catalogs name what decoders need, and read back as what was published.
func TestCatalogs(t *testing.T) {
	for _, test := range []struct {
		file, codec, description string
	}{
		{"h264.mp4", "avc1.64000a", "0164000a"},
		{"h265.mp4", "hvc1.1.6.L30.90", "01016000"},
		{"vp9.mp4", "vp09.00.10.08", ""},
		{"av1.mp4", "av01.0.00M.08", ""},
		{"aac.mp4", "mp4a.40.2", "1188"},
		{"opus.mp4", "opus", ""},
	} {
		for _, container := range []Container{CMAF, Legacy} {
			t.Run(test.file+" "+string(container), func(t *testing.T) {
				bubble(t, &PublisherConfig{Container: container}, func(s *stage) {
					p := NewPump(s.pub, bytes.NewReader(clip(t, test.file)))
					require.NoError(t, p.Start())
					catalog := s.pub.Catalog()
					require.Len(t, catalog.Tracks, 1)
					track := catalog.Tracks[0]
					assert.Equal(t, test.codec, track.Codec)

					hang, err := catalog.Hang()
					require.NoError(t, err)
					section := hang.Video
					if track.Kind == Audio {
						section = hang.Audio
					}
					r := section.Renditions[track.Name]
					assert.Equal(t, test.codec, r.Codec)
					assert.Equal(t, container, r.Container.Kind)
					assert.Equal(t, test.description, r.Description[:min(len(r.Description), len(test.description))])
					assert.Equal(t, test.description == "", r.Description == "")
					if track.Kind == Video {
						assert.Equal(t, []int{160, 96}, []int{r.CodedWidth, r.CodedHeight})
						assert.InDelta(t, 10, r.Framerate, 0.01)
						assert.Equal(t, 500, r.Jitter) // ffmpeg sends five frames at once
					} else {
						assert.Equal(t, []int{48000, 1}, []int{r.SampleRate, r.NumberOfChannels})
					}

					for _, name := range []string{HangTrack, MSFTrack} {
						read := s.catalog(name)
						require.Len(t, read.Tracks, 1)
						got := read.Tracks[0]
						assert.Equal(t, []string{track.Name, track.Codec, string(container)}, []string{got.Name, got.Codec, string(got.Container)})
						if container == CMAF {
							assert.True(t, track.Same(&got.Track))
						}
					}
				})
			})
		}
	}
}

// catalog reads a catalog of the broadcast.
func (s *stage) catalog(track string) *Catalog {
	s.Helper()
	r, err := s.mux.Subscribe(s.Context(), show, track, nil)
	require.NoError(s, err)
	defer r.Close()
	g, err := r.NextGroup(s.Context())
	require.NoError(s, err)
	f, err := g.ReadFrame(s.Context())
	require.NoError(s, err)
	parse := ParseHang
	if track == MSFTrack {
		parse = ParseMSF
	}
	c, skipped, err := parse(f.Payload)
	require.NoError(s, err)
	assert.Empty(s, skipped)
	return c
}

// Groups begin at key frames, and once a second where all frames are; who comes
// late starts with the newest.
func TestGroups(t *testing.T) {
	bubble(t, nil, func(s *stage) {
		require.NoError(t, s.pump(bytes.NewReader(clip(t, "every.mp4"))))
		for _, test := range []struct {
			track  string
			groups []int // of frames
		}{{"video0", []int{5, 5}}, {"audio0", []int{39, 9}}} {
			r, err := s.mux.Subscribe(s.Context(), show, test.track, &moqt.Subscription{From: moqt.FromAbsolute, Order: moqt.Ascending})
			require.NoError(t, err)
			var groups []int
			for g, err := range r.Groups(s.Context()) {
				require.NoError(t, err)
				n := 0
				for range g.Frames(s.Context()) {
					n++
				}
				groups = append(groups, n)
			}
			assert.Equal(t, test.groups, groups, test.track)
			r.Close()
		}
		catalog := s.catalog(HangTrack)
		r, err := Subscribe(s.Context(), s.mux, show, *catalog.Track("video0"), nil)
		require.NoError(t, err)
		defer r.Close()
		sample, err := r.Read(s.Context())
		require.NoError(t, err)
		assert.True(t, sample.Key)
		assert.Equal(t, int64(5*1024), sample.DTS)
	})
}
