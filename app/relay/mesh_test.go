package relay

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/moqtgo/moqt/app/moqt"
)

// Over moq-transport a ring is no loop either, nor are two relays that have joined
// each other, twice; and however they are joined, and whichever versions are
// between them, all have what any of them has.
func TestConnectShapes(t *testing.T) {
	for _, shape := range []struct {
		name  string
		joins []string // leaf and upstream
	}{
		{"ring", []string{"one two", "two three", "three one"}},
		{"star", []string{"one hub", "two hub", "three hub"}},
		{"pair", []string{"one two", "one two", "two one"}},
		{"chain", []string{"two one", "three two", "four three"}},
		{"diamond", []string{"left top", "right top", "low left", "low right"}},
	} {
		for _, version := range []string{"moqt-19", "moqt-18", "moqt-16", "moq-00", "moqt-20", "moqt-18 moq-lite-05", "moq-lite-04 moqt-20 moq-00"} {
			t.Run(shape.name+"/"+version, func(t *testing.T) {
				bubble(t, func(w *world) {
					ctx, cancel := context.WithCancel(w.Context())
					relays := map[string]*Relay{}
					for _, join := range shape.joins {
						for _, name := range strings.Fields(join) {
							if relays[name] == nil {
								r, stop := w.relay(name)
								w.Cleanup(stop)
								all := strings.Fields(version)
								r.Client.Config = &moqt.Config{Versions: []string{all[len(relays)%len(all)]}}
								relays[name] = r
							}
						}
					}
					for _, join := range shape.joins {
						ends := strings.Fields(join)
						w.wg.Go(func() {
							assert.ErrorIs(w, relays[ends[0]].Connect(ctx, "moqt://"+ends[1]+":443/"), context.Canceled)
						})
					}
					w.pass(time.Second)
					for name := range relays {
						mux := moqt.NewTrackMux(nil)
						_, _ = announce(w, mux, moqt.Path("from/"+name), "hello of "+name)
						w.dial("pub-"+name, "moqt://"+name+":443", mux)
					}
					w.pass(time.Second)
					for at := range relays {
						s := w.dial("sub-"+at, "moqt://"+at+":443", nil)
						for from := range relays {
							assert.Equal(w, "hello of "+from, w.read(s, moqt.Path("from/"+from)), "at %s", at)
						}
						assert.Equal(w, len(relays), relays[at].Stats().Broadcasts)
					}
					sent := func() (n int64) {
						for _, r := range relays {
							n += r.Stats().BytesSent
						}
						return n
					}
					before := sent()
					w.pass(time.Minute)
					assert.Less(w, sent()-before, int64(5000), "nothing goes around")
					cancel()
					w.pass(10 * time.Second)
					for at := range relays {
						assert.Equal(w, 1, relays[at].Stats().Broadcasts, "what came from elsewhere is gone")
					}
				})
			})
		}
	}
}

// A publisher that moves to another relay of a ring is the new one everywhere, and
// stays it when its old session ends; so it is in every version.
func TestPublisherMoves(t *testing.T) {
	for _, version := range []string{"moqt-19", "moqt-18", "moqt-16", "moq-00", "moqt-20", "moq-lite-05"} {
		t.Run(version, func(t *testing.T) {
			bubble(t, func(w *world) {
				ctx, cancel := context.WithCancel(w.Context())
				names := []string{"one", "two", "three", "four"}
				relays := map[string]*Relay{}
				for _, name := range names {
					r, stop := w.relay(name)
					w.Cleanup(stop)
					r.Client.Config = &moqt.Config{Versions: []string{version}}
					relays[name] = r
				}
				for i, name := range names {
					w.wg.Go(func() { _ = relays[name].Connect(ctx, "moqt://"+names[(i+1)%len(names)]+":443/") })
				}
				w.pass(time.Second)
				publish := func(at, text string) *moqt.Session {
					n := w.net.Node("pub-" + at)
					c := &moqt.Client{DialQUICFunc: n.Dial, Config: &moqt.Config{Versions: []string{version}}}
					mux := moqt.NewTrackMux(nil)
					_, _ = announce(w, mux, "live", text)
					s, err := c.Dial(ctx, "moqt://"+at+":443", mux)
					assert.NoError(w, err)
					w.pass(2 * time.Second)
					return s
				}
				want := func(text string) {
					for _, at := range names {
						s := w.dial("sub-"+at, "moqt://"+at+":443", nil)
						assert.Equal(w, text, w.read(s, "live"), "at %s", at)
						_ = s.CloseWithError(0, "")
					}
				}
				before := publish("one", "before")
				want("before")
				after := publish("three", "after")
				want("after")
				_ = before.CloseWithError(0, "")
				w.pass(time.Second)
				want("after")
				_ = after.CloseWithError(0, "")
				w.pass(10 * time.Second)
				for _, at := range names {
					assert.Zero(w, relays[at].Stats().Broadcasts, "at %s", at)
				}
				cancel()
				w.pass(10 * time.Second)
			})
		})
	}
}
