package fmp4

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/wire/wiretest"
)

func clip(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "testdata", name))
	require.NoError(t, err)
	return b
}

// all reads a stream to its end.
func all(r io.Reader) (init *Init, samples map[uint32][]Sample, err error) {
	samples = map[uint32][]Sample{}
	reader := NewReader(r)
	for {
		e, err := reader.Next()
		switch {
		case err == io.EOF:
			return init, samples, nil
		case err != nil:
			return init, samples, err
		case e.Init != nil:
			init = e.Init
		default:
			for _, t := range e.Fragment.Tracks {
				samples[t.Track.ID] = append(samples[t.Track.ID], t.Samples...)
			}
		}
	}
}

// What ffmpeg makes: codecs, the numbers of samples and key frames, and the
// first presentation times, as ffprobe says.
func TestRead(t *testing.T) {
	type want struct {
		codec         string
		samples, keys int
		pts           []int64
	}
	for _, test := range []struct {
		file    string
		tracks  []want
		skipped string
	}{
		{"h264.mp4", []want{{"avc1.64000a", 10, 2, []int64{2048, 6144, 4096}}}, ""},
		{"h265.mp4", []want{{"hvc1.1.6.L30.90", 10, 2, []int64{2048, 6144, 4096}}}, ""},
		{"vp9.mp4", []want{{"vp09.00.10.08", 10, 2, []int64{0, 1024, 2048}}}, ""},
		{"av1.mp4", []want{{"av01.0.00M.08", 10, 2, []int64{0, 1024, 2048}}}, ""},
		{"aac.mp4", []want{{"mp4a.40.2", 48, 48, []int64{0, 1024, 2048}}}, ""},
		{"opus.mp4", []want{{"opus", 51, 51, []int64{0, 960, 1920}}}, ""},
		{"ac3.mp4", []want{{"avc1.64000a", 10, 2, []int64{2048, 6144, 4096}}}, "track 2: audio ac-3 has no name in the catalog"},
		// ffmpeg repeats a decode time where its first fragments meet.
		{"every.mp4", []want{{"avc1.64000a", 10, 2, []int64{2048, 6144, 4096}}, {"mp4a.40.2", 48, 48, []int64{0, 10624, 10624}}}, ""},
		{"edit.mp4", []want{{"avc1.64000a", 10, 2, []int64{2048, 5120, 3072}}, {"mp4a.40.2", 48, 48, []int64{0, 1024, 2048}}}, ""},
	} {
		t.Run(test.file, func(t *testing.T) {
			init, samples, err := all(bytes.NewReader(clip(t, test.file)))
			require.NoError(t, err)
			require.Len(t, init.Tracks, len(test.tracks))
			assert.Equal(t, test.skipped, strings.Join(init.Skipped, ""))
			for i, want := range test.tracks {
				track := init.Tracks[i]
				assert.Equal(t, want.codec, track.Codec)
				if track.Kind == Video {
					assert.Equal(t, []int{160, 96}, []int{track.Width, track.Height})
				} else {
					assert.Equal(t, []int{48000, 1}, []int{track.SampleRate, track.Channels})
				}
				keys, pts := 0, []int64{}
				for _, s := range samples[track.ID] {
					if s.Key {
						keys++
					}
					pts = append(pts, s.PTS())
					assert.NotEmpty(t, s.Data)
				}
				assert.Len(t, pts, want.samples)
				assert.Equal(t, want.keys, keys)
				assert.Equal(t, want.pts, pts[:3])
			}
		})
	}
}

// What is written reads back as it was: with the sample entry that was read,
// and with one that is made from the codec and its configuration.
func TestWrite(t *testing.T) {
	for _, file := range []string{"h264.mp4", "h265.mp4", "vp9.mp4", "av1.mp4", "aac.mp4", "opus.mp4", "edit.mp4"} {
		for _, made := range []bool{false, true} {
			t.Run(file, func(t *testing.T) {
				init, samples, err := all(bytes.NewReader(clip(t, file)))
				require.NoError(t, err)
				for _, track := range init.Tracks {
					if made {
						track.entry = nil
					}
				}
				var out bytes.Buffer
				w, err := NewWriter(&out, init.Tracks...)
				require.NoError(t, err)
				for _, track := range init.Tracks {
					require.NoError(t, w.Write(track.ID, samples[track.ID][0]))
					require.NoError(t, w.Write(track.ID, samples[track.ID][1:]...))
				}
				init2, samples2, err := all(&out)
				require.NoError(t, err)
				require.Len(t, init2.Tracks, len(init.Tracks))
				for i, track := range init.Tracks {
					assert.True(t, track.Same(init2.Tracks[i]), "%+v", init2.Tracks[i])
					assert.Equal(t, track.ID, init2.Tracks[i].ID)
				}
				assert.Equal(t, samples, samples2)
			})
		}
	}
}

// Codecs without a configuration, as browsers have them.
func TestEntryFromName(t *testing.T) {
	for _, track := range []*Track{
		{Kind: Audio, Codec: "opus", SampleRate: 48000, Channels: 2},
		{Kind: Video, Codec: "vp8", Width: 640, Height: 480},
		{Kind: Video, Codec: "vp09.02.31.10", Width: 640, Height: 480},
		{Kind: Video, Codec: "av01.0.08M.08", Width: 640, Height: 480},
		{Kind: Video, Codec: "av01.2.13H.12", Width: 640, Height: 480},
	} {
		track.ID, track.Timescale = 1, 1000
		b, err := AppendInit(nil, track)
		require.NoError(t, err)
		init, err := ParseInit(b)
		require.NoError(t, err)
		require.Len(t, init.Tracks, 1)
		got := init.Tracks[0]
		assert.Equal(t, track.Codec, got.Codec)
		assert.Equal(t, []int{track.Width, track.Height, track.SampleRate, track.Channels}, []int{got.Width, got.Height, got.SampleRate, got.Channels})
	}
	for _, track := range []*Track{
		{Kind: Video, Codec: "avc1.64001f"},                   // no avcC
		{Kind: Video, Codec: "hev1.1.6.L93.B0"},               // no hvcC
		{Kind: Audio, Codec: "mp4a.40.2"},                     // no AudioSpecificConfig
		{Kind: Audio, Codec: "opus", Channels: 6},             // no mapping
		{Kind: Audio, Codec: "avc1.64001f"},                   // no audio
		{Kind: Video, Codec: "theora"},                        // no entry
		{Kind: Video, Codec: "vp09"},                          // no profile
		{Kind: Video, Codec: "av01"},                          // no profile
		{Kind: Audio, Codec: "opus", Channels: 1, ID: 1 << 9}, // no timescale
	} {
		if track.ID == 0 {
			track.Timescale = 1000
		}
		_, err := AppendInit(nil, track)
		assert.Error(t, err, track.Codec)
	}
}

// Wherever a stream ends, that is said, and what was whole is there.
func TestTruncated(t *testing.T) {
	for _, file := range []string{"h264.mp4", "every.mp4"} {
		b := clip(t, file)
		if i := bytes.Index(b[min(len(b), 3000):], []byte("moof")); i > 0 {
			b = b[:3000+i-4]
		}
		_, whole, err := all(bytes.NewReader(b))
		require.NoError(t, err)
		for n := range b {
			_, samples, err := all(bytes.NewReader(b[:n]))
			if err != nil {
				require.ErrorIs(t, err, ErrTruncated, "at %d", n)
			}
			for id := range samples {
				require.Equal(t, whole[id][:len(samples[id])], samples[id])
			}
		}
	}
}

// Every byte of a stream broken in turn: an error or not, it is one of ours.
func TestFlipped(t *testing.T) {
	b := clip(t, "every.mp4")[:1600]
	for i := range b {
		for _, x := range []byte{0xff, b[i] ^ 0x80} {
			broken := bytes.Clone(b)
			broken[i] = x
			if _, _, err := all(bytes.NewReader(broken)); err != nil {
				require.Regexp(t, "^fmp4: ", err.Error())
			}
		}
	}
}

func TestBad(t *testing.T) {
	b := clip(t, "h264.mp4")
	moov := bytes.Index(b, []byte("moov")) - 4
	moof := bytes.Index(b, []byte("moof")) - 4
	set := func(marker string, at int, x uint32) []byte {
		c := bytes.Clone(b)
		binary.BigEndian.PutUint32(c[bytes.Index(c, []byte(marker))+at:], x)
		return c
	}
	for _, test := range []struct {
		name, why string
		in        []byte
	}{
		{"no MP4", "this is no MP4", []byte("\x00\x00\x00\x10GIF89a..........")},
		{"text", "this is no MP4", []byte("hello, world: this is a text")},
		{"not fragmented", "is not fragmented", clip(t, "plain.mp4")},
		{"fragment first", "before the init segment", b[moof:]},
		{"media first", "not fragmented", []byte("\x00\x00\x00\x0dmdatmedia")},
		{"huge moov", "are the limit", set("moov", -4, 1<<31)},
		{"huge mdat", "are the limit", set("mdat", -4, 1<<31)},
		{"huge other", "are the limit", []byte("\x40\x00\x00\x00free....")},
		{"64 bits of size", "are the limit", []byte("\x00\x00\x00\x01moov\x10\x00\x00\x00\x00\x00\x00\x00")},
		{"box without head", "says it has 4 bytes", []byte("\x00\x00\x00\x04moov")},
		{"no samples counted", "more than 65536 samples", set("trun", 8, 1<<32-1)},
		{"samples elsewhere", "and mdat is from", set("trun", 12, 1<<20)},
		{"samples before", "and mdat is from", set("trun", 12, 1<<32-100)},
		{"child too long", "says it has", set("mfhd", -4, 1000)},
		{"timescale 0", "its timescale is 0", set("mdhd", 16, 0)},
		{"no moov", "fragmented", append(bytes.Clone(b[:moov]), b[bytes.Index(b, []byte("mdat"))-4:]...)},
		{"moof without mdat", "has no mdat", append(bytes.Clone(b[:bytes.Index(b, []byte("mdat"))-4]), b[moof:]...)},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := all(bytes.NewReader(test.in))
			require.Error(t, err)
			assert.ErrorContains(t, err, test.why)
			assert.NotErrorIs(t, err, ErrTruncated)
		})
	}
}

// A count or a size that is announced takes no memory.
func TestBounded(t *testing.T) {
	b := clip(t, "h264.mp4")
	huge := bytes.Clone(b)
	binary.BigEndian.PutUint32(huge[bytes.Index(huge, []byte("mdat"))-4:], maxMdat)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := all(bytes.NewReader(huge))
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, ErrTruncated)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}

func TestUnits(t *testing.T) {
	for _, scale := range []uint32{1, 1000, 12800, 44100, 48000, 90000, 1_000_000, 1 << 31} {
		for _, units := range []int64{0, 1, -1, 12345, 1 << 40, -(1 << 40)} {
			if scale >= 1_000_000 && units > 1<<32 || scale < 1000 && (units > 1<<30 || units < -1<<30) {
				continue
			}
			got := Units(Time(units, scale), scale)
			if scale <= 1_000_000 {
				assert.Equal(t, units, got, "%d of %d", units, scale)
			}
		}
	}
	assert.Equal(t, time.Second/25, Time(512, 12800))
	assert.Equal(t, int64(-512), Units(-time.Second/25, 12800))
}

// Whatever is in a file, it does no harm: what it takes in memory is bounded by
// its size and, where a fragment says no more of its samples than how many there
// are, by what a fragment may be.
func FuzzReader(f *testing.F) {
	for _, file := range []string{"h264.mp4", "opus.mp4", "edit.mp4", "plain.mp4", "ac3.mp4"} {
		b := clip(f, file)
		f.Add(b[:min(len(b), 4000)])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var init *Init
		var samples map[uint32][]Sample
		var err error
		most := 64*len(b) + (1+bytes.Count(b, []byte("moof")))*128*maxSamples
		wiretest.CheckAllocation(t, most, func() { init, samples, err = all(bytes.NewReader(b)) })
		if err == nil && init != nil {
			for id, list := range samples {
				if track := init.Track(id); track != nil && len(list) > 0 {
					if out, err := AppendInit(nil, track); err == nil {
						if _, err := ParseInit(out); err != nil {
							t.Fatalf("what was written does not read: %v", err)
						}
					}
				}
			}
		}
	})
}
