package media

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/app/media/fmp4"
)

// A tape is a stream that a test makes.
type tape struct {
	b        []byte
	tracks   []*fmp4.Track
	sequence uint32
}

func (s *stage) tape(codecs ...string) *tape {
	s.Helper()
	t := &tape{}
	for i, codec := range codecs {
		track := &fmp4.Track{ID: uint32(i + 1), Kind: Video, Codec: codec, Timescale: 1000, Width: 320, Height: 240}
		if codec == "opus" {
			track.Kind, track.Width, track.Height, track.SampleRate, track.Channels = Audio, 0, 0, 48000, 2
		}
		t.tracks = append(t.tracks, track)
	}
	t.init(s)
	return t
}

func (t *tape) init(s *stage) {
	var err error
	t.b, err = fmp4.AppendInit(t.b, t.tracks...)
	require.NoError(s, err)
}

// add adds a fragment of one sample of 100 ms.
func (t *tape) add(track uint32, dts int64, key bool) {
	t.sequence++
	t.b = fmp4.AppendFragment(t.b, t.sequence, track, Sample{DTS: dts, Duration: 100, Key: key, Data: fmt.Appendf(nil, "%d at %d", track, dts)})
}

// run publishes a tape and returns what the log says and the samples that a
// recorder gets, by track.
func (s *stage) run(in io.Reader, live bool) (log string, got map[uint32][]Sample, err error) {
	s.Helper()
	var out bytes.Buffer
	recorder := NewRecorder(&out)
	recorder.MaxLatency = time.Hour
	done := make(chan error)
	go func() { done <- recorder.Run(s.Context(), s.mux, show) }()
	synctest.Wait()
	var said []string
	p := NewPump(s.pub, in)
	p.Live = live
	p.Log = func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
	if err = p.Start(); err == nil {
		synctest.Wait() // the recorder has subscribed
		err = p.Run(s.Context())
	}
	_ = s.pub.Close()
	recorded := <-done
	if out.Len() > 0 {
		require.NoError(s, recorded)
		_, got = samples(s, &out)
	}
	return strings.Join(said, "\n"), got, err
}

func dts(list []Sample) (all []int64) {
	for _, s := range list {
		all = append(all, s.DTS)
	}
	return all
}

// What comes before the first key frame is not published.
func TestNoKeyYet(t *testing.T) {
	bubble(t, nil, func(s *stage) {
		in := s.tape("vp8")
		for i := range 6 {
			in.add(1, int64(100*i), i >= 3 && i%3 == 0)
		}
		log, got, err := s.run(bytes.NewReader(in.b), false)
		require.NoError(t, err)
		assert.Equal(t, "video0: waiting for a key frame", log)
		assert.Equal(t, []int64{300, 400, 500}, dts(got[1]))
	})
}

// A video that never has a key frame is given up, however much of it comes.
func TestNoKeyEver(t *testing.T) {
	bubble(t, nil, func(s *stage) {
		in := s.tape("vp8", "opus")
		for i := range 1000 {
			in.add(1, int64(100*i), false)
			in.add(2, int64(100*i), true)
		}
		log, _, err := s.run(bytes.NewReader(in.b), false)
		require.ErrorContains(t, err, "video0 had no key frame for 30s")
		assert.Equal(t, "video0: waiting for a key frame", log)
	})
}

// Times that go back or jump ahead go on instead, for all tracks together.
func TestTimesJump(t *testing.T) {
	for _, to := range []int64{0, 1_000_000_000} {
		bubble(t, nil, func(s *stage) {
			in := s.tape("vp8", "opus")
			for _, from := range []int64{50_000, to} {
				for i := range 3 {
					in.add(1, from+int64(100*i), i == 0)
					in.add(2, from+int64(100*i), true)
				}
			}
			began := time.Now()
			log, got, err := s.run(bytes.NewReader(in.b), true)
			require.NoError(t, err)
			assert.Contains(t, log, "timestamps jump by")
			assert.Equal(t, 0, strings.Count(log, "\n"), log)
			want := []int64{50_000, 50_100, 50_200, 50_300, 50_400, 50_500}
			assert.Equal(t, want, dts(got[1]))
			assert.Equal(t, want, dts(got[2]))
			assert.Less(t, time.Since(began), 5*time.Second, "the pace does not wait for it")
		})
	}
}

// The encoder begins anew with another picture size: the catalog has the new
// track in place of the old one, and what can go on does.
func TestNewInit(t *testing.T) {
	bubble(t, nil, func(s *stage) {
		in := s.tape("vp8", "opus")
		in.add(1, 0, true)
		in.add(2, 0, true)
		in.tracks[0].Width = 640
		in.init(s)
		in.add(1, 100, true)
		in.add(2, 100, true)
		log, got, err := s.run(bytes.NewReader(in.b), true)
		require.NoError(t, err)
		assert.Contains(t, log, "new init segment")
		assert.Equal(t, []int64{0}, dts(got[1]))
		assert.Equal(t, []int64{0, 100}, dts(got[2]))
		var names []string
		for _, t := range s.catalog(HangTrack).Tracks {
			names = append(names, fmt.Sprint(t.Name, " ", t.Width))
		}
		assert.Equal(t, []string{"video1 640", "audio0 0"}, names)
	})
}

// A track whose samples come late is in the catalog from the start, and nobody
// waits for it.
func TestLateTrack(t *testing.T) {
	bubble(t, nil, func(s *stage) {
		in := s.tape("vp8", "opus")
		for i := range 20 {
			in.add(1, int64(100*i), i%10 == 0)
			if i >= 15 {
				in.add(2, int64(100*i), true)
			}
		}
		_, got, err := s.run(bytes.NewReader(in.b), true)
		require.NoError(t, err)
		assert.Len(t, got[1], 20)
		assert.Equal(t, []int64{1500, 1600, 1700, 1800, 1900}, dts(got[2]))
	})
}

// A loop of nothing ends.
func TestLoopOfNothing(t *testing.T) {
	bubble(t, nil, func(s *stage) {
		in := s.tape("vp8")
		in.add(1, 0, false)
		p := NewPump(s.pub, bytes.NewReader(in.b))
		p.Loop = true
		require.NoError(t, p.Start())
		assert.ErrorContains(t, p.Run(s.Context()), "has no samples")
		_ = s.pub.Close()
	})
}

// The end of the context ends a pump that waits for the time of a sample.
func TestPumpCanceled(t *testing.T) {
	bubble(t, nil, func(s *stage) {
		in := s.tape("vp8")
		in.add(1, 0, true)
		in.add(1, 9000, true)
		p := NewPump(s.pub, bytes.NewReader(in.b))
		p.Live = true
		require.NoError(t, p.Start())
		ctx, cancel := context.WithTimeoutCause(s.Context(), time.Second, io.ErrClosedPipe)
		defer cancel()
		assert.ErrorIs(t, p.Run(ctx), io.ErrClosedPipe)
		assert.Equal(t, PumpStats{Samples: 1, Groups: 1, Bytes: 6, Media: 100 * time.Millisecond}, p.Stats())
		_ = s.pub.Close()
	})
}

// A group that takes no more is cut, and the next key frame goes on.
func TestGroupFull(t *testing.T) {
	bubble(t, nil, func(s *stage) {
		in := s.tape("vp8")
		for i := range 30 {
			in.add(1, int64(100*i), i%10 == 0)
		}
		s.b.Cache.GroupObjects = 8
		log, got, err := s.run(bytes.NewReader(in.b), true)
		require.NoError(t, err)
		assert.Contains(t, log, "video0: waiting for a key frame")
		assert.Len(t, got[1], 24)
	})
}
