package ietf_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/ports/quic/quictest"
)

// What cannot be sent before its delivery timeout, of the subscriber or of the
// publisher, is not sent any more: its stream is reset when the time is over.
func TestPuppetDeliveryTimeouts(t *testing.T) {
	for name, c := range map[string]struct {
		drafts     []string
		params     string // of SUBSCRIBE, behind their number; in 14 behind the filter
		info       moq.TrackInfo
		began, end time.Duration // when the reset comes, from the first object and from the end of the group
	}{
		"object":             {[]string{moq18, moq19}, "02 02 87d0 1f 01 02", moq.TrackInfo{}, 2 * time.Second, 0},
		"object 16":          {[]string{moq16}, "02 02 47d0 1f 01 02", moq.TrackInfo{}, 2 * time.Second, 0},
		"object 14":          {[]string{moq14}, "01 02 47d0", moq.TrackInfo{}, 2 * time.Second, 0},
		"subgroup":           {[]string{moq18, moq19}, "02 06 87d0 1b 01 02", moq.TrackInfo{}, 0, 2 * time.Second},
		"publisher":          {[]string{moq16, moq18, moq19}, "01 21 01 02", moq.TrackInfo{ObjectTimeout: 2 * time.Second}, 2 * time.Second, 0},
		"publisher subgroup": {[]string{moq18, moq19}, "01 21 01 02", moq.TrackInfo{SubgroupTimeout: 2 * time.Second}, 0, 2 * time.Second},
		"the shorter one":    {[]string{moq18, moq19}, "02 02 87d0 1f 01 02", moq.TrackInfo{ObjectTimeout: time.Minute}, 2 * time.Second, 0},
		"none":               {[]string{moq18, moq19}, "03 02 00 04 00 1b 01 02", moq.TrackInfo{}, 0, 0},
	} {
		for _, draft := range c.drafts {
			inWorld(t, draft+"/"+name, quietly, func(t *testing.T, w *world) {
				track := moq.NewTrack(moq.FullTrackName{Path: "p/slow", Name: "video"}, moq.CacheLimits{}, nil)
				track.SetInfo(c.info)
				pub, err := w.relay.View(route.Scope{}).Publish("p/slow", route.Route{}, &source{map[string]*moq.Track{"video": track}})
				require.NoError(t, err)
				defer pub.End()
				p := w.join(draft)
				st := p.ask(msg("03", "00 01 'slow' 'video' ", of(draft, "80 00 01 02", "", ""), " ", c.params))
				st.Read(5)
				w.net.SetLink("relay", "puppet", memnet.Link{Latency: 10 * time.Millisecond, Rate: 10 << 10, Queue: 1})
				video := moq.NewTrackWriter(track, time.Now)
				g, err := video.AppendGroup()
				require.NoError(t, err)
				start := time.Now()
				payload := []byte(strings.Repeat("x", 90<<10)) // 9 s
				require.NoError(t, g.WriteFrame(moq.Frame{Payload: payload}))
				pass(time.Second)
				require.NoError(t, g.Close())
				u := p.AcceptUni()
				switch {
				case c.began > 0:
					wantLate(t, u, start.Add(c.began))
				case c.end > 0:
					wantLate(t, u, start.Add(time.Second+c.end))
				default:
					for range 9 {
						u.Read(10 << 10)
					}
					u.Read(9) // headers
					u.WantFIN()
				}
				require.NoError(t, p.Conn().Context().Err())
			})
		}
	}
}

// wantLate wants a reset with DELIVERY_TIMEOUT at the time given, and what is
// under way until then.
func wantLate(t *testing.T, u *quictest.PuppetStream, at time.Time) {
	t.Helper()
	u.WantReset(2)
	require.InDelta(t, 0, time.Since(at), float64(300*time.Millisecond)) // what is queued comes first
}

// Subscribers who change their mind do not flood the publisher with updates: one
// is unanswered at a time, and the next one says what is true then.
func TestPuppetIsUpdated(t *testing.T) {
	forDrafts(t, []string{moq18, moq19}, func(t *testing.T, w *world, draft string) {
		p, _ := w.publishing(draft)
		w.read("bob", "video")
		st := p.wantSubscribe("01", "'video'")
		st.Send(ok(draft, "01", "07"))
		pass(100 * time.Millisecond)
		for priority := uint8(3); priority <= 30; priority++ {
			r, err := w.relay.View(route.Scope{Root: "p"}).Subscribe(moq.FullTrackName{Path: "bob", Name: "video"},
				moq.Subscription{Priority: priority}, time.Now(), nil)
			require.NoError(t, err)
			t.Cleanup(r.Close)
			pass(10 * time.Millisecond)
		}
		st.WantBytes(msg("02", "03 01 20 fc")).WantIdle()
		st.Send(msg("07", "00"))
		st.WantBytes(msg("02", "05 01 20 e1")).WantIdle()
		st.Send(msg("07", "00")).WantIdle()
		require.NoError(t, p.Conn().Context().Err())
	})
}

// A subscription that expires is renewed in time, for as long as it is wanted.
func TestPuppetExpires(t *testing.T) {
	forDrafts(t, later, func(t *testing.T, w *world, draft string) {
		p, _ := w.publishing(draft)
		r := w.read("bob", "video")
		st := p.wantSubscribe("01", "'video'")
		st.Send(msg("04", of(draft, "", "01 07 01 08 47d0", "07 01 08 87d0"))) // 2 s
		for id := 3; id < 9; id += 2 {
			asked := time.Now()
			priority := of(draft, "", "01 01 20 40fd", "01 20 fd")
			st.WantBytes(msg("02", string([]byte{'0', '0' + byte(id), ' '}), priority))
			require.InDelta(t, time.Second, time.Since(asked), float64(100*time.Millisecond))
			st.Send(msg("07", of(draft, "", string([]byte{'0', '0' + byte(id)})+" 00", "00")))
		}
		st.Send(gone(draft, "01", of(draft, "", "05", "06"), "00")) // EXPIRED all the same
		wantEnd(t, r, moq.ErrTimeout, 3*time.Second)
		pass(time.Minute)
		require.NoError(t, p.Conn().Context().Err())
	})
}
