package adversary

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/core/wire"
	"github.com/moqtgo/moqt/ports/quic"
)

// streamTypes are the types of bidirectional streams and of messages that open
// one, and some that are none.
var streamTypes = []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 0x0a, 0x0b, 0x0c, 0x0d, 0x10, 0x11, 0x16, 0x17, 0x1d, 0x20, 0x21, 0x40, 0x50, 0x51, 1 << 30}

// hostile opens a session for each of these streams and lets it go on until the
// relay has thrown it out or given it up.
func (a *arena) hostile(v string, uni bool, all [][]byte) (thrownOut int) {
	a.Helper()
	var evils []*evil
	for _, b := range all {
		e := a.evil("evil", v)
		if uni {
			e.uni(b)
		} else {
			e.bidi(b)
		}
		evils = append(evils, e)
	}
	a.pass(time.Second)
	a.within(budget{heap: 64*kib*int64(len(evils))/4 + mib, goroutines: 12 * len(evils)})
	a.pass(30 * time.Second) // what a message may take
	for _, e := range evils {
		if _, gone := e.gone(); gone {
			thrownOut++
		}
		e.leave()
	}
	a.pass(time.Second)
	return thrownOut
}

// Row 1: every message claims to be, or to have in it, as much as an integer
// can say.
func TestHugeLengths(t *testing.T) {
	eachFamily(t, nil, func(a *arena, v string) {
		e := &evil{version: v}
		largest := e.number(1<<62 - 1)
		var bidi, uni [][]byte
		for _, kind := range streamTypes {
			k := e.number(kind)
			bidi = append(bidi, append(append([]byte(nil), k...), largest...))
			uni = append(uni, append(append([]byte(nil), k...), largest...))
			// A message of a legal length whose first strings and counts are huge.
			body := []byte(strings.Repeat(string(largest), 20))
			if v == lite05 {
				bidi = append(bidi, append(append(append([]byte(nil), k...), e.number(uint64(len(body)))...), body...))
			} else {
				bidi = append(bidi, message(fmt.Sprintf("%x", k), body), message(fmt.Sprintf("%x", k), append(e.number(0), body...)))
			}
		}
		a.Logf("%d of %d sessions are thrown out", a.hostile(v, false, bidi), len(bidi))
		a.Logf("%d of %d sessions are thrown out", a.hostile(v, true, uni), len(uni))

		e = a.evil("publisher", v) // and objects
		r, _ := a.publishes(e)
		for group := range uint64(200) {
			e.uni(append(append(e.header(e.alias, group), 0), append(largest, 'x')...))
			e.uni(append(append(e.header(e.alias, 1000+group), 0), append(e.number(16<<20), 'x')...))
		}
		a.pass(time.Second)
		a.within(budget{heap: 8 * mib, goroutines: 300})
		r.Close()
		e.leave()
	})
}

// Row 2: counts that are one too many, and as many as can be said; row 38:
// names that are as deep as they may be, and deeper.
func TestCounts(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("a/", n-1) + "a" }
	eachFamily(t, nil, func(a *arena, v string) {
		announces := func(path string, hops []byte) *evil {
			e := a.evil("evil", v)
			if v == lite05 {
				body := append([]byte{1}, e.number(uint64(len(path)))...)
				body = append(append(body, path...), hops...)
				st := e.announces(a)
				_, _ = st.Write(append(e.number(uint64(len(body))), body...))
			} else {
				e.bidi(message("06", append(append(e.number(0), e.namespace(path)...), hops...)))
			}
			a.pass(time.Second)
			return e
		}
		none := []byte{0} // hops, or parameters
		if v == lite05 {
			none = []byte{1, 7}
		}
		broadcasts := func() int { return a.relay.Stats().Broadcasts }
		before := broadcasts()

		e := announces(deep(32), none)
		_, gone := e.gone()
		require.False(a, gone, "32 fields")
		require.Equal(a, before+1, broadcasts())
		e.leave()
		a.pass(10 * time.Second)
		for what, path := range map[string]string{
			"33 fields": deep(33), "2000 fields": deep(2000), "4097 bytes": strings.Repeat("x", 4097),
		} {
			e := announces(path, none)
			require.Equal(a, before, broadcasts(), what)
			e.leave()
			a.pass(10 * time.Second)
		}
		many := wire.RFC9000.Append(nil, 1<<62-1)
		if v != lite05 {
			many = wire.LeadingOnes.Append(nil, 1<<62-1)
		}
		tooMany := append([]byte{33}, strings.Repeat("\x07", 33)...) // hops
		if v != lite05 {
			tooMany = append([]byte{65}, strings.Repeat("\x02\x01", 65)...) // parameters
		}
		for _, hops := range [][]byte{many, tooMany} {
			e := announces("x", hops)
			_, gone := e.gone()
			require.True(a, gone, "%x", hops)
		}
		require.Equal(a, before, broadcasts())
		a.within(budget{heap: 2 * mib, goroutines: 40})
	})
}

// Row 38: as many names as a session may have, each as deep as may be, and no
// two with a field in common.
func TestDeepNames(t *testing.T) {
	eachFamily(t, nil, func(a *arena, v string) {
		e := a.evil("evil", v)
		var st quic.Stream
		if v == lite05 {
			st = e.announces(a)
		}
		for i := range 1000 {
			path := fmt.Sprintf("%d%s", i, strings.Repeat("/x", 31))
			if v == lite05 {
				_, _ = st.Write(e.announce(path, true))
			} else {
				e.bidi(message("06", append(append(e.number(uint64(2*i)), e.namespace(path)...), 0)))
			}
		}
		a.pass(time.Second)
		require.Equal(a, 1000+1, a.relay.Stats().Broadcasts)
		a.within(budget{heap: 24 * mib, goroutines: 1100})
		e.leave()
	})
}

// Row 3: messages and objects that are full of the smallest parts there are.
// What that takes is printed; the innocent waits for none of it, and the cache
// counts what such parts take in memory.
func TestSmallParts(t *testing.T) {
	conf := &moqt.TrackMuxConfig{Cache: moqt.CacheLimits{Bytes: 16 * mib, GroupBytes: 16 * mib}}
	eachFamily(t, conf, func(a *arena, v string) {
		e := a.evil("evil", v)
		n := 0
		r, _ := a.publishes(e)
		start := processorTime()
		switch v {
		case lite05: // objects of no bytes
			for group := range uint64(20) {
				e.uni(append(e.header(e.alias, group), make([]byte, 64<<10)...))
				n += 64 << 10
			}
		default: // objects of 64 properties
			object := append([]byte{0, 128, 128, 0x70, 1}, strings.Repeat("\x02\x01", 63)...)
			object = append(object, 1, 'x')
			for group := range uint64(20) {
				b := e.header(e.alias, group)
				b[0] |= 1
				for range 400 {
					b = append(b, object...)
				}
				e.uni(b)
				n += len(b)
			}
		}
		a.pass(time.Second)
		a.check()
		a.Logf("%d bytes, %v of processor time", n, processorTime()-start)
		require.NoError(a, e.Context().Err(), "all of it is legal")
		a.within(budget{heap: 20 * mib, goroutines: 100})
		r.Close()
		e.leave()
	})
}

func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
