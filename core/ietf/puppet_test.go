package ietf_test

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
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
	moq14 = "moq-00"
	moq16 = "moqt-16"
	moq18 = "moqt-18"
	moq19 = "moqt-19"
)

var drafts = []string{moq14, moq16, moq18, moq19}

// quietly is the configuration of most worlds.
var quietly dialect.Config

// streams says that requests have streams of their own.
func streams(draft string) bool { return draft == moq18 || draft == moq19 }

// A world is a relay on an ordered network. Sessions of the node "puppet" see
// what is below p, where a local publisher has room/video; a neighbour next
// door sees what is below n.
type world struct {
	t     *testing.T
	net   *memnet.Network
	relay *route.Mux
	lis   quic.Listener
	conf  dialect.Config
	done  chan struct{}

	track *moq.Track
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
			w.next.check()
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
	w.track = w.publish("p/room", false, "video")
	w.video = moq.NewTrackWriter(w.track, time.Now)
	var err error
	w.lis, err = w.net.Node("relay").Listen(":4443", &tls.Config{NextProtos: session.Protocols(nil)},
		&quic.Config{EnableDatagrams: true, MaxIncomingStreams: 20000, MaxIncomingUniStreams: 20000})
	require.NoError(t, err)
	go w.serve()
	w.next = newNeighbour(w)
	return w
}

// publish enters a broadcast with one track.
func (w *world) publish(path moq.Path, hidden bool, name string) *moq.Track {
	t := moq.NewTrack(moq.FullTrackName{Path: path, Name: name}, moq.CacheLimits{}, nil)
	t.SetInfo(moq.TrackInfo{Priority: 155, MaxAge: 10 * time.Second, Order: moq.Ascending})
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

func (w *world) close() {
	_ = w.lis.Close()
	w.net.Close()
	<-w.done
	for _, p := range w.pubs {
		p.End()
	}
	pass(time.Minute) // lingering routes and idle tracks
	synctest.Wait()
	if got := w.relay.Stats(); got != (route.Stats{}) {
		w.t.Errorf("the relay still holds something: %+v", got)
	}
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

// dial returns a puppet that is a client of the relay and has said nothing.
func (w *world) dial(draft string) *quictest.Puppet {
	w.t.Helper()
	return quictest.NewPuppet(w.t, w.connect("puppet", draft))
}

// A peer is a puppet beyond the set-up of its draft.
type peer struct {
	*quictest.Puppet
	t       *testing.T
	draft   string
	control *quictest.PuppetStream // ours, and the relay's in 14 and 16
	theirs  *quictest.PuppetStream // the relay's control stream
}

// What both roles say of themselves: 5120 requests, and who they are.
var (
	clientSetup = map[string]string{
		moq14: "20 0015 01 c0000000ff00000e 02 02 6800 07 06 6d6f7174676f",
		moq16: "20 000c 02 02 6800 05 06 6d6f7174676f",
		moq18: "af00 0008 07 06 6d6f7174676f",
		moq19: "af00 000a 07 06 6d6f7174676f 01 08",
	}
	// of a client that is a relay
	relaySetup = map[string]string{
		moq14: "20 001b 01 c0000000ff00000e 02 02 6800 07 0c 6d6f7174676f2d72656c6179",
		moq16: "20 0012 02 02 6800 05 0c 6d6f7174676f2d72656c6179",
		moq18: "af00 000e 07 0c 6d6f7174676f2d72656c6179",
		moq19: "af00 0010 07 0c 6d6f7174676f2d72656c6179 01 08",
	}
	// of the relay, whose hop id is 99
	serverSetup = map[string]string{
		moq14: "21 001b c0000000ff00000e 03 02 6800 07 06 6d6f7174676f 80040b55 02 4063",
		moq16: "21 0013 03 02 6800 05 06 6d6f7174676f 80040b4e 02 4063",
		moq18: "af00 000d 07 06 6d6f7174676f c40b4e 01 63",
		moq19: "af00 000f 07 06 6d6f7174676f 01 08 c40b4d 01 63",
	}
)

// join returns a puppet whose session has begun, with the golden bytes of the
// relay's set-up.
func (w *world) join(draft string) *peer {
	w.t.Helper()
	p := &peer{Puppet: w.dial(draft), draft: draft, t: w.t}
	if streams(draft) {
		p.control = p.OpenUni(x(clientSetup[draft]))
		p.theirs = p.AcceptUni()
	} else {
		p.control = p.Open(x(clientSetup[draft]))
		p.theirs = p.control
	}
	p.theirs.WantHex(serverSetup[draft])
	return p
}

// ask makes a request and returns the stream on which the answers come.
func (p *peer) ask(b []byte) *quictest.PuppetStream {
	p.t.Helper()
	if streams(p.draft) {
		return p.Open(b)
	}
	return p.control.Send(b)
}

// x is hex without its spaces; 'quoted' words stand for a length and a string.
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

// msg is a control message: its type and a body behind 16 bits of length.
func msg(kind string, parts ...any) []byte {
	body := x(parts...)
	return append(append(x(kind), byte(len(body)>>8), byte(len(body))), body...)
}

// of returns what the draft at hand sends.
func of(draft, for14, for16, for18 string) string {
	return map[string]string{moq14: for14, moq16: for16, moq18: for18, moq19: for18}[draft]
}

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
	p, err := session.Open(ctx, w.connect("neighbour", moq19), dialect.Client, &session.Config{})
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
	require.NoError(n.w.t, g.WriteFrame(moq.Frame{Payload: []byte(want)}))
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
