package ietf_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/core/session"
	"github.com/moqtgo/moqt/ports/quic/quictest"
)

// asked returns the stream of the client's next request, whose bytes it wants.
func (p *peer) asked(b []byte) *quictest.PuppetStream {
	p.t.Helper()
	st := p.control
	if streams(p.draft) {
		st = p.Accept()
	}
	return st.WantBytes(b)
}

// isAccepted asks in the background whether the server has taken a path.
func isAccepted(t *testing.T, s *session.Session, path moq.Path) <-chan error {
	answer := make(chan error, 1)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	t.Cleanup(cancel)
	go func() { answer <- s.Accepted(ctx, path) }()
	return answer
}

// A client of ours learns what becomes of its PUBLISH_NAMESPACE.
func TestPuppetAnswersNamespace(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p, s, mux := w.served(draft, dialect.Config{})
		answer := isAccepted(t, s, "bob") // before there is anything
		view := mux.View(route.Scope{})
		pub, err := view.Publish("bob", route.Route{}, &source{})
		require.NoError(t, err)
		st := p.asked(msg("06", "00 01 'bob' 00"))
		pass(time.Second)
		require.Empty(t, answer, "nothing was answered")
		st.Send(msg("07", of(draft, "00", "00 00", "00")))
		require.NoError(t, <-answer)
		require.NoError(t, <-isAccepted(t, s, "bob"))
		require.ErrorIs(t, <-isAccepted(t, s, "eve"), context.DeadlineExceeded)

		pub.End()
		if streams(draft) {
			st.WantReset(1)
		} else {
			st.WantBytes(msg("09", of(draft, "01 'bob'", "00", "")))
		}
		require.ErrorIs(t, <-isAccepted(t, s, "bob"), context.DeadlineExceeded, "what was withdrawn is not accepted")

		pub, err = view.Publish("eve", route.Route{}, &source{})
		require.NoError(t, err)
		st = p.asked(msg("06", "02 01 'eve' 00"))
		st.Send(msg(of(draft, "08", "05", "05"), of(draft, "02 01", "02 01 00", "01 00"), " 'no'"))
		var refusal *moq.Error
		require.ErrorAs(t, <-isAccepted(t, s, "eve"), &refusal)
		require.Equal(t, moq.Error{Code: moq.CodeUnauthorized, Reason: "no", Remote: true, Wire: 1}, *refusal)
		pub.End()

		pub, err = view.Publish("tom", route.Route{}, &source{})
		require.NoError(t, err)
		st = p.asked(msg("06", "04 01 'tom' 00"))
		st.Send(msg("07", of(draft, "04", "04 00", "00")))
		require.NoError(t, <-isAccepted(t, s, "tom"))
		if streams(draft) {
			st.FIN()
		} else {
			st.Send(msg("0c", of(draft, "01 'tom'", "04", ""), " 00 00"))
		}
		pass(time.Second)
		err = <-isAccepted(t, s, "tom")
		require.ErrorIs(t, err, moq.ErrCanceled)
		require.True(t, errors.As(err, &refusal) && refusal.Remote)
		pub.End()

		answer = isAccepted(t, s, "bob")
		pass(time.Second)
		p.Close(0, "")
		require.ErrorIs(t, <-answer, moq.ErrDropped)
	})
}

// Only an OK of its own kind accepts a PUBLISH_NAMESPACE.
func TestPuppetAnswersNamespaceWrongly(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p, s, mux := w.served(draft, dialect.Config{})
		pub, err := mux.View(route.Scope{}).Publish("bob", route.Route{}, &source{})
		require.NoError(t, err)
		defer pub.End()
		st := p.asked(msg("06", "00 01 'bob' 00"))
		if draft == moq14 {
			st.Send(msg("12", "00")) // SUBSCRIBE_NAMESPACE_OK
		} else {
			st.Send(ok(draft, "00", "00"))
		}
		p.WantClosed(3)
		require.ErrorIs(t, <-isAccepted(t, s, "bob"), moq.ErrDropped)
	})
}
