package lite_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/core/session"
	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/quic/quictest"
)

// The drafts that the puppets speak.
const (
	lite02 = "moql"
	lite03 = "moq-lite-03"
	lite04 = "moq-lite-04"
	lite05 = "moq-lite-05"
)

var drafts = []string{lite02, lite03, lite04, lite05}

// A world is a relay, whose id is 99, on an ordered network. Sessions of the
// nodes "puppet" see what is below p, where a local publisher has
// room/alice/video; a neighbour next door sees what is below n.
type world struct {
	t     *testing.T
	net   *memnet.Network
	relay *route.Mux
	lis   quic.Listener
	conf  dialect.Config
	done  chan struct{}

	alice *moq.Track
	video *moq.TrackWriter
	pubs  []*route.Publication
	next  *neighbour
}

// inWorld runs f in a bubble with a world of its own, and wants the relay to be
// empty and all goroutines to have ended afterwards.
func inWorld(t *testing.T, name string, conf dialect.Config, f func(t *testing.T, w *world)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, conf)
			t.Cleanup(w.close)
			f(t, w)
		})
	})
}

// forDrafts is inWorld for each of the drafts.
func forDrafts(t *testing.T, drafts []string, f func(t *testing.T, w *world, draft string)) {
	t.Helper()
	for _, d := range drafts {
		inWorld(t, d, dialect.Config{}, func(t *testing.T, w *world) { f(t, w, d) })
	}
}

func newWorld(t *testing.T, conf dialect.Config) *world {
	w := &world{t: t, conf: conf, done: make(chan struct{})}
	w.net = memnet.New(memnet.Config{Seed: 1, Settle: synctest.Wait, Link: memnet.Link{Latency: 10 * time.Millisecond}})
	w.relay = session.NewMux(route.Config{Hop: 99})
	w.alice = w.publish("p/room/alice", false, "video")
	w.video = moq.NewTrackWriter(w.alice, time.Now)
	var err error
	w.lis, err = w.net.Node("relay").Listen(":4443", &tls.Config{NextProtos: session.Protocols(nil)},
		&quic.Config{EnableDatagrams: true, MaxIncomingStreams: 20000, MaxIncomingUniStreams: 20000})
	require.NoError(t, err)
	go w.serve()
	w.next = newNeighbour(w)
	return w
}

// publish enters a broadcast with tracks of 90,000 units a second.
func (w *world) publish(path moq.Path, hidden bool, name string) *moq.Track {
	t := moq.NewTrack(moq.FullTrackName{Path: path, Name: name}, moq.CacheLimits{}, nil)
	t.SetInfo(moq.TrackInfo{Timescale: 90000, Priority: 7, MaxAge: 10 * time.Second})
	pub, err := w.relay.View(route.Scope{}).Publish(path, route.Route{Hidden: hidden}, &source{map[string]*moq.Track{name: t}})
	require.NoError(w.t, err)
	w.pubs = append(w.pubs, pub)
	return t
}

func (w *world) serve() {
	defer close(w.done)
	for {
		c, err := w.lis.Accept(context.Background())
		if err != nil {
			return
		}
		go func() {
			conf := &session.Config{Config: w.conf}
			conf.Import = true
			if strings.HasPrefix(c.State().RemoteAddr.String(), "web") {
				c = web{c}
			}
			root := moq.Path("p")
			if strings.HasPrefix(c.State().RemoteAddr.String(), "neighbour") {
				root = "n"
			}
			p, err := session.Open(c.Context(), c, dialect.Server, conf)
			if err != nil {
				return
			}
			_, _ = session.Accept(c.Context(), p, w.relay.View(route.Scope{Root: root}))
		}()
	}
}

// pass lets virtual time pass: everything here runs in the bubble of a world.
func pass(d time.Duration) { time.Sleep(d) }

// A web is a connection that says it is a WebTransport session.
type web struct{ quic.Connection }

func (c web) State() quic.State {
	s := c.Connection.State()
	s.Transport, s.URL = quic.WebTransport, &url.URL{Scheme: "https", Host: "relay", Path: "/"}
	return s
}

func (w *world) close() {
	_ = w.lis.Close()
	w.net.Close()
	<-w.done
	for _, p := range w.pubs {
		p.End()
	}
	time.Sleep(time.Minute) // lingering routes and idle tracks
	synctest.Wait()
	if got := w.relay.Stats(); got != (route.Stats{}) {
		w.t.Errorf("the relay still holds something: %+v", got)
	}
}

// dial returns a puppet that is a client of the relay and has said nothing.
func (w *world) dial(draft string) *quictest.Puppet {
	w.t.Helper()
	return quictest.NewPuppet(w.t, w.connect("puppet", draft))
}

func (w *world) connect(node, draft string) quic.Connection {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := w.net.Node(node).Dial(ctx, "relay:4443", &tls.Config{NextProtos: []string{draft}},
		&quic.Config{EnableDatagrams: true, MaxIncomingStreams: 20000, MaxIncomingUniStreams: 20000})
	require.NoError(w.t, err)
	return c
}

// A peer is a puppet beyond the set-up of its draft.
type peer struct {
	*quictest.Puppet
	t     *testing.T
	draft string
	asks  *quictest.PuppetStream // the relay's Announce stream
	band  *quictest.PuppetStream // lite-02: the session stream
}

// join returns a puppet whose session has begun; what the relay sends at the
// start is checked.
func (w *world) join(draft string) *peer {
	w.t.Helper()
	p := &peer{Puppet: w.dial(draft), draft: draft, t: w.t}
	switch draft {
	case lite05:
		p.OpenUni(x("01 01 00")).FIN()
		p.AcceptUni().WantHex("01 08 02 010101 05024063").WantFIN()
	case lite02:
		p.band = p.Open(x("20 000a 01 c0000000ff0dad02 00"))
		p.band.WantHex("21 0009 c0000000ff0dad02 00")
	}
	p.asks = p.Accept()
	p.asks.WantHex(map[string]string{
		lite02: "01 01 00",
		lite03: "01 01 00",
		lite04: "01 04 01 2f 4063",
		lite05: "01 03 00 4063",
	}[draft])
	return p
}

// x is hex without its spaces; "quoted" words stand for a length and a string.
func x(parts ...any) []byte {
	var b []byte
	for _, field := range strings.Fields(fmt.Sprint(parts...)) {
		if s, ok := strings.CutPrefix(field, "'"); ok {
			s = strings.TrimSuffix(s, "'")
			b = append(append(b, byte(len(s))), s...)
			continue
		}
		d, err := hex.DecodeString(field)
		if err != nil {
			panic(err)
		}
		b = append(b, d...)
	}
	return b
}

// msg is a body behind its length, which must be below 16,384.
func msg(parts ...any) []byte {
	body := x(parts...)
	if n := len(body); n > 63 {
		return append([]byte{0x40 | byte(n>>8), byte(n)}, body...)
	}
	return append([]byte{byte(len(body))}, body...)
}

func join(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// m is what the code n is on raw QUIC, for a peer that has not shown another
// style.
func m(n quic.ErrorCode) quic.ErrorCode { return 0x52e4a40fa8db + n + n/30 }

// A source serves tracks from logs of its own.
type source struct{ tracks map[string]*moq.Track }

func (s *source) Track(n moq.FullTrackName) *moq.Track { return s.tracks[n.Name] }
func (s *source) Want(t *moq.Track)                    { t.Fail(moq.ErrNotFound) }
func (s *source) Drop(*moq.Track)                      {}
func (s *source) Fetch(context.Context, moq.FetchRequest) (*moq.ObjectReader, error) {
	return nil, moq.ErrNotFound
}

// A neighbour is an innocent session beside the puppet's: it must get its
// frames whatever happens there.
type neighbour struct {
	w     *world
	s     *session.Session
	out   *moq.TrackWriter
	in    *moq.TrackReader
	group uint64
}

func newNeighbour(w *world) *neighbour {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	n := &neighbour{w: w, out: moq.NewTrackWriter(w.publish("n/door", true, "bell"), time.Now)}
	p, err := session.Open(ctx, w.connect("neighbour", lite05), dialect.Client, &session.Config{})
	require.NoError(w.t, err)
	n.s, err = session.Accept(ctx, p, session.NewMux(route.Config{}).View(route.Scope{}))
	require.NoError(w.t, err)
	n.in, err = n.s.Subscribe(ctx, moq.FullTrackName{Path: "door", Name: "bell"}, moq.Subscription{Order: moq.Ascending})
	require.NoError(w.t, err)
	n.check()
	return n
}

// check publishes a group and wants the neighbour to have it within 100 ms: the
// link takes 10.
func (n *neighbour) check() {
	n.w.t.Helper()
	want := fmt.Sprintf("ring %d", n.group)
	g, err := n.out.AppendGroup()
	require.NoError(n.w.t, err)
	require.NoError(n.w.t, g.WriteFrame(moq.Frame{Payload: []byte(want), Timed: true, Timestamp: n.group}))
	require.NoError(n.w.t, g.Close())
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	got, err := n.in.NextGroup(ctx)
	require.NoError(n.w.t, err, "the neighbour")
	f, err := got.ReadFrame(ctx)
	require.NoError(n.w.t, err, "the neighbour")
	require.Equal(n.w.t, want, string(f.Payload))
	_, err = got.ReadFrame(ctx)
	require.Equal(n.w.t, io.EOF, err)
	n.group++
}

// quietly is the configuration of most worlds.
var quietly dialect.Config

func newPuppet(t *testing.T, c quic.Connection) *quictest.Puppet { return quictest.NewPuppet(t, c) }

func timeout(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}

var errEOF = io.EOF

// subscribeAlice is a SUBSCRIBE of room/alice/video, behind its type.
func subscribeAlice(id uint64) []byte {
	var number [8]byte
	binary.BigEndian.PutUint64(number[:], id|3<<62)
	return msg(hex.EncodeToString(number[:]), " 'room/alice' 'video' 02 00 00 00 00")
}
