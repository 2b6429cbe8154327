package lite_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/ports/quic"
)

// What must not hurt anybody else: bad messages, each on a stream of its own.

// huge is the length 2^62-1.
const huge = " ffffffffffffffff"

func TestPuppetBadRequests(t *testing.T) {
	type bad struct {
		name, data string
		code       quic.ErrorCode
		fin        bool
	}
	long := "5001" + strings.Repeat("2f", 4097) // slashes
	deep := "40 42" + strings.Repeat("612f", 33)
	ask := " 02 00 00 00 00"
	common := []bad{
		{"unknown type", "3f", 17, false},
		{"the largest type", "ffffffffffffffff", 17, false},
		{"SETUP of other drafts", "20 0001 00", 17, false},
		{"nothing at all", "", 5, true},
		{"half a type", "40", 5, true},
		{"only a type", "02", 5, true},
		{"half a length", "02 40", 5, true},
		{"no body", "02 05", 5, true},
		{"empty body", "02 00", 5, false},
		{"announce, empty body", "01 00", 5, false},
		{"announce, huge", "01" + huge, 11, false},
		{"announce, huge prefix", "01 08" + huge, 11, false},
		{"subscribe, huge", "02" + huge, 11, false},
		{"subscribe, huge path", "02 0a 00" + huge + " 00", 11, false},
		{"subscribe, huge name", "02 0a 00 00" + huge, 11, false},
		{"a body beyond the limit", "02 80010001", 11, false},
		{"a body at the limit that never comes", "02 80010000 00", 5, true},
		{"no UTF-8", "01 03 02 fffe", 5, false},
		{"a deep path", "01 40 44 " + deep, 11, false},
		{"a long path", "01 5003 " + long, 11, false},
	}
	modern := []bad{
		{"subscribe, trailing byte", "02 0c 00 '' 'video'" + ask, 5, false},
		{"subscribe, ordered 2", "02 0a 00 'a' 'v' 02 02 00 00 00", 5, false},
		{"fetch, huge", "03" + huge, 11, false},
		{"fetch, short", "03 02 00 00", 5, false},
	}
	more := map[string][]bad{
		lite02: {{"trailing byte", "02 07 00 'a' 'v' 02 00", 5, false}, {"exclude hop", "01 02 00 00", 5, false}},
		lite03: {{"exclude hop", "01 02 00 00", 5, false}, {"GOAWAY", "05 01 00", 17, false}, {"TRACK", "06 04 'a' 'v'", 17, false}},
		lite04: {{"no exclude hop", "01 01 00", 5, false}, {"huge URI", "05 08" + huge, 11, false}, {"TRACK", "06 04 'a' 'v'", 17, false}},
		lite05: {
			{"no exclude hop", "01 01 00", 5, false}, {"goaway, huge", "05" + huge, 11, false}, {"track, huge", "06" + huge, 11, false},
			{"track, trailing byte", "06 05 'a' 'v' 00", 5, false}, {"a long URI", "05 6003 6001" + strings.Repeat("61", 8193), 11, false},
		},
	}
	for _, draft := range drafts {
		rows := append(append([]bad{}, common...), more[draft]...)
		if draft != lite02 {
			rows = append(rows, modern...)
		}
		for _, c := range rows {
			inWorld(t, draft+"/"+c.name, quietly, func(t *testing.T, w *world) {
				p := w.join(draft)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				st := p.Open(x(c.data))
				if c.fin {
					st.FIN()
				}
				st.WantReset(m(c.code))
				if !c.fin {
					st.WantStop(m(c.code))
				}
				runtime.ReadMemStats(&after)
				require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2<<20))
				p.Open(x("3f")).WantReset(m(17)) // the session goes on
				w.next.check()
			})
		}
	}
}

// Announcements that cannot be decoded, or that break the rules, end the
// session: nothing after them can be trusted.
func TestPuppetBadAnnouncements(t *testing.T) {
	for _, c := range []struct {
		name, draft, data string
		code              quic.ErrorCode
	}{
		{"huge", lite02, huge, 11}, {"huge", lite03, huge, 11}, {"huge", lite04, huge, 11}, {"huge", lite05, huge, 11},
		{"huge suffix", lite03, "09 01" + huge, 11}, {"huge suffix", lite05, "02 07 00  09 01" + huge, 11},
		{"huge count", lite02, "08" + huge, 11},
		{"4097 broadcasts", lite02, "02 5001", 11},
		{"empty", lite02, "00", 5}, {"empty", lite03, "00", 5}, {"empty", lite04, "00", 5}, {"empty", lite05, "00", 5},
		{"status 2", lite03, "05 02 'ab' 00", 5}, {"status 2", lite04, "05 02 'ab' 00", 5},
		{"status 3", lite05, "02 07 00  05 03 'ab' 00", 5},
		{"fewer hops than said", lite04, "06 01 'ab' 02 07", 5}, {"fewer hops than said", lite05, "02 07 00  06 01 'ab' 02 07", 5},
		{"more hops than said", lite05, "02 07 00  07 01 'ab' 01 07 08", 5},
		{"33 hops", lite03, "05 01 'ab' 21", 11}, {"2^62-1 hops", lite05, "02 07 00  0c 01 'ab'" + huge, 11},
		{"twice", lite02, "05 01 'room'", 5},
		{"twice", lite02, "05 01 04 'abc'  06 01 'room'", 5},
		{"twice", lite03, "05 01 'ab' 01  05 01 'ab' 01", 12}, {"twice", lite04, "06 01 'ab' 01 07  08 01 '/ab/' 01 07", 12},
		{"of a name without an announcement", lite02, "01 00  04 01 'ab'  04 01 'ab'", 12},
		{"trailing byte", lite05, "03 07 00 00", 5},
		{"no UTF-8", lite05, "02 07 00  05 01 02 fffe 00", 5},
	} {
		inWorld(t, c.draft+"/"+c.name, quietly, func(t *testing.T, w *world) {
			p := w.join(c.draft)
			p.asks.Send(x(c.data))
			if c.name == "huge count" {
				pass(50 * time.Millisecond)
			}
			p.WantClosed(c.code)
			w.next.check()
		})
	}
	// A stream that ends inside an announcement, or is reset, ends what was
	// announced on it; the former ends the session too.
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		watch := w.watch()
		p := w.publishing(draft)
		a, err := watch.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, route.Active, a.Change)
		p.asks.Reset(0)
		wantChange(t, watch, "room/bob", route.Ended)
		p.Open(x("3f")).WantReset(m(17))
		w.next.check()

		p = w.publishing(draft)
		p.asks.Send(x("05")).FIN()
		p.WantClosed(5)
		w.next.check()
	})
}

func TestPuppetBadSetup(t *testing.T) {
	for _, c := range []struct {
		name, data string
		code       quic.ErrorCode
	}{
		{"duplicate parameter", "01 07 02 010101 010101", 15},
		{"65 parameters", "01 02 4041", 19},
		{"huge", "01" + huge, 11},
		{"huge count", "01 08" + huge, 19},
		{"huge parameter", "01 0b 01 02" + huge + "00", 11},
		{"short value", "01 05 01 01 02 01 00", 5},
		{"trailing byte", "01 02 00 00", 5},
		{"path without UTF-8", "01 05 01 02 02 fffe", 5},
		{"empty body", "01 00", 5},
	} {
		for _, node := range []string{"puppet", "web"} { // before and after the decision
			inWorld(t, node+"/"+c.name, quietly, func(t *testing.T, w *world) {
				p := &peer{Puppet: w.dial(lite05)}
				if node == "web" {
					p.Puppet = newPuppet(t, w.connect(node, lite05))
				}
				p.OpenUni(x(c.data))
				p.WantClosed(c.code)
				w.next.check()
			})
		}
	}
	for _, node := range []string{"puppet", "web"} {
		inWorld(t, node+"/cut off", quietly, func(t *testing.T, w *world) {
			p := newPuppet(t, w.connect(node, lite05))
			p.OpenUni(x("01 08 02")).FIN()
			p.WantClosed(5)
			w.next.check()
		})
	}
	inWorld(t, "second SETUP", quietly, func(t *testing.T, w *world) {
		p := w.publishing(lite05)
		p.OpenUni(x("01 01 00")).FIN()
		p.WantIdle() // nobody reads it, until groups may come
		w.read("room/bob", "video", moq.Subscription{})
		p.Accept().Send(x("08 01 00 5388 80015f90")).FIN()
		p.WantClosed(15)
		w.next.check()
	})
	for _, draft := range []string{lite02, lite03, lite04} {
		inWorld(t, "SETUP on "+draft, quietly, func(t *testing.T, w *world) {
			p := w.publishing(draft)
			st := p.OpenUni(x("01 01 00"))
			w.read("room/bob", "video", moq.Subscription{})
			st.WantStop(m(17))
			w.next.check()
		})
	}
	inWorld(t, "no SETUP", quietly, func(t *testing.T, w *world) {
		p := &peer{Puppet: w.dial(lite05)}
		st := p.Open(x("02"), msg("00 'room/alice' 'video' 02 00 00 00 00"))
		early := p.OpenUni(x("00 02 00 00"))
		early.WantStop(m(10))
		pass(4 * time.Second)
		p.WantIdle()
		start := time.Now()
		p.AcceptUni().WantHex("01 08 02 010101 05024063").WantFIN() // after 5 s it goes on without
		require.Less(t, time.Since(start), time.Second)
		w.group(0, "a")
		st.WantHex("00 01 00")
		p.OpenUni(x("01 01 00")).FIN() // late
		pass(50 * time.Millisecond)
		p.Open(x("3f")).WantReset(m(17))
		w.next.check()
	})
	inWorld(t, "half a SETUP", quietly, func(t *testing.T, w *world) {
		p := w.dial(lite05)
		p.OpenUni(x("01 08"))
		p.WantClosed(3)
		w.next.check()
	})
	inWorld(t, "a type that never ends", quietly, func(t *testing.T, w *world) {
		p := w.dial(lite05)
		st := p.OpenUni(x("40"))
		st.WantStop(m(3))
		p.AcceptUni().WantHex("01 08 02 010101 05024063").WantFIN()
		w.next.check()
	})
}

func TestPuppetBadInBand(t *testing.T) {
	for _, c := range []struct {
		name, data string
		code       quic.ErrorCode
		fin        bool
	}{
		{"another type", "01 01 00", 9, false}, {"nothing", "", 9, true}, {"cut off", "20 000a 01", 9, true},
		{"no version in common", "20 000a 01 c0000000ff0dad01 00", 9, false},
		{"no version", "20 0002 00 00", 9, false}, {"huge count", "20 0009" + huge + "00", 9, false},
		{"65 versions", "20 0002 4041", 9, false},
	} {
		inWorld(t, c.name, quietly, func(t *testing.T, w *world) {
			p := w.dial(lite02)
			st := p.Open(x(c.data))
			if c.fin {
				st.FIN()
			}
			p.WantClosed(c.code)
			w.next.check()
		})
	}
	inWorld(t, "silence", quietly, func(t *testing.T, w *world) {
		p := w.dial(lite02)
		pass(4 * time.Second)
		p.WantIdle()
		p.WantClosed(9)
		w.next.check()
	})
	for _, c := range []struct {
		name string
		do   func(p *peer)
		code quic.ErrorCode
	}{
		{"SESSION_INFO", func(p *peer) { p.band.Send(x("04 802625a0  02 00 00")) }, 5},
		{"huge SESSION_INFO", func(p *peer) { p.band.Send(x(huge)) }, 11},
		{"FIN", func(p *peer) { p.band.Send(x("04 802625a0")).FIN() }, 0},
		{"RESET", func(p *peer) { p.band.Reset(0) }, 0},
	} {
		inWorld(t, "session stream/"+c.name, quietly, func(t *testing.T, w *world) {
			p := w.join(lite02)
			c.do(p)
			p.WantClosed(c.code)
			w.next.check()
		})
	}
}
