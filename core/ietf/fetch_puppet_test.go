package ietf_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/quic/quictest"
)

// A fetched is what a FETCH of the relay has come to.
type fetched struct {
	r   *moq.ObjectReader
	err error
}

// fetch makes the relay fetch bob's groups 0 and 1, and wants its FETCH.
func (w *world) fetch(ctx context.Context, p *peer) (*quictest.PuppetStream, chan fetched) {
	w.t.Helper()
	out := make(chan fetched, 1)
	go func() {
		r, err := w.relay.View(route.Scope{Root: "p"}).Fetch(ctx, moq.FetchRequest{
			Name:  moq.FullTrackName{Path: "bob", Name: "video"},
			Start: moq.Location{}, End: moq.Location{Group: 1, Object: 1}, Priority: 2,
		})
		out <- fetched{r, err}
	}()
	st := p.control
	if streams(p.draft) {
		st = p.Accept()
	}
	st.WantBytes(msg("16", of(p.draft, "01 fd 01", "01", "01"), " 01 01 'bob' 'video' 00 00 01 02 ",
		of(p.draft, "00", "02 20 40fd 02 01", "02 20 fd 02 01")))
	return st, out
}

// fetchOK says that all is there.
func fetchOK(draft string) []byte {
	return msg("18", of(draft, "01 01 00 01 02 00", "01 00 01 02 00", "00 01 02 00"))
}

// objects are {0,0} "a" and {1,1} "b".
func objects(draft string) []byte {
	return x("05 01 ", of(draft, "00 00 00 80 00 01 61  01 00 01 80 00 01 62",
		"1c 00 00 80 01 61  1c 01 01 80 01 62", "1c 00 00 80 01 61  1c 00 01 80 01 62"))
}

func wantFetched(t *testing.T, out chan fetched) {
	t.Helper()
	got := <-out
	require.NoError(t, got.err)
	defer got.r.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var payloads []string
	for {
		f, err := got.r.Next(ctx)
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		if f.Object != nil {
			payloads = append(payloads, string(f.Object.Payload()))
		}
	}
	require.Equal(t, []string{"a", "b"}, payloads)
}

// The answer may come before the objects, and after all of them.
func TestPuppetIsFetched(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p, _ := w.publishing(draft)
		st, out := w.fetch(t.Context(), p)
		st.Send(fetchOK(draft))
		pass(time.Second)
		p.OpenUni(objects(draft)).FIN()
		wantFetched(t, out)
	})
	for _, draft := range drafts {
		inWorld(t, draft+"/objects first", quietly, func(t *testing.T, w *world) {
			p, _ := w.publishing(draft)
			st, out := w.fetch(t.Context(), p)
			p.OpenUni(objects(draft)).FIN()
			pass(time.Second)
			st.Send(fetchOK(draft))
			wantFetched(t, out)
		})
	}
}

// Two streams for one fetch end the session: nothing hangs.
func TestPuppetFetchStreams(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p, _ := w.publishing(draft)
		_, out := w.fetch(t.Context(), p)
		p.OpenUni(x("05 01"))
		pass(100 * time.Millisecond)
		p.OpenUni(x("05 01"))
		p.WantClosed(quic.ErrorCode(3))
		require.Error(t, (<-out).err)
	})
}

// The end of the session, or of the caller's patience, is the end of a fetch.
func TestPuppetFetchEnds(t *testing.T) {
	forDrafts(t, drafts, func(t *testing.T, w *world, draft string) {
		p, _ := w.publishing(draft)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		st, out := w.fetch(ctx, p)
		require.Error(t, (<-out).err)
		if streams(draft) {
			st.WantReset(1)
			st.WantStop(1)
		} else {
			st.WantBytes(msg("17", "01"))
		}
	})
	for _, draft := range drafts {
		inWorld(t, draft+"/session", quietly, func(t *testing.T, w *world) {
			p, _ := w.publishing(draft)
			st, out := w.fetch(t.Context(), p)
			st.Send(fetchOK(draft))
			got := <-out
			require.NoError(t, got.err)
			defer got.r.Close()
			p.Close(0, "")
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_, err := got.r.Next(ctx)
			require.ErrorIs(t, err, moq.ErrDropped)
		})
	}
}
