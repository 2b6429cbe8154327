package fmp4

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"runtime"
	"testing"

	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// framed puts a head in front of a body.
func framed(kind string, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))
	return append(append(b, kind...), body...)
}

// Boxes in boxes, and boxes beside boxes: the library would go down into each
// of them, for minutes, and keep them all.
func TestHeadsOnly(t *testing.T) {
	const size = 1 << 20
	const n = size / 8
	deep := make([]byte, 0, size)
	for i := range n {
		deep = append(binary.BigEndian.AppendUint32(deep, uint32(8*(n-i))), "trak"...)
	}
	for name, body := range map[string][]byte{
		"deep":  deep,
		"trak":  bytes.Repeat(framed("trak", nil), n),
		"mdia":  bytes.Repeat(framed("mdia", nil), n),
		"other": bytes.Repeat(framed("udta", nil), n),
	} {
		t.Run(name, func(t *testing.T) {
			clip := clip(t, "h264.mp4")
			begin := bytes.Index(clip, []byte("moof")) - 4
			for _, b := range [][]byte{framed("moov", body), append(clip[:begin:begin], framed("moof", body)...)} {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, _, err := all(bytes.NewReader(b))
				runtime.ReadMemStats(&after)
				require.Error(t, err)
				// The buffer grows by doubling; kinds are strings of 4 bytes.
				assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16*size))
			}
		})
	}
}

// What mp4ff does not see coming is an error here.
func TestPanic(t *testing.T) {
	_, err := decode[*mp4.TfhdBox](box{kind: "mfhd", body: make([]byte, 8)})
	assert.ErrorContains(t, err, "box mfhd cannot be read")
	_, err = decode[*mp4.TfhdBox](box{kind: "tfhd", body: make([]byte, 5)})
	assert.EqualError(t, err, "box tfhd ends too early")
}

// alike is a fragment of count samples of three bytes that say nothing of their
// own: the first one is a key frame.
func alike(t *testing.T, count int) []byte {
	tfhd := mp4.CreateTfhd(1)
	tfhd.Flags |= 0x38 // default duration, size and flags
	tfhd.DefaultSampleDuration, tfhd.DefaultSampleSize, tfhd.DefaultSampleFlags = 20, 3, mp4.NonSyncSampleFlags
	run := mp4.CreateTrun(0)
	run.Flags, run.DataOffset, run.Samples = mp4.TrunDataOffsetPresentFlag, 1, make([]mp4.Sample, count)
	run.SetFirstSampleFlags(mp4.SyncSampleFlags)
	moof, traf := &mp4.MoofBox{}, &mp4.TrafBox{}
	require.NoError(t, moof.AddChild(traf))
	require.NoError(t, traf.AddChild(tfhd))
	require.NoError(t, traf.AddChild(run))
	run.DataOffset = int32(moof.Size() + 8)
	b, err := encode(nil, moof)
	require.NoError(t, err)
	return append(b, framed("mdat", bytes.Repeat([]byte("abc"), count))...)
}

// A run of samples that are all alike may be as long as any other.
func TestAlike(t *testing.T) {
	init := &Init{Tracks: []*Track{{ID: 1, Kind: Video, Timescale: 1000}}}
	for _, count := range []int{1, 2, 1024, 1025, maxSamples} {
		samples, err := ParseSamples(alike(t, count), init)
		require.NoError(t, err)
		require.Len(t, samples, count)
		for _, i := range []int{0, count / 2, count - 1} {
			require.Equal(t, Sample{DTS: int64(20 * i), Duration: 20, Key: i == 0, Data: []byte("abc")}, samples[i])
		}
	}
	_, err := ParseSamples(alike(t, maxSamples+1), init)
	assert.ErrorContains(t, err, "more than 65536 samples")
}

// The names of codecs, and what AAC says of itself.
func TestNames(t *testing.T) {
	for _, test := range []struct{ entry, config, want string }{
		{"avc1", "0164001fffe100", "avc1.64001f"},
		{"avc3", "0142c01efde000", "avc3.42c01e"}, // lengths of two bytes
		{"hvc1", "01016000000090000000000078f000fcfdf8f800000f00", "hvc1.1.6.L120.90"},
		{"hev1", "012220000000b0000000000099f000fcfdfafa00000dffffff", "hev1.2.4.H153.B0"}, // of two bytes, and a broken array
		{"vp09", "0100000002 1fa202 02020000", "vp09.02.31.10"},
		{"av01", "810d0c00", "av01.0.13M.08"},
		{"av01", "8144e000", "av01.2.04H.12"},
		{"av01", "81004c000a00", "av01.0.00M.10"},
		{"mp4a", "1190", "mp4a.40.2"},
		{"mp4a", "2b921000", "mp4a.40.5"},
		{"mp4a", "f948", "mp4a.40.42"}, // of more than five bits
		{"Opus", "", "opus"},
	} {
		config, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(test.config), []byte(" "), nil)))
		require.NoError(t, err)
		got, err := codecs[test.entry].name(test.entry, config)
		require.NoError(t, err, test.want)
		assert.Equal(t, test.want, got)
		for n := range config {
			_, _ = codecs[test.entry].name(test.entry, config[:n])
		}
	}
	for config, want := range map[string][3]int{
		"\x11\x90":                 {2, 48000, 2},
		"\x12\x38":                 {2, 44100, 8},
		"\x17\x80\x5d\xc0\x10":     {2, 0xbb80, 2},
		"\xf9\x48\x40":             {42, 44100, 2},
		"\x11":                     {2, 0, 0},
		"":                         {0, 0, 0},
		"\x16\x90":                 {2, 0, 2}, // there is no rate 13
		"\x2b\x92\x08\x00\x00\x00": {5, 22050, 2},
	} {
		object, rate, channels := readAAC([]byte(config))
		assert.Equal(t, want, [3]int{object, rate, channels}, "%x", config)
	}
}

// A sample entry passes as it is, whatever the name in it says of its length.
func TestEntryAsItIs(t *testing.T) {
	b := clip(t, "h264.mp4")
	entry := bytes.Index(b, []byte("avc1")) + 4
	copy(b[entry+42:], "H.264 and no length")
	r := NewReader(bytes.NewReader(b))
	e, err := r.Next()
	require.NoError(t, err)
	require.Len(t, e.Init.Tracks, 1, e.Init.Skipped)
	out, err := AppendInit(nil, e.Init.Tracks...)
	require.NoError(t, err)
	size := binary.BigEndian.Uint32(b[entry-8:])
	assert.Contains(t, string(out), string(b[entry-8:entry-8+int(size)]))
}

// A configuration that the library cannot write is not written.
func TestLongESDS(t *testing.T) {
	track := &Track{ID: 1, Kind: Audio, Timescale: 48000, Codec: "mp4a.40.2", SampleRate: 48000, Channels: 2}
	track.Config = append([]byte{0x11, 0x90}, make([]byte, 102)...)
	b, err := AppendInit(nil, track)
	require.NoError(t, err)
	init, err := ParseInit(b)
	require.NoError(t, err)
	require.Len(t, init.Tracks, 1, init.Skipped)
	assert.Equal(t, track.Config, init.Tracks[0].Config)
	track.Config = append(track.Config, 0)
	_, err = AppendInit(nil, track)
	assert.ErrorContains(t, err, "105 bytes")
}
