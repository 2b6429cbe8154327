package media

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/app/media/fmp4"
	"github.com/moqtgo/moqt/app/moqt"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// Frames as the clients of hang have them.
func TestContainer(t *testing.T) {
	for _, test := range []struct {
		name      string
		container Container
		frame     string
		pts       int64 // of a timescale of 48000
	}{
		{"legacy 0", Legacy, "00" + "aabb", 0},
		{"legacy 20 ms", Legacy, "80004e20" + "aabb", 960},
		{"legacy an hour", Legacy, "c0000000d693a400" + "aabb", 3600 * 48000},
		{"loc 20 ms", LOC, "05" + "1080004e20" + "aabb", 960},
		{"loc of draft 03", LOC, "05" + "0680004e20" + "aabb", 960},
		{"loc with a timescale", LOC, "08" + "08" + "8000bb80" + "08" + "43c0" + "aabb", 960},
		{"loc with others", LOC, "09" + "0102aabb" + "0f" + "80004e20" + "aabb", 960},
	} {
		t.Run(test.name, func(t *testing.T) {
			track := Track{Container: test.container, Track: fmp4.Track{Kind: Audio, Timescale: 48000}}
			b := unhex(t, test.frame)
			d := decoder{track: &track}
			got, err := d.decode(moqt.Frame{Payload: b}, true)
			require.NoError(t, err)
			assert.Equal(t, []Sample{{DTS: test.pts, Key: true, Data: []byte{0xaa, 0xbb}}}, got)
			if test.name[:3] == "leg" || test.name == "loc 20 ms" {
				wrote, err := appendFrame(nil, &track, 1, got[0])
				require.NoError(t, err)
				assert.Equal(t, test.frame, hex.EncodeToString(wrote))
			}
			for n := range len(b) - 2 {
				_, err := d.decode(moqt.Frame{Payload: b[:n]}, true)
				if n > 0 || test.container == LOC {
					assert.Error(t, err, "%d bytes", n)
				}
			}
			got, err = d.decode(moqt.Frame{Payload: b[:len(b)-2]}, true)
			assert.NoError(t, err, "a mark")
			assert.Empty(t, got)
		})
	}
}

func TestBadFrames(t *testing.T) {
	for container, frames := range map[Container][]string{
		Legacy: {"", "c0", "40"},
		LOC:    {"", "05", "ff" + "ffffffffffffff", "01" + "10", "03" + "01" + "05" + "aa", "00" + "aabb", "02" + "0800" + "aa", "09" + "08c00000010000000010"},
		CMAF:   {"", "00000008", "0000000866726565", "000000086d6f6f66", "00000010" + "6d646174" + "0000000000000000"},
		Bare:   {"aabb"}, // without a timestamp
		"x":    {"aabb"},
	} {
		track := Track{Container: container, Track: fmp4.Track{ID: 1, Kind: Video, Timescale: 1000}}
		for _, f := range frames {
			d := decoder{track: &track}
			_, err := d.decode(moqt.Frame{Payload: unhex(t, f)}, true)
			assert.Error(t, err, "%s %s", container, f)
		}
	}
}

// A container without decode times: they grow, whatever the order of showing,
// and the times of showing stay.
func TestReordered(t *testing.T) {
	track := Track{Container: Legacy, Track: fmp4.Track{Kind: Video, Timescale: microseconds}}
	d := decoder{track: &track}
	last := int64(-1)
	for i, pts := range []int64{0, 120_000, 40_000, 80_000, 240_000, 160_000, 200_000} {
		got, err := d.decode(moqt.Frame{Payload: append(appendVarint(nil, uint64(pts)), 1)}, i == 0)
		require.NoError(t, err)
		assert.Equal(t, pts, got[0].PTS())
		assert.Greater(t, got[0].DTS, last)
		assert.Equal(t, i == 0, got[0].Key)
		last = got[0].DTS
	}
	got, err := d.decode(moqt.Frame{Payload: append(appendVarint(nil, 5), 1)}, true)
	require.NoError(t, err)
	assert.Greater(t, got[0].DTS, last, "a little back")
	d.next = 60_000_000
	got, err = d.decode(moqt.Frame{Payload: append(appendVarint(nil, 5), 1)}, true)
	require.NoError(t, err)
	assert.Equal(t, int64(5), got[0].DTS, "far back: it has begun anew")
}

func TestRescale(t *testing.T) {
	for _, test := range []struct {
		units    int64
		from, to uint32
		want     uint64
	}{
		{0, 1, 1, 0}, {-5, 1000, 90000, 0}, {1, 3, 1_000_000, 333333}, {2, 3, 1_000_000, 666667},
		{1 << 61, 1, 1 << 31, 1<<62 - 1}, {1 << 61, 1 << 31, 1, 1 << 30},
	} {
		assert.Equal(t, test.want, rescale(test.units, test.from, test.to), "%+v", test)
	}
}

// A byte stream of H.264, as browsers encode, becomes units with lengths.
func TestAnnexB(t *testing.T) {
	sps, pps, idr := []byte{0x67, 0x42, 0xc0, 0x1e, 0x95}, []byte{0x68, 0xce, 0x3c, 0x80}, []byte{0x65, 0x88, 0x84, 0x00, 0x00, 0x03, 0x00, 0x01}
	var key []byte
	for i, u := range [][]byte{sps, pps, idr} {
		key = append(append(key, []byte{0, 0, 0, 1}[min(i, 1):]...), u...)
	}
	assert.True(t, isAnnexB(key))
	assert.Equal(t, [][]byte{sps, pps, idr}, nals(key))
	assert.Equal(t, "00000005"+"6742c01e95"+"00000004"+"68ce3c80"+"00000008"+"6588840000030001", hex.EncodeToString(withLengths(key)))
	config, err := avcConfig(key)
	require.NoError(t, err)
	assert.Equal(t, "0142c01eff"+"e1"+"0005"+"6742c01e95"+"01"+"0004"+"68ce3c80", hex.EncodeToString(config))
	assert.False(t, isAnnexB(withLengths(key)))
	for n := range key {
		_ = withLengths(key[:n])
		if _, err := avcConfig(key[:n]); n < len(sps)+4+3+1 {
			assert.Error(t, err)
		}
	}
	assert.Empty(t, nals([]byte{0, 0, 1, 0, 0, 1}))
}

// Merge patches: the examples of RFC 7396, annex A.
func TestMergePatch(t *testing.T) {
	for _, test := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":"foo"}`, `null`, `null`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		var target, patch any
		require.NoError(t, json.Unmarshal([]byte(test[0]), &target))
		require.NoError(t, json.Unmarshal([]byte(test[1]), &patch))
		got, err := json.Marshal(mergePatch(target, patch))
		require.NoError(t, err)
		assert.JSONEq(t, test[2], string(got))
	}
}

// Catalogs of others: what cannot be used is left out, and the rest stays.
func TestCatalogsOfOthers(t *testing.T) {
	h264 := clip(t, "h264.mp4")
	init, err := json.Marshal(h264[:bytes.Index(h264, []byte("moof"))-4])
	require.NoError(t, err)
	for _, test := range []struct {
		name    string
		parse   func([]byte) (*Catalog, []error, error)
		json    string
		tracks  []string
		skipped int
	}{
		{"of @moq/publish", ParseHang, `{"video":{"renditions":{"video/hd":{"codec":"avc1.42e01e","container":{"kind":"legacy"},"codedWidth":640,"codedHeight":480,"framerate":30,"jitter":34,"optimizeForLatency":true}}},
			"audio":{"renditions":{"audio/data":{"codec":"opus","sampleRate":48000,"numberOfChannels":2,"bitrate":64000,"container":{"kind":"legacy"}}}},"chat":{}}`,
			[]string{"video/hd video avc1.42e01e legacy 1000000", "audio/data audio opus legacy 48000"}, 0},
		{"without containers", ParseHang, `{"video":{"renditions":{"v":{"codec":"vp8"}}}}`, []string{"v video vp8 legacy 1000000"}, 0},
		{"of cmaf", ParseHang, `{"video":{"renditions":{"v":{"codec":"x","container":{"kind":"cmaf","init":` + string(init) + `}}}}}`, []string{"v video avc1.64000a cmaf 10240"}, 0},
		{"empty", ParseHang, `{}`, nil, 0},
		{"broken tracks", ParseHang, `{"video":{"renditions":{"a":{"codec":"x","container":{"kind":"new"}},"b":{"codec":"x","container":{"kind":"cmaf","init":"AAAA"}},
			"c":{"codec":"x","description":"xyz"},"d":{"codec":"vp8"}}},"audio":{"renditions":{"e":{"codec":"x","container":{"kind":"cmaf","init":` + string(init) + `}}}}}`,
			[]string{"d video vp8 legacy 1000000"}, 4},
		{"msf of CMSF", ParseMSF, `{"version":1,"tracks":[{"name":"hd","packaging":"cmaf","isLive":true,"initData":` + string(init) + `,"role":"video","codec":"avc1.640028","altGroup":1}]}`,
			[]string{"hd video avc1.64000a cmaf 10240"}, 0},
		{"msf with initRef", ParseMSF, `{"version":"draft-01","tracks":[{"name":"hd","packaging":"cmaf","role":"video","initRef":"i"}],"initDataList":[{"id":"i","type":"inline","data":` + string(init) + `}]}`,
			[]string{"hd video avc1.64000a cmaf 10240"}, 0},
		{"msf with loc", ParseMSF, `{"version":"draft-01","tracks":[{"name":"a","packaging":"loc","role":"audio","codec":"opus","samplerate":48000,"channelConfig":"2","timescale":48000},
			{"name":"t","packaging":"eventtimeline"},{"name":"s","packaging":"loc","role":"subtitle"}]}`, []string{"a audio opus bare 48000"}, 0},
		{"msf broken", ParseMSF, `{"version":"draft-01","tracks":[{"name":"a","packaging":"cmaf","role":"video"},{"name":"b","packaging":"zip","role":"video"}]}`, nil, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, skipped, err := test.parse([]byte(test.json))
			require.NoError(t, err)
			assert.Len(t, skipped, test.skipped)
			var got []string
			for _, track := range c.Tracks {
				got = append(got, track.Name+" "+track.Kind.String()+" "+track.Codec+" "+string(track.Container)+" "+json.Number(numberOf(track.Timescale)).String())
			}
			assert.Equal(t, test.tracks, got)
		})
	}
	for _, bad := range []string{``, `[`, `[]`, `{"video":7}`, `{"tracks":{}}`} {
		_, _, err := ParseHang([]byte(bad))
		_, _, err2 := ParseMSF([]byte(bad))
		assert.False(t, err == nil && err2 == nil, bad)
	}
	_, _, err = ParseHang(make([]byte, maxCatalog+1))
	assert.ErrorContains(t, err, "a catalog of")
}

func numberOf(x uint32) string { b, _ := json.Marshal(x); return string(b) }
