package route

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/moqtgo/moqt/core/moq"
)

// What comes back by a longer way than it was sent takes nothing over, and is
// not believed at once when what it was made from has gone.
func TestEcho(t *testing.T) {
	m := NewMux(Config{})
	var alarms []time.Time
	m.SetAlarm(func(at time.Time) { alarms = append(alarms, at) })
	watch, err := m.View(Scope{Peer: "watcher"}).Watch("", 0, nil)
	require.NoError(t, err)
	near, _ := publish(t, m.View(Scope{Peer: "near"}), "a", 0)
	k := subscribe(t, m.View(Scope{Peer: "watcher"}), "a", epoch)
	require.Equal(t, "active a [0]", said(watch))
	far, _ := publish(t, m.View(Scope{Peer: "far"}), "a", 0, 0, 0)
	require.Empty(t, said(watch))
	require.NoError(t, failed(k))

	near.Lose(epoch)
	require.Empty(t, said(watch), "it lingers as if the echo were not there")
	m.Sweep(epoch.Add(5 * time.Second))
	require.Equal(t, "ended a []", said(watch), "the echo is not believed")
	require.ErrorIs(t, failed(k), moq.ErrDropped)
	require.Zero(t, alarms[len(alarms)-1], "an alarm at once")
	require.Equal(t, epoch.Add(7*time.Second), m.Sweep(epoch.Add(5*time.Second)))
	m.Sweep(epoch.Add(7 * time.Second))
	require.Equal(t, "active a [0 0 0]", said(watch), "it was none")

	near, _ = publish(t, m.View(Scope{Peer: "near"}), "a", 0, 0)
	require.Equal(t, "replaced a [0 0]", said(watch), "what is nearer takes it over")
	near.End()
	require.Equal(t, "ended a []", said(watch))
	m.Sweep(epoch.Add(8 * time.Second))
	far.End()
	m.Sweep(epoch.Add(20 * time.Second))
	require.Empty(t, said(watch), "it was one")
	require.Empty(t, m.endings)
	require.True(t, m.root.find("a") == nil || m.root.find("a").active() == nil)
}

// Relays that count hops and do not name them, joined in any way, come to rest,
// forget what is not published any more, and all have what is.
func TestCountingMeshSettles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 5).Draw(t, "relays")
		m := newMesh(n, func(int) uint64 { return 0 })
		m.counts, m.local = true, map[string]*Publication{}
		for i := 1; i < n; i++ { // connected, and with rings
			m.join(t, i, rapid.IntRange(0, i-1).Draw(t, "up"))
		}
		for range rapid.IntRange(0, 5).Draw(t, "links") {
			leaf, up := rapid.IntRange(0, n-1).Draw(t, "leaf"), rapid.IntRange(0, n-1).Draw(t, "up")
			if leaf != up {
				m.join(t, leaf, up)
			}
		}
		for range rapid.IntRange(1, 8).Draw(t, "changes") {
			at := rapid.IntRange(0, n-1).Draw(t, "at")
			path := rapid.SampledFrom([]moq.Path{"x", "y"}).Draw(t, "path")
			key := fmt.Sprint(at, path)
			if p := m.local[key]; p != nil {
				p.End()
				delete(m.local, key)
			} else {
				p, err := m.relays[at].View(Scope{Peer: new(int)}).Publish(path, Route{Hops: []uint64{0}}, newSource())
				require.NoError(t, err)
				m.local[key] = p
			}
			if rapid.Bool().Draw(t, "settle") {
				m.rest(t)
			}
		}
		m.rest(t)
		for _, path := range []moq.Path{"x", "y"} {
			want := false
			for at := range n {
				want = want || m.local[fmt.Sprint(at, path)] != nil
			}
			for at, r := range m.relays {
				node := r.root.find(path)
				require.Equal(t, want, node != nil && node.active() != nil, "%q at %d", path, at)
			}
		}
		for _, p := range m.local {
			p.End()
		}
		m.rest(t)
		for _, r := range m.relays {
			require.Zero(t, r.Stats().Broadcasts)
			require.Empty(t, r.endings)
		}
	})
}
