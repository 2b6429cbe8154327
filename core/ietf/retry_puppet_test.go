package ietf_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
)

// later are the drafts that say when a request may be made again.
var later = []string{moq16, moq18, moq19}

// What was refused for a while is offered again when the peer says so, and not
// before; what was refused for good is not.
func TestPuppetRetriesNamespace(t *testing.T) {
	forDrafts(t, later, func(t *testing.T, w *world, draft string) {
		p, s, mux := w.served(draft, dialect.Config{})
		view := mux.View(route.Scope{})
		pub, err := view.Publish("bob", route.Route{}, &source{})
		require.NoError(t, err)
		st := p.asked(msg("06", "00 01 'bob' 00"))
		st.Send(msg("05", of(draft, "", "00 02 4bb9 00", "02 8bb9 00"))) // TIMEOUT, 3 s
		if streams(draft) {
			st.FIN()
		}
		refused := <-isAccepted(t, s, "bob")
		require.ErrorIs(t, refused, moq.ErrTimeout)
		var r *moq.RefusalError
		require.ErrorAs(t, refused, &r)
		require.Equal(t, moq.RefusalError{Retry: true, After: 3 * time.Second}, *r)
		start := time.Now()
		st = p.asked(msg("06", "02 01 'bob' 00"))
		require.InDelta(t, 3*time.Second, time.Since(start), float64(100*time.Millisecond))
		st.Send(msg("07", of(draft, "", "02 00", "00")))
		pass(100 * time.Millisecond)
		require.NoError(t, <-isAccepted(t, s, "bob"))
		pub.End()
		if streams(draft) {
			st.WantReset(1)
		} else {
			st.WantBytes(msg("09", "02"))
		}

		// At once is a second, and what is over is not offered again.
		pub, err = view.Publish("eve", route.Route{}, &source{})
		require.NoError(t, err)
		p.asked(msg("06", "04 01 'eve' 00")).Send(msg("05", of(draft, "", "04 02 01 00", "02 01 00")))
		start = time.Now()
		p.asked(msg("06", "06 01 'eve' 00")).Send(msg("05", of(draft, "", "06 02 8000ea61 00", "02 c0ea61 00")))
		require.InDelta(t, time.Second, time.Since(start), float64(100*time.Millisecond))
		pass(time.Second)
		pub.End()
		pass(5 * time.Minute)
		pub, err = view.Publish("sue", route.Route{}, &source{})
		require.NoError(t, err)
		p.asked(msg("06", "08 01 'sue' 00")).Send(msg("05", of(draft, "", "08 01 00 00", "01 00 00")))
		pass(5 * time.Minute)
		p.WantIdle()
		pub.End()
	})
}

// Where a request may be made instead is handed to the caller.
func TestPuppetRedirects(t *testing.T) {
	forDrafts(t, []string{moq18, moq19}, func(t *testing.T, w *world, draft string) {
		p, s, _ := w.served(draft, dialect.Config{})
		answer := make(chan error, 1)
		go func() {
			_, err := s.Subscribe(context.Background(), moq.FullTrackName{Path: "live", Name: "cam"}, moq.Subscription{})
			answer <- err
		}()
		st := p.Accept()
		st.Read(5)
		st.Send(msg("05", "34 01 00 'moqt://b' 02 'b' 'live' 'cam2'"))
		st.FIN()
		err := <-answer
		require.ErrorIs(t, err, moq.ErrNotFound)
		var r *moq.RefusalError
		require.ErrorAs(t, err, &r)
		require.Equal(t, moq.RefusalError{Retry: true, Redirect: &moq.Redirect{URI: "moqt://b", Name: moq.FullTrackName{Path: "b/live", Name: "cam2"}}}, *r)
		require.ErrorContains(t, err, `redirected to "moqt://b"`)

		_, err = s.Announced(context.Background(), "live")
		require.NoError(t, err)
		p.Accept().Send(msg("05", "34 00 00 00 00 'cam'")) // a namespace has no track
		p.WantClosed(3)
	})
	// A server is not sent elsewhere.
	forDrafts(t, []string{moq18, moq19}, func(t *testing.T, w *world, draft string) {
		p, _ := w.publishing(draft)
		w.read("bob", "video")
		p.isAsked().Send(msg("05", "34 01 00 'moqt://b' 00 00"))
		p.WantClosed(3)
	})
}

// A relay tells on when a request may be made again.
func TestPuppetRetryIsToldOn(t *testing.T) {
	forDrafts(t, later, func(t *testing.T, w *world, draft string) {
		p, _ := w.publishing(draft)
		q := w.join(draft)
		asked := q.ask(subscribe(draft, "00", "01 'bob' 'video'"))
		p.isAsked().Send(msg("05", of(draft, "", "01 02 4bb9 00", "02 8bb9 00")))
		wantError(t, asked, of(draft, "", "05 00 02 4bb9", "05 02 8bb9"), streams(draft))
	})
}
