package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/app/moqt"
)

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}

// Bytes arrive identical over both transports and in every draft, whoever
// comes first.
func TestPipe(t *testing.T) {
	data := randomBytes(100_000)
	for _, version := range moqt.Versions() {
		for _, url := range []string{"moqt://relay:4443/", "https://relay:4443/"} {
			for _, order := range []string{"publisher first", "subscriber first"} {
				t.Run(version+" "+url[:5]+" "+order, func(t *testing.T) {
					bubble(t, func(b *bench) {
						var pub, sub *command
						publish := func() {
							pub = b.start("pub", bytes.NewReader(data), "publish", "--once", "--version", version, url, "/a/b/", "some track", "--chunk=1000")
						}
						subscribe := func() {
							sub = b.start("sub", nil, "subscribe", "--once", "--version", version, url, "a/b", "some track")
						}
						if order == "publisher first" {
							publish()
							b.sleep(3 * time.Second)
							subscribe()
						} else {
							subscribe()
							b.sleep(3 * time.Second)
							publish()
						}
						assert.Equal(b, exitOK, pub.wait(), pub.stderr.String())
						assert.Equal(b, exitOK, sub.wait(), sub.stderr.String())
						b.same(data, sub.stdout.String())
						assert.Empty(b, pub.stderr.String())
						assert.Empty(b, sub.stderr.String())
					})
				})
			}
		}
	}
}

func TestPipeThroughTwoRelays(t *testing.T) {
	data := randomBytes(100_000)
	for _, schemes := range []string{"moqt https moqt", "https moqt https"} {
		t.Run(schemes, func(t *testing.T) {
			bubble(t, func(b *bench) {
				scheme := fields(schemes)
				edge, stop := b.serve("edge")
				ctx, cancel := context.WithCancel(b.Context())
				b.wg.Go(func() { _ = edge.Connect(ctx, scheme[1]+"://relay:4443/") })
				pub := b.start("pub", bytes.NewReader(data), "publish", scheme[0]+"://relay:4443/", "x")
				var subs []*command
				for i := range 3 {
					subs = append(subs, b.start(fmt.Sprint("sub", i), nil, "subscribe", scheme[2]+"://edge:4443/", "x"))
				}
				assert.Equal(b, exitOK, pub.wait())
				for _, sub := range subs {
					assert.Equal(b, exitOK, sub.wait(), sub.stderr.String())
				}
				b.same(data, subs[0].stdout.String())
				cancel()
				stop()
			})
		})
	}
}

// Who comes late starts with the first frame of the current group; a frame is a
// line, and a group --group of them.
func TestLateSubscriber(t *testing.T) {
	bubble(t, func(b *bench) {
		in, feed := io.Pipe()
		pub := b.start("pub", in, "publish", "--lines", "--group=3", "moqt://relay:4443/", "x")
		early := b.start("early", nil, "subscribe", "moqt://relay:4443/", "x")
		for i := range 8 {
			fmt.Fprintln(feed, "line", i)
			b.sleep(time.Second)
		}
		late := b.start("late", nil, "subscribe", "moqt://relay:4443/", "x")
		b.sleep(time.Second)
		assert.Equal(b, "line 6\nline 7\n", late.stdout.String(), "what is there of the group that is open")
		fmt.Fprintln(feed, "line 8")
		fmt.Fprint(feed, "no newline")
		require.NoError(b, feed.Close())
		for _, c := range []*command{pub, early, late} {
			assert.Equal(b, exitOK, c.wait(), c.stderr.String())
		}
		tail := "line 6\nline 7\nline 8\nno newline"
		assert.Equal(b, tail, late.stdout.String())
		assert.Equal(b, "line 0\nline 1\nline 2\nline 3\nline 4\nline 5\n"+tail, early.stdout.String())
	})
}

// The input is not read before somebody wants it, unless --no-wait.
func TestWaitsForASubscriber(t *testing.T) {
	for _, noWait := range []bool{false, true} {
		t.Run(fmt.Sprint(noWait), func(t *testing.T) {
			bubble(t, func(b *bench) {
				in := &countingReader{r: strings.NewReader("hello")}
				args := []string{"publish", "moqt://relay:4443/", "x"}
				if noWait {
					args = append(args, "--no-wait")
				}
				pub := b.start("pub", in, args...)
				b.sleep(time.Minute)
				assert.Equal(b, noWait, pub.ended())
				assert.Equal(b, noWait, in.n.Load() > 0)
				if !noWait {
					sub := b.start("sub", nil, "subscribe", "moqt://relay:4443/", "x")
					assert.Equal(b, exitOK, sub.wait())
					assert.Equal(b, "hello", sub.stdout.String())
				}
				assert.Equal(b, exitOK, pub.wait())
			})
		})
	}
}

// A fast input is held back by a link that is slow, and nothing is lost.
func TestBackpressure(t *testing.T) {
	bubble(t, func(b *bench) {
		b.net.SetLink("pub", "relay", linkOf(8<<20)) // bytes a second
		total := 28 << 20
		in := &countingReader{r: io.LimitReader(zeros{}, int64(total))}
		pub := b.start("pub", in, "publish", "--chunk=65536", "moqt://relay:4443/", "x")
		sub := b.start("sub", nil, "subscribe", "moqt://relay:4443/", "x")
		b.sleep(time.Second)
		assert.Less(b, in.n.Load(), int64(8<<20+backlogBytes+(4<<20)), "the backlog is bounded")
		assert.Equal(b, exitOK, pub.wait(), pub.stderr.String())
		assert.Equal(b, exitOK, sub.wait(), sub.stderr.String())
		assert.Len(b, sub.stdout.String(), total)
	})
}

func TestRate(t *testing.T) {
	bubble(t, func(b *bench) {
		began := time.Now()
		pub := b.start("pub", io.LimitReader(zeros{}, 1_000_000), "publish", "--rate=100000", "moqt://relay:4443/", "x")
		sub := b.start("sub", nil, "subscribe", "moqt://relay:4443/", "x")
		assert.Equal(b, exitOK, pub.wait(), pub.stderr.String())
		assert.Equal(b, exitOK, sub.wait(), sub.stderr.String())
		assert.InDelta(b, 10, time.Since(began).Seconds(), 1) // of virtual time
		assert.Len(b, sub.stdout.String(), 1_000_000)
	})
}

// A subscriber that is behind for longer than --max-latency loses something,
// and both sides say so.
func TestLoss(t *testing.T) {
	bubble(t, func(b *bench) {
		in, feed := io.Pipe()
		pub := b.start("pub", in, "publish", "--once", "--group=1", "--chunk=500000", "--max-latency=2s", "--drain=1m", "moqt://relay:4443/", "x")
		sub := b.start("sub", nil, "subscribe", "--once", "--max-latency=2s", "moqt://relay:4443/", "x")
		b.sleep(time.Second)
		b.net.SetLink("pub", "relay", linkOf(100_000))
		frame := make([]byte, 500_000)
		for i := range 6 {
			frame[0] = byte(i)
			_, err := feed.Write(frame)
			require.NoError(b, err)
			b.sleep(500 * time.Millisecond)
		}
		b.sleep(time.Minute)
		b.net.SetLink("pub", "relay", linkOf(0))
		_, _ = feed.Write([]byte("last"))
		require.NoError(b, feed.Close())
		assert.Equal(b, exitLoss, pub.wait(), pub.stderr.String())
		assert.Equal(b, exitLoss, sub.wait(), sub.stderr.String())
		assert.Contains(b, pub.stderr.String(), "lost")
		assert.Contains(b, sub.stderr.String(), "lost group")
		assert.True(b, strings.HasSuffix(sub.stdout.String(), "last"))
	})
}

// The relay goes away and comes back: both sides dial again, and a stream that
// went on is whole.
func TestReconnect(t *testing.T) {
	for _, url := range []string{"moqt://relay:4443/", "https://relay:4443/"} {
		t.Run(url, func(t *testing.T) {
			bubble(t, func(b *bench) {
				in, feed := io.Pipe()
				pub := b.start("pub", in, "publish", "--lines", "--group=4", "--drain=2m", url, "x")
				sub := b.start("sub", nil, "subscribe", url, "x")
				var want strings.Builder
				line := func(i int) {
					fmt.Fprintln(&want, "line", i)
					fmt.Fprintln(feed, "line", i)
				}
				for i := range 6 {
					line(i)
					b.sleep(time.Second)
				}
				b.net.Node("relay").Crash()
				_, stop := b.serve("relay")
				for i := 6; i < 12; i++ {
					line(i) // blocks while there is no session
					b.sleep(time.Second)
				}
				require.NoError(b, feed.Close())
				assert.Equal(b, exitOK, pub.wait(), pub.stderr.String())
				assert.Equal(b, exitOK, sub.wait(), sub.stderr.String())
				assert.Equal(b, want.String(), sub.stdout.String())
				assert.Contains(b, pub.stderr.String(), "trying again")
				assert.Contains(b, sub.stderr.String(), "trying again")
				stop()
			})
		})
	}
}

// What was read before the input failed arrives, and the failure is told.
func TestInputFails(t *testing.T) {
	bubble(t, func(b *bench) {
		in := io.MultiReader(strings.NewReader("hello"), iotest.ErrReader(errors.New("the disk is gone")))
		pub := b.start("pub", in, "publish", "moqt://relay:4443/", "x")
		sub := b.start("sub", nil, "subscribe", "moqt://relay:4443/", "x")
		assert.Equal(b, exitError, pub.wait())
		assert.Contains(b, pub.stderr.String(), "standard input: the disk is gone")
		assert.Equal(b, exitOK, sub.wait(), sub.stderr.String())
		assert.Equal(b, "hello", sub.stdout.String())
	})
}

func TestOnce(t *testing.T) {
	bubble(t, func(b *bench) {
		in, feed := io.Pipe()
		pub := b.start("pub", in, "publish", "--once", "moqt://relay:4443/", "x")
		sub := b.start("sub", nil, "subscribe", "--once", "moqt://relay:4443/", "x")
		list := b.start("list", nil, "list", "--once", "moqt://relay:4443/")
		_, _ = feed.Write([]byte("hello"))
		b.sleep(time.Second)
		b.net.Node("relay").Crash()
		for _, c := range []*command{pub, sub, list} {
			assert.Equal(b, exitError, c.wait(), c.stderr.String())
			assert.Contains(b, c.stderr.String(), "moqt: ")
		}
		assert.Equal(b, "hello", sub.stdout.String())
		assert.Equal(b, "+ x\n- x\n", list.stdout.String())
		_ = in.Close()
	})
}

// The publisher dies and another one takes its place: the subscriber goes on
// with that, and says that there is a break.
func TestAnotherPublisher(t *testing.T) {
	bubble(t, func(b *bench) {
		in, feed := io.Pipe()
		first := b.start("first", in, "publish", "--once", "moqt://relay:4443/", "x")
		sub := b.start("sub", nil, "subscribe", "moqt://relay:4443/", "x")
		_, _ = feed.Write([]byte("from the first;"))
		b.sleep(time.Second)
		b.net.Node("first").Crash()
		_ = feed.Close()
		_ = first.wait()
		b.sleep(time.Minute)
		assert.False(b, sub.ended())
		second := b.start("second", strings.NewReader("from the second"), "publish", "moqt://relay:4443/", "x")
		assert.Equal(b, exitOK, second.wait(), second.stderr.String())
		assert.Equal(b, exitLoss, sub.wait(), sub.stderr.String())
		assert.Equal(b, "from the first;from the second", sub.stdout.String())
	})
}

// A signal ends the input; what was read is still delivered.
func TestInterruptedPublisher(t *testing.T) {
	bubble(t, func(b *bench) {
		in, feed := io.Pipe()
		pub := b.start("pub", in, "publish", "moqt://relay:4443/", "x")
		sub := b.start("sub", nil, "subscribe", "moqt://relay:4443/", "x")
		_, _ = feed.Write([]byte("hello"))
		b.sleep(time.Second)
		pub.interrupt <- os.Interrupt
		assert.Equal(b, exitOK, pub.wait(), pub.stderr.String())
		assert.Equal(b, exitOK, sub.wait(), sub.stderr.String())
		assert.Equal(b, "hello", sub.stdout.String())
		_ = in.Close()
	})
}

func TestInterrupted(t *testing.T) {
	bubble(t, func(b *bench) {
		for _, args := range [][]string{
			{"subscribe", "moqt://relay:4443/", "none"},
			{"subscribe", "moqt://nowhere:1/", "none"},
			{"publish", "moqt://nowhere:1/", "none"},
			{"fetch", "moqt://nowhere:1/", "none"},
		} {
			c := b.start("c", strings.NewReader("hello"), args...)
			b.sleep(2 * time.Second)
			at := time.Now()
			c.interrupt <- os.Interrupt
			assert.Equal(b, exitInterrupted, c.wait(), c.stderr.String())
			assert.Less(b, time.Since(at), time.Second, "at once")
		}
	})
}

// A server that refuses is not asked again, and what it says is told.
func TestRefused(t *testing.T) {
	for _, url := range []string{"moqt://strict:4443/", "https://strict:4443/"} {
		t.Run(url, func(t *testing.T) {
			bubble(t, func(b *bench) {
				n := b.net.Node("strict")
				s := &moqt.Server{
					Addr: ":4443", TLSConfig: &tls.Config{}, ListenFunc: n.Listen, NewWebtransportServerFunc: n.NewWebTransportServer,
					Handler: moqt.SetupHandlerFunc(func(w moqt.SetupResponseWriter, _ *moqt.SetupRequest) {
						_ = w.Reject(moqt.SessionUnauthorized, "members only")
					}),
				}
				b.wg.Go(func() { assert.Error(b, s.ListenAndServe()) })
				b.net.Wait()
				for _, args := range [][]string{{"subscribe", url, "x"}, {"publish", url, "x"}, {"list", url}, {"fetch", url, "x"}} {
					c := b.start("c", strings.NewReader("hello"), args...)
					assert.Equal(b, exitError, c.wait(), args)
					assert.Contains(b, c.stderr.String(), "members only", args)
					assert.NotContains(b, c.stderr.String(), "trying again", args)
				}
				_ = s.Close()
			})
		})
	}
}
