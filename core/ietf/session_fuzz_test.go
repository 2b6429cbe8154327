package ietf_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/ports/quic"
)

// audience subscribes to what the wild one may publish, again and again.
func (w *world) audience(ctx context.Context) {
	view := w.relay.View(route.Scope{Root: "p"})
	for n := 0; ctx.Err() == nil; n++ {
		name := moq.FullTrackName{Path: "bob", Name: []string{"video", "t1", "t2"}[n%3]}
		if r, err := view.Subscribe(name, moq.Subscription{Priority: uint8(n & 3)}, time.Now(), nil); err == nil {
			ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			for g, err := range r.Groups(ctx) {
				if err != nil {
					break
				}
				for range g.Frames(ctx) {
				}
			}
			cancel()
			r.Close()
		}
		if n%4 == 0 {
			ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			if r, err := view.Fetch(ctx, moq.FetchRequest{Name: name, End: moq.Location{Group: 3}}); err == nil {
				for range 8 {
					if _, err := r.Next(ctx); err != nil {
						break
					}
				}
				r.Close()
			}
			cancel()
		}
		pass(10 * time.Millisecond)
	}
}

// playWild lets a script run to its end; the neighbour must not notice.
func playWild(t *testing.T, script []byte, server bool) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dialect.Config{})
		defer w.close()
		ctx, cancel := context.WithCancel(context.Background())
		var audience sync.WaitGroup
		audience.Go(func() { w.audience(ctx) })
		w.finished("a", "b")
		offered := map[string]*moq.Track{"video": w.track}
		pub, err := w.relay.View(route.Scope{}).Publish("p/offered", route.Route{Tracks: func() map[string]*moq.Track { return offered }}, &source{offered})
		require.NoError(t, err)
		defer pub.End()
		f := &wild{w: w, script: script}
		if server {
			lis, err := w.net.Node("wild").Listen(":4443", &tls.Config{NextProtos: drafts}, &quic.Config{EnableDatagrams: true})
			require.NoError(t, err)
			defer lis.Close()
			f.server = lis
		}
		f.connect()
		for n := 1; len(f.script) > 0; n++ {
			if f.conn.Context().Err() != nil {
				f.connect()
			}
			f.act()
			if n%32 == 0 {
				w.next.check()
				w.finished("more", strings.Repeat("z", 20000*(n>>5&7)))
			}
		}
		pass(time.Second)
		w.next.check()
		_ = f.conn.CloseWithError(0, "")
		cancel()
		audience.Wait()
		f.loops.Wait()
	})
}

func randomScript(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	script := make([]byte, n)
	for i := range script {
		script[i] = byte(r.Uint32())
	}
	return script
}

func TestWildSessions(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint("client ", seed), func(t *testing.T) { playWild(t, randomScript(seed, 3000), false) })
		t.Run(fmt.Sprint("server ", seed), func(t *testing.T) { playWild(t, randomScript(seed, 3000), true) })
	}
}

func FuzzSession(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(randomScript(100+seed, 500))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 1<<13 {
			return
		}
		playWild(t, script, len(script)%2 == 1)
	})
}
