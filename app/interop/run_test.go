package interop

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/app/moqt"
)

// Our relay passes every case, in every draft and on both transports.
func TestRelay(t *testing.T) {
	forEach(t, func(w *world, url, version string) {
		w.serve(nil)
		ok, out := w.play(w.runner(url, version), ids()...)
		require.True(w, ok, out)
		require.Equal(w, len(Cases()), strings.Count(out, "\nok "), out)
		require.Equal(w, len(Cases()), strings.Count(out, "draft: \""+Draft(version)+"\""), out)
		require.NotContains(w, out, "SKIP")
	})
}

// A relay that changes what it relays is found out.
func TestForgery(t *testing.T) {
	for id, want := range map[string]string{
		"single-object":   `received: "[\"forged\"]"`,
		"multiple-groups": `received: "[\"forged\"]"`,
		"late-subscriber": `received: "[\"forged\"]"`,
		"fetch":           `received: "[\"forged\"]"`,
	} {
		bubble(t, id, func(w *world) {
			honest, forged := moqt.NewTrackMux(nil), moqt.NewTrackMux(nil)
			b := moqt.NewBroadcast()
			track, err := b.Track(trackName, moqt.TrackInfo{})
			require.NoError(w, err)
			g, err := track.AppendGroup()
			require.NoError(w, err)
			require.NoError(w, g.WriteFrame(moqt.Frame{Payload: []byte("forged")}))
			require.NoError(w, g.Close())
			require.NoError(w, forged.Announce(w.Context(), namespace, b))
			first := true
			w.serve(moqt.SetupHandlerFunc(func(sw moqt.SetupResponseWriter, r *moqt.SetupRequest) {
				if !first {
					_, _ = moqt.Accept(sw, r, forged)
					return
				}
				first = false
				_, err := moqt.AcceptRelay(sw, r, honest) // the publisher is asked for the track
				require.NoError(w, err)
				w.wg.Go(func() {
					in, err := honest.Subscribe(w.Context(), namespace, trackName, nil)
					if err == nil {
						<-r.Context().Done()
						in.Close()
					}
				})
			}))
			ok, out := w.play(w.runner("moqt://relay:4443", "moqt-19"), id)
			require.False(w, ok)
			require.Contains(w, out, want)
		})
	}
}

func TestBailOut(t *testing.T) {
	bubble(t, "nobody", func(w *world) {
		ok, out := w.play(w.runner("moqt://nowhere:4443"), "setup-only", "announce-only")
		require.False(w, ok)
		require.Contains(w, out, "1..2\nnot ok 1 - setup-only\n")
		require.Regexp(w, `\nBail out! the relay cannot be reached: .+\n$`, out)
	})
	bubble(t, "no draft in common", func(w *world) {
		w.script(script{setup: setup18})
		ok, out := w.play(w.runner("moqt://relay:4443", "moqt-19"), "setup-only", "announce-only")
		require.False(w, ok)
		require.Regexp(w, `received: "the end of the connection"\n(?s:.*)\nBail out! the relay cannot be reached: `, out)
	})
	bubble(t, "interrupted", func(w *world) {
		w.serve(nil)
		ctx, cancel := context.WithCancelCause(w.Context())
		var out strings.Builder
		stopping := writerFunc(func(p []byte) (int, error) {
			if strings.HasPrefix(string(p), "ok 1") {
				cancel(errors.New("enough"))
			}
			return out.Write(p)
		})
		ok, err := w.runner("moqt://relay:4443").Run(ctx, stopping, ids())
		require.NoError(w, err)
		require.False(w, ok)
		require.True(w, strings.HasSuffix(out.String(), "\n  ...\nBail out! enough\n"), out.String())
	})
}

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Cases() {
		for _, name := range append([]string{c.ID}, c.Aliases...) {
			require.False(t, seen[name], name)
			seen[name] = true
			found, ok := Find(name)
			require.True(t, ok)
			require.Equal(t, c.ID, found.ID)
		}
	}
	_, err := (&Runner{}).Run(t.Context(), io.Discard, []string{"setup-only", "dance"})
	require.ErrorIs(t, err, ErrUnsupported)
	bubble(t, "alias", func(w *world) {
		w.serve(nil)
		_, out := w.play(w.runner("https://relay:4443"), "publish-namespace-only", "subscribe-before-publish-namespace")
		require.Contains(w, out, "\nok 1 - publish-namespace-only\n")
		require.Contains(w, out, "\nok 2 - subscribe-before-publish-namespace\n")
	})
}

func TestVersions(t *testing.T) {
	require.Equal(t, []string{"moqt-19", "moqt-18", "moqt-16", "moq-00", "moqt-20"}, Versions())
	for _, draft := range []string{"14", "draft-14", "moq-00"} {
		v, err := Version(draft)
		require.NoError(t, err)
		require.Equal(t, "moq-00", v)
	}
	for _, draft := range []string{"", "5", "draft-15", "moq-lite-05", "moql"} {
		_, err := Version(draft)
		require.ErrorContains(t, err, "draft-18", draft)
	}
}

func TestTAP(t *testing.T) {
	var b strings.Builder
	tp := &tap{w: &b}
	tp.begin(3, "moqt 1", "a\nb")
	tp.point("one", nil, 1500*time.Microsecond, fact{"draft", "draft-18"})
	tp.point("two", optional(&moqt.Error{Code: moqt.CodeUnsupported, Remote: true, Wire: 3, Reason: "not\nhere"}), 0)
	tp.point("three", &failure{expected: "this", received: `"that"`, err: errors.New("no \u2028 # \n way")}, time.Minute)
	tp.bailOut("it is\nover")
	require.NoError(t, tp.err)
	require.Equal(t, `TAP version 14
# moqt 1
# a b
1..3
ok 1 - one
  ---
  duration_ms: 1
  draft: "draft-18"
  ...
ok 2 - two # SKIP moq: unsupported: not here (the peer's code 3)
  ---
  duration_ms: 0
  ...
not ok 3 - three
  ---
  duration_ms: 60000
  expected: "this"
  received: "\"that\""
  message: "no \u2028 # \n way"
  ...
Bail out! it is over
`, b.String())
	failing := errors.New("full")
	tp = &tap{w: writerFunc(func([]byte) (int, error) { return 0, failing })}
	tp.begin(1)
	require.ErrorIs(t, tp.err, failing)
	// Only what the relay itself calls unsupported is left out.
	local := moqt.Errorf(moqt.CodeUnsupported, "not by us")
	require.Equal(t, error(local), optional(local))
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
