package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/app/media/fmp4"
)

func clip(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "media", "testdata", name))
	require.NoError(t, err)
	return b
}

// A row is what a sample is in a test: its track, times, size and whether it is
// a key frame.
type row struct {
	track            uint32
	dts, pts, length int64
	key              bool
}

// rows returns what is in a file, by tracks, and how it ends.
func rows(in []byte) (all []row, err error) {
	for r := fmp4.NewReader(bytes.NewReader(in)); ; {
		e, err := r.Next()
		if err != nil {
			slices.SortStableFunc(all, func(a, b row) int { return int(a.track) - int(b.track) })
			if err == io.EOF {
				err = nil
			}
			return all, err
		}
		if e.Fragment == nil {
			continue
		}
		for _, f := range e.Fragment.Tracks {
			for _, s := range f.Samples {
				all = append(all, row{f.Track.ID, s.DTS, s.PTS(), int64(len(s.Data)), s.Key})
			}
		}
	}
}

// The file that goes in comes out: all samples of all tracks at their times.
func TestMedia(t *testing.T) {
	for _, url := range []string{"moqt://relay:4443/", "https://relay:4443/"} {
		for _, version := range []string{"moq-lite-04", "moq-lite-05", "moqt-18"} {
			t.Run(url+" "+version, func(t *testing.T) {
				bubble(t, func(b *bench) {
					in := clip(b, "edit.mp4")
					sub := b.start("sub", nil, "subscribe", "--version", version, url, "show", "--fmp4")
					pub := b.start("pub", bytes.NewReader(in), "publish", "--version", version, url, "show", "--fmp4", "--live", "--wait")
					assert.Equal(b, exitOK, pub.wait(), pub.stderr.String())
					assert.Equal(b, exitOK, sub.wait(), sub.stderr.String())
					want, err := rows(in)
					require.NoError(b, err)
					got, err := rows([]byte(sub.stdout.String()))
					require.NoError(b, err)
					assert.Equal(b, want, got)
				})
			})
		}
	}
}

// A loop has times that go on, and who comes late gets the current key frame
// first.
func TestMediaLoop(t *testing.T) {
	bubble(t, func(b *bench) {
		pub := b.start("pub", bytes.NewReader(clip(b, "h264.mp4")), "publish", "moqt://relay:4443/", "show", "--fmp4", "--loop")
		b.sleep(3700 * time.Millisecond)
		sub := b.start("sub", nil, "subscribe", "moqt://relay:4443/", "show", "--fmp4")
		b.sleep(3 * time.Second)
		pub.interrupt <- os.Interrupt
		assert.Equal(b, exitOK, pub.wait(), pub.stderr.String())
		assert.Equal(b, exitOK, sub.wait(), sub.stderr.String())
		got, err := rows([]byte(sub.stdout.String()))
		require.NoError(b, err)
		require.Greater(b, len(got), 30)
		const frame, group = 1024, 5 // of 100 ms
		assert.Equal(b, row{1, 35 * frame, 37 * frame, got[0].length, true}, got[0])
		for i, r := range got {
			assert.EqualValues(b, (35+i)*frame, r.dts)
			assert.Equal(b, i%group == 0, r.key, "%d", i)
		}
		assert.Empty(b, pub.stderr.String())
	})
}

// One of several tracks is enough.
func TestMediaOnly(t *testing.T) {
	bubble(t, func(b *bench) {
		sub := b.start("sub", nil, "subscribe", "moqt://relay:4443/", "show", "--fmp4", "--only=audio0")
		pub := b.start("pub", bytes.NewReader(clip(b, "edit.mp4")), "publish", "moqt://relay:4443/", "show", "--fmp4", "--live", "--wait")
		assert.Equal(b, exitOK, pub.wait(), pub.stderr.String())
		assert.Equal(b, exitOK, sub.wait(), sub.stderr.String())
		got, err := rows([]byte(sub.stdout.String()))
		require.NoError(b, err)
		assert.Len(b, got, 48)
		assert.EqualValues(b, 1, got[0].track)
	})
}

// What cannot be published is said, and nothing is announced.
func TestMediaRefused(t *testing.T) {
	film := clip(t, "h264.mp4")
	moof := bytes.Index(film, []byte("moof")) - 4
	silent := bytes.Clone(film[:moof]) // an init segment and nothing else
	for _, test := range []struct {
		name, says string
		in         []byte
	}{
		{"empty", "has no samples", nil},
		{"text", "no MP4", []byte("this is a text and not a film")},
		{"not fragmented", "not fragmented", clip(t, "plain.mp4")},
		{"fragment first", "before the init segment", film[moof:]},
		{"no samples", "has no samples", silent},
		{"init cut short", "ends in the middle", film[:moof-10]},
		{"first fragment cut short", "ends in the middle", film[:moof+600]},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(b *bench) {
				list := b.start("list", nil, "list", "moqt://relay:4443/")
				b.sleep(time.Second)
				pub := b.start("pub", bytes.NewReader(test.in), "publish", "moqt://relay:4443/", "show", "--fmp4")
				assert.Equal(b, exitError, pub.wait())
				assert.Contains(b, pub.stderr.String(), "moqt: standard input: ")
				assert.Contains(b, pub.stderr.String(), test.says)
				b.sleep(time.Second)
				list.interrupt <- os.Interrupt
				list.wait()
				assert.Empty(b, list.stdout.String())
			})
		})
	}
}

// A track that has no name in a catalog is left out, and that is said.
func TestMediaUnknownCodec(t *testing.T) {
	bubble(t, func(b *bench) {
		sub := b.start("sub", nil, "subscribe", "moqt://relay:4443/", "show", "--fmp4")
		pub := b.start("pub", bytes.NewReader(clip(b, "ac3.mp4")), "publish", "moqt://relay:4443/", "show", "--fmp4", "--live", "--wait")
		assert.Equal(b, exitOK, pub.wait(), pub.stderr.String())
		assert.Equal(b, exitOK, sub.wait(), sub.stderr.String())
		assert.Contains(b, pub.stderr.String(), "not published: track 2: audio ac-3 has no name in the catalog")
		got, err := rows([]byte(sub.stdout.String()))
		require.NoError(b, err)
		assert.Len(b, got, 10)
	})
}

// The encoder dies in the middle of a fragment: what was whole arrives, the
// broadcast ends well for those who watch, and the publisher says what was
// wrong.
func TestMediaEncoderDies(t *testing.T) {
	bubble(t, func(b *bench) {
		film := clip(b, "h264.mp4")
		second := bytes.LastIndex(film, []byte("moof")) - 4
		in, feed := io.Pipe()
		sub := b.start("sub", nil, "subscribe", "moqt://relay:4443/", "show", "--fmp4")
		pub := b.start("pub", in, "publish", "moqt://relay:4443/", "show", "--fmp4")
		_, _ = feed.Write(film[:second+300])
		b.sleep(5 * time.Second)
		assert.False(b, pub.ended())
		_ = feed.Close()
		assert.Equal(b, exitError, pub.wait())
		assert.Contains(b, pub.stderr.String(), "ends in the middle")
		assert.Equal(b, exitOK, sub.wait(), sub.stderr.String())
		got, err := rows([]byte(sub.stdout.String()))
		require.NoError(b, err)
		assert.Len(b, got, 5)
	})
}

// The relay goes away and comes back: the publisher does not wait for it, and a
// file goes on with what comes after.
func TestMediaReconnect(t *testing.T) {
	bubble(t, func(b *bench) {
		pub := b.start("pub", bytes.NewReader(clip(b, "h264.mp4")), "publish", "moqt://relay:4443/", "show", "--fmp4", "--loop")
		sub := b.start("sub", nil, "subscribe", "moqt://relay:4443/", "show", "--fmp4")
		b.sleep(5 * time.Second)
		b.net.Node("relay").Crash()
		_, stop := b.serve("relay")
		b.sleep(time.Minute)
		pub.interrupt <- os.Interrupt
		assert.Equal(b, exitOK, pub.wait(), pub.stderr.String())
		assert.Equal(b, exitOK, sub.wait(), sub.stderr.String())
		assert.Contains(b, pub.stderr.String(), "trying again")
		assert.Contains(b, sub.stderr.String(), "trying again")
		got, err := rows([]byte(sub.stdout.String()))
		require.NoError(b, err)
		require.Greater(b, len(got), 200)
		last := int64(-1)
		for _, r := range got {
			require.Greater(b, r.dts, last)
			last = r.dts
		}
		assert.Greater(b, last, int64(60*10240), "up to the end of what was published")
		stop()
	})
}

// A publisher that dies is followed by another one: the file goes on, its times
// do too.
func TestMediaAnotherPublisher(t *testing.T) {
	bubble(t, func(b *bench) {
		film := clip(b, "h264.mp4")
		first := b.start("first", bytes.NewReader(film), "publish", "--once", "moqt://relay:4443/", "show", "--fmp4", "--loop")
		sub := b.start("sub", nil, "subscribe", "moqt://relay:4443/", "show", "--fmp4")
		b.sleep(20 * time.Second)
		b.net.Node("first").Crash()
		_ = first.wait()
		b.sleep(time.Minute)
		assert.False(b, sub.ended())
		second := b.start("second", bytes.NewReader(film), "publish", "moqt://relay:4443/", "show", "--fmp4", "--live", "--wait")
		assert.Equal(b, exitOK, second.wait(), second.stderr.String())
		assert.Equal(b, exitOK, sub.wait(), sub.stderr.String())
		assert.Contains(b, sub.stderr.String(), "another publisher")
		got, err := rows([]byte(sub.stdout.String()))
		require.NoError(b, err)
		for i := range got {
			assert.EqualValues(b, i*1024, got[i].dts)
		}
		assert.InDelta(b, 200+10, len(got), 10)
	})
}

func TestMediaProgress(t *testing.T) {
	bubble(t, func(b *bench) {
		pub := b.start("pub", bytes.NewReader(clip(b, "h264.mp4")), "version")
		pub.wait() // its world is used once more, as a terminal
		w := *pub.world
		w.terminal = true
		done := make(chan int)
		go func() { done <- run(fields("publish moqt://relay:4443/ show --fmp4 --loop"), &w) }()
		b.sleep(4500 * time.Millisecond)
		pub.interrupt <- os.Interrupt
		assert.Equal(b, exitOK, <-done)
		assert.Regexp(b, `publishing show: 3s, 6 groups, \d+ kbit/s, drift \+0\.00 s, RTT 2\d\.\d ms`, pub.stderr.String())
	})
}

func TestMediaUsage(t *testing.T) {
	for _, test := range []struct{ args, says string }{
		{"publish --live moqt://x/ y", "belong to --fmp4"},
		{"publish --container=legacy moqt://x/ y", "belong to --fmp4"},
		{"publish --fmp4 --lines moqt://x/ y", "do not go with --fmp4"},
		{"publish --fmp4 --container=loc moqt://x/ y", "cmaf"},
		{"publish --fmp4 --loop moqt://x/ y", "--loop needs a file"},
		{"subscribe --only=video0 moqt://x/ y", "belongs to --fmp4"},
	} {
		var out, err syncBuffer
		in, _ := io.Pipe()
		got := run(strings.Fields(test.args), &world{in: in, out: &out, err: &err})
		assert.Equal(t, exitUsage, got, test.args)
		assert.Contains(t, out.String()+err.String(), test.says)
	}
}
