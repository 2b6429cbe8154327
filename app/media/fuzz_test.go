package media

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/app/media/fmp4"
	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/core/wire/wiretest"
)

// manySamples is what a fragment may be in memory that says of its samples no
// more than how many there are.
const manySamples = 8 << 20

// Whatever is in a frame, it does no harm.
func FuzzFrame(f *testing.F) {
	b := clip(f, "h264.mp4")
	moof := bytes.Index(b, []byte("moof")) - 4
	init, err := fmp4.ParseInit(b[:moof])
	require.NoError(f, err)
	f.Add(uint8(0), b[moof:min(len(b), moof+1500)])
	f.Add(uint8(1), unhex(f, "80004e20aabb"))
	f.Add(uint8(2), unhex(f, "090102aabb0f80004e20aabb"))
	f.Add(uint8(3), unhex(f, "0000000167640000000001680000016588"))
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		if kind%4 == 3 {
			if isAnnexB(b) {
				_, _ = avcConfig(b)
				_ = withLengths(b)
			}
			return
		}
		track := Track{Container: []Container{CMAF, Legacy, LOC}[kind%4], Track: *init.Tracks[0]}
		d := decoder{track: &track}
		for _, first := range []bool{true, false} {
			var samples []Sample
			var err error
			wiretest.CheckAllocation(t, 64*len(b)+manySamples, func() { samples, err = d.decode(moqt.Frame{Payload: b}, first) })
			for _, s := range samples {
				if err != nil || len(s.Data) > len(b) {
					t.Fatalf("%d bytes out of %d, %v", len(s.Data), len(b), err)
				}
			}
		}
	})
}

// Whatever is in a catalog, of either format and changed by whatever patch, it
// does no harm; what was understood of it and can be said in a format is
// understood again.
func FuzzCatalog(f *testing.F) {
	h264 := clip(f, "h264.mp4")
	init, err := json.Marshal(h264[:bytes.Index(h264, []byte("moof"))-4])
	require.NoError(f, err)
	f.Add(false, []byte(`{"video":{"renditions":{"v":{"codec":"vp8","codedWidth":640,"codedHeight":360,"framerate":25}}}}`), []byte(`{"video":{"renditions":{"v":null}}}`))
	f.Add(false, []byte(`{"video":{"renditions":{"v":{"codec":"x","container":{"kind":"cmaf","init":`+string(init)+`}}}}}`), []byte(`{"audio":{"renditions":{"a":{"codec":"opus","sampleRate":48000,"numberOfChannels":2,"container":{"kind":"loc"}}}}}`))
	f.Add(true, []byte(`{"version":1,"tracks":[{"name":"hd","packaging":"cmaf","initData":`+string(init)+`,"role":"video"}]}`), []byte(`{"tracks":[]}`))
	f.Add(true, []byte(`{"version":"draft-01","tracks":[{"name":"a","packaging":"loc","role":"audio","codec":"opus","samplerate":48000,"channelConfig":"2","timescale":48000,"initRef":"i"}],"initDataList":[{"id":"i","type":"inline","data":"AAI4AAC7gAAAAA=="}]}`), []byte(`null`))
	f.Fuzz(func(t *testing.T, msf bool, whole, patch []byte) {
		parse := ParseHang
		if msf {
			parse = ParseMSF
		}
		wiretest.CheckAllocation(t, 512*(len(whole)+len(patch))+1<<20, func() {
			r := CatalogReader{parse: parse, patch: true}
			for _, frame := range [][]byte{whole, patch} {
				if b, err := r.merge(frame); err == nil {
					_, _, _ = parse(b)
				}
			}
		})
		r := CatalogReader{parse: parse, patch: true}
		for _, frame := range [][]byte{whole, patch} {
			b, err := r.merge(frame)
			if err != nil {
				return
			}
			if c, _, err := r.parse(b); err == nil {
				again(t, c, msf)
			}
		}
	})
}

// again says a catalog in its format and reads that.
func again(t *testing.T, c *Catalog, msf bool) {
	var said any
	var err error
	parse := ParseHang
	if msf {
		parse = ParseMSF
		said, err = c.MSF(time.Unix(0, 0))
	} else {
		said, err = c.Hang()
	}
	if err != nil {
		return // a codec without init segment, for one
	}
	b, err := json.Marshal(said)
	if err != nil {
		t.Fatal(err)
	}
	got, skipped, err := parse(b)
	if err != nil || len(skipped) > 0 || len(got.Tracks) != len(c.Tracks) {
		t.Fatalf("%d tracks became %v, without %v, %v:\n%s", len(c.Tracks), got, skipped, err, b)
	}
	for i := range got.Tracks {
		if was, is := c.Tracks[i], got.Tracks[i]; was.Name != is.Name || was.Kind != is.Kind || was.Codec != is.Codec || was.Container != is.Container || !bytes.Equal(was.Config, is.Config) {
			t.Fatalf("%+v became %+v", was, is)
		}
	}
}

// Whatever an encoder writes, the pump ends, and so does the broadcast.
func FuzzPump(f *testing.F) {
	for _, name := range []string{"h264.mp4", "opus.mp4", "every.mp4", "ac3.mp4"} {
		b := clip(f, name)
		f.Add(b[:min(len(b), 4000)])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		broadcast := moqt.NewBroadcast()
		pub, err := NewPublisher(broadcast, nil)
		require.NoError(t, err)
		p := NewPump(pub, bytes.NewReader(b))
		if err := p.Start(); err == nil {
			_ = p.Run(t.Context())
		}
		if err := pub.Close(); err != nil {
			t.Fatalf("the catalog of what it has accepted cannot be closed: %v", err)
		}
		_ = broadcast.Close()
	})
}
