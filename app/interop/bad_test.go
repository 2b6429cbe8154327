package interop

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/ports/quic"
)

// x is hex without its spaces.
func x(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// A script plays a relay of moqt-18 with bytes: one for every connection.
type script struct {
	setup []byte // on its control stream; nil: nothing is ever said
	// answers are what is sent for a request, by the type of its first
	// message; what is not there is never answered.
	answers map[byte][]byte
	// close, if it is not nil, closes the connection when a request with this
	// type has been withdrawn.
	close map[byte]quic.ErrorCode
}

var setup18 = x("af00 0008 07 06 6d6f7174676f")

// script plays a script on a listener of the node "relay".
func (w *world) script(s script) {
	lis, err := w.net.Node("relay").Listen(":4443", &tls.Config{NextProtos: []string{"moqt-18"}},
		&quic.Config{EnableDatagrams: true, MaxIncomingStreams: 100, MaxIncomingUniStreams: 100})
	require.NoError(w, err)
	w.stop = append(w.stop, func() { _ = lis.Close() })
	w.wg.Go(func() {
		for {
			c, err := lis.Accept(context.Background())
			if err != nil {
				return
			}
			w.wg.Go(func() { s.play(w, c) })
		}
	})
}

func (s *script) play(w *world, c quic.Connection) {
	defer c.CloseWithError(0, "")
	if s.setup != nil {
		st, err := c.OpenUniStream(c.Context())
		require.NoError(w, err)
		_, err = st.Write(s.setup)
		require.NoError(w, err)
	}
	for {
		st, err := c.AcceptStream(c.Context())
		if err != nil {
			return
		}
		w.wg.Go(func() {
			buf := make([]byte, 1<<10)
			n, _ := st.Read(buf)
			if n == 0 {
				return
			}
			if answer := s.answers[buf[0]]; answer != nil {
				_, _ = st.Write(answer)
			}
			for err == nil {
				_, err = st.Read(buf[1:])
			}
			var reset *quic.StreamError
			if code, ok := s.close[buf[0]]; ok && errors.As(err, &reset) {
				_ = c.CloseWithError(code, "how dare you")
			}
		})
	}
}

// What is wrong with a relay fails the case that is about it, and says how.
func TestBadRelays(t *testing.T) {
	ok := x("07 0001 00")
	subscribeOK := x("04 0002 00 00")
	for _, test := range []struct {
		name, id string
		script   script
		want     string // an expression of what is written beneath "not ok"
	}{
		{"nothing is said", "setup-only", script{}, `expected: "a connection and SETUP"\n  received: "timeout"`},
		{"SETUP is none", "setup-only", script{setup: x("07 0001 00")}, `received: "nothing of use"`},
		{"nothing is answered", "announce-only", script{setup: setup18}, `expected: "PUBLISH_NAMESPACE_OK"\n  received: "timeout"`},
		{"refused", "announce-only", script{setup: setup18, answers: map[byte][]byte{0x06: x("05 0005 01 00 02 6e6f")}},
			`expected: "PUBLISH_NAMESPACE_OK"\n  received: "REQUEST_ERROR 0x1"\n  message: ".*unauthorized: no`},
		{"another answer", "announce-only", script{setup: setup18, answers: map[byte][]byte{0x06: subscribeOK}}, `received: "nothing of use"\n  message: ".*SUBSCRIBE|received: "nothing of use"\n  message: ".*subscribeOK`},
		{"withdrawal is not taken", "publish-namespace-done", script{setup: setup18, answers: map[byte][]byte{0x06: ok}, close: map[byte]quic.ErrorCode{0x06: 3}},
			`expected: "a session that lasts"\n  received: "the end of the session with code 0x3"\n  message: ".*how dare you`},
		{"everything exists", "subscribe-error", script{setup: setup18, answers: map[byte][]byte{0x03: subscribeOK}},
			`expected: "REQUEST_ERROR"\n  received: "SUBSCRIBE_OK"`},
		{"nobody knows", "subscribe-error", script{setup: setup18}, `expected: "REQUEST_ERROR"\n  received: "timeout"`},
		{"the session is closed instead", "subscribe-error", script{setup: setup18, answers: map[byte][]byte{0x03: x("05 ffff")}, close: map[byte]quic.ErrorCode{0x03: 1}},
			`expected: "REQUEST_ERROR"\n  received: "timeout"`},
		{"not routed", "announce-subscribe", script{setup: setup18, answers: map[byte][]byte{0x06: ok, 0x03: x("05 0003 10 00 00")}},
			`expected: "SUBSCRIBE_OK"\n  received: "REQUEST_ERROR 0x10"`},
		{"routed nowhere", "announce-subscribe", script{setup: setup18, answers: map[byte][]byte{0x06: ok}}, `expected: "SUBSCRIBE_OK"\n  received: "timeout"`},
		{"early subscriptions are forgotten", "subscribe-before-announce", script{setup: setup18, answers: map[byte][]byte{0x06: ok}}, `expected: "SUBSCRIBE_OK"\n  received: "timeout"`},
		{"late publishers are refused", "subscribe-before-announce", script{setup: setup18, answers: map[byte][]byte{0x03: subscribeOK, 0x06: x("05 0003 00 00 00")}},
			`expected: "PUBLISH_NAMESPACE_OK"\n  received: "REQUEST_ERROR 0x0"`},
		{"PUBLISH is refused", "publish-track-only", script{setup: setup18, answers: map[byte][]byte{0x1d: x("05 0003 20 00 00")}}, `expected: "PUBLISH_OK"\n  received: "REQUEST_ERROR 0x20"`},
		{"nothing is relayed", "publish-track-subscribe", script{setup: setup18, answers: map[byte][]byte{0x1d: ok, 0x03: subscribeOK}}, `expected: "1 more groups"\n  received: "timeout"`},
		{"nobody is asked", "single-object", script{setup: setup18, answers: map[byte][]byte{0x06: ok, 0x03: subscribeOK}}, `expected: "SUBSCRIBE from the relay"\n  received: "timeout"`},
		{"no namespace is told", "subscribe-namespace", script{setup: setup18, answers: map[byte][]byte{0x06: ok, 0x50: ok}}, `expected: "NAMESPACE"\n  received: "timeout"`},
	} {
		bubble(t, test.id+"/"+test.name, func(w *world) {
			w.script(test.script)
			passed, out := w.play(w.runner("moqt://relay:4443", "moqt-18"), test.id, "setup-only")
			require.False(w, passed, out)
			head, _, _ := strings.Cut(out, "ok 2")
			require.Contains(w, head, "\nnot ok 1 - "+test.id+"\n", out)
			require.Regexp(w, test.want, head, out)
			if test.script.setup != nil && test.id != "setup-only" {
				require.Contains(w, out, "\nok 2 - setup-only\n", "the next case is played all the same")
			}
		})
	}
}
