package lite_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/core/session"
	"github.com/moqtgo/moqt/ports/quic"
)

// A wild is a puppet without a plan: a script of bytes decides what it sends,
// on which stream, how broken, and when. It speaks the draft well enough to get
// everywhere.
type wild struct {
	w      *world
	script []byte
	server quic.Listener // not nil: the relay dials it
	draft  string
	conn   quic.Connection
	loops  sync.WaitGroup

	mu      sync.Mutex
	streams []wildStream // ours and, of bidirectional ones, theirs
	subs    int          // subscriptions of theirs
}

// A wildStream is known by the type that opened it; ours that carry groups are
// uni, our requests own.
type wildStream struct {
	quic.SendStream
	kind int
}

const (
	own = -1 - iota
	uni
)

// byte is the next one of the script; zeros follow it.
func (f *wild) byte() int {
	if len(f.script) == 0 {
		return 0
	}
	b := f.script[0]
	f.script = f.script[1:]
	return int(b)
}

// phrases are what can be said on a kind of stream; the type of ours comes
// first.
func (f *wild) phrases(kind int) []string {
	body := func(kind string, rest ...any) string { return fmt.Sprintf("%s %x ", kind, msg(fmt.Sprintln(rest...))) }
	path := []string{"'room/bob'", "'room/bob'", "'room/carol'", "''", "'//room/bob/'"}[f.byte()%5]
	name := []string{"'room/alice' 'video'", "'/room/alice' 'video'", "'room/bob' 'video'", "'' ''", "'room' 'x'"}[f.byte()%5]
	prefix := []string{"''", "'/'", "'room'", "'/room/'"}[f.byte()&3]
	hop := map[string]string{lite04: "00", lite05: "07"}[f.draft]
	n := fmt.Sprintf("%02x", f.byte()&7)
	f.mu.Lock()
	id := fmt.Sprintf("%02x", min(63, max(0, f.subs-1-f.byte()&1)))
	f.mu.Unlock()
	way := map[string]string{lite03: "01", lite04: "01 05", lite05: "01 05"}[f.draft]
	switch {
	case kind == uni:
		return []string{
			"00 02" + id + n, "00 02" + id + n + " 01 61 00 00", "00 02" + id + n + " 02 01 62", "01 01 00",
			"00 02" + id + n + " 04 03 616263 02 8f00" + strings.Repeat("77", 3840),
		}
	case kind == own && f.draft == lite02:
		return []string{body("01", prefix), body("02", n, name, "02"), body("02", n, name, "02")}
	case kind == own:
		return []string{
			body("01", prefix, hop), body("02", n, name, "02 00 00 00 00"), body("02", n, name, "02 01 43e8 01 05"),
			body("02", n, name, "02 00 00 00 00") + "05 07 00 00 00 00", body("03", name, "02", n), "04", "04 05 802625a0 28",
			"05 01 00", body("06", name),
		}
	case kind == 1 && f.draft == lite02:
		return []string{body("", "01", path), body("", "01", path), body("", "00", path)}
	case kind == 1:
		ended := map[string]string{lite02: ""}[f.draft] + "00"
		return []string{body("", "01", path, way), body("", "00", path, ended)}
	case kind == 6:
		return []string{"08 01 00 5388 80015f90", "08 01 01 6710 80015f90", "05 01 00 00 01"}
	case kind == typeInBand:
		return []string{"04 802625a0", "01 00"}
	case f.draft == lite02:
		return []string{"00"}
	case f.draft == lite05:
		return []string{"00 01" + n, "01 01" + n, "02 03 01" + n + "00"}
	}
	return []string{"00 05 02 00 00 00 00", "00 05 02 00 00" + n + "00", "01 03 01" + n + "02"}
}

// say returns a phrase, more or less as it should be.
func (f *wild) say(phrases []string) []byte {
	data := x(phrases[f.byte()%len(phrases)])
	switch f.byte() & 63 {
	case 0: // too short
		data = data[:f.byte()%(len(data)+1)]
	case 1: // a wrong byte
		data[f.byte()%len(data)] ^= byte(1 + f.byte())
	case 2: // noise behind it
		for range f.byte() & 31 {
			data = append(data, byte(f.byte()))
		}
	case 3: // a huge number somewhere
		at := f.byte() % len(data)
		data = append(data[:at:at], append(x(huge), data[at:]...)...)
	case 4: // noise only
		for i := range data {
			data[i] = byte(f.byte())
		}
	}
	return data
}

func (f *wild) add(s quic.SendStream, kind int) {
	f.mu.Lock()
	f.streams = append(f.streams, wildStream{s, kind})
	if kind == 2 {
		f.subs++
	}
	f.mu.Unlock()
}

// any returns one of the last streams.
func (f *wild) any() *wildStream {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.streams)
	if n == 0 {
		return nil
	}
	return &f.streams[n-1-f.byte()%min(n, 16)]
}

// connect begins a session, well or not.
func (f *wild) connect() {
	f.draft = drafts[f.byte()&3]
	f.streams, f.subs = nil, 0
	if f.server != nil {
		f.beDialed()
	} else {
		f.conn = f.w.connect("puppet", f.draft)
	}
	conn := f.conn
	f.loops.Go(func() {
		for {
			s, err := conn.AcceptStream(context.Background())
			if err != nil {
				return
			}
			f.loops.Go(func() {
				var kind [1]byte
				_, _ = s.Read(kind[:])
				f.add(s, int(kind[0]))
				drain(s)
			})
		}
	})
	f.loops.Go(func() {
		for {
			s, err := conn.AcceptUniStream(context.Background())
			if err != nil {
				return
			}
			f.loops.Go(func() { drain(s) })
		}
	})
	if f.byte()&7 == 7 {
		return // no set-up
	}
	switch {
	case f.draft == lite02 && f.server == nil:
		f.open(x("20 000a 01 c0000000ff0dad02 00"))
	case f.draft == lite02:
		time.Sleep(15 * time.Millisecond)
		f.answer(typeInBand, "21 0009 c0000000ff0dad02 00")
	case f.draft == lite05:
		f.openUni(x("01 01 00"))
	}
	time.Sleep(30 * time.Millisecond)
	first := map[string]string{lite02: "01 00", lite05: "02 07 00"}[f.draft]
	if f.byte()&7 == 7 {
		return
	}
	f.answer(1, first)
}

// typeInBand is that of CLIENT_SETUP.
const typeInBand = 0x20

// answer writes to the streams of a kind.
func (f *wild) answer(kind int, data string) {
	f.mu.Lock()
	streams := slices.Clone(f.streams)
	f.mu.Unlock()
	for _, s := range streams {
		if s.kind == kind {
			_, _ = s.Write(x(data))
		}
	}
}

// beDialed has the relay begin a session as a client that imports.
func (f *wild) beDialed() {
	ctx, cancel := timeout(10 * time.Second)
	defer cancel()
	draft := f.draft
	f.loops.Go(func() {
		ctx, cancel := timeout(10 * time.Second)
		defer cancel()
		c, err := f.w.net.Node("relay").Dial(ctx, "wild:4443", &tls.Config{NextProtos: []string{draft}}, &quic.Config{EnableDatagrams: true})
		if err != nil {
			return
		}
		p, err := session.Open(ctx, c, dialect.Client, &session.Config{Config: dialect.Config{Import: true}})
		if err == nil {
			_, _ = session.Accept(ctx, p, f.w.relay.View(route.Scope{Root: "p"}))
		}
	})
	c, err := f.server.Accept(ctx)
	if err != nil {
		panic(err)
	}
	f.conn = c
}

func drain(r quic.ReceiveStream) {
	buf := make([]byte, 4096)
	for {
		if _, err := r.Read(buf); err != nil {
			return
		}
	}
}

func (f *wild) open(data []byte) {
	ctx, cancel := timeout(time.Second)
	defer cancel()
	if s, err := f.conn.OpenStream(ctx); err == nil {
		_, _ = s.Write(data)
		f.add(s, own)
		f.loops.Go(func() { drain(s) })
	}
}

func (f *wild) openUni(data []byte) {
	ctx, cancel := timeout(time.Second)
	defer cancel()
	if s, err := f.conn.OpenUniStream(ctx); err == nil {
		_, _ = s.Write(data)
		f.add(s, uni)
	}
}

// act does what the script says next.
func (f *wild) act() {
	switch op := f.byte() & 15; op {
	case 0, 1:
		f.open(f.say(f.phrases(own)))
	case 2, 3, 4:
		f.openUni(f.say(f.phrases(uni)))
	case 5, 6, 7, 8, 9:
		if s := f.any(); s != nil {
			_, _ = s.Write(f.say(f.phrases(s.kind)))
			if s.kind == 6 && f.byte()&7 > 0 {
				_ = s.Close()
			}
		}
	case 10:
		if s := f.any(); s != nil && (s.kind != 1 || f.byte()&7 == 0) {
			_ = s.Close()
		}
	case 11:
		if s := f.any(); s != nil && (s.kind != 1 || f.byte()&7 == 0) {
			s.CancelWrite(quic.ErrorCode(f.byte()))
		}
	case 12:
		if s := f.any(); s != nil {
			if r, ok := s.SendStream.(quic.Stream); ok {
				r.CancelRead(quic.ErrorCode(f.byte()))
			}
		}
	case 13:
		_ = f.conn.SendDatagram(f.say([]string{"00 01 00 61", "01 05 80015f90"}))
	case 14:
		time.Sleep(time.Duration(f.byte()) * 4 * time.Millisecond)
	case 15:
		if f.byte()&7 == 0 {
			_ = f.conn.CloseWithError(quic.ErrorCode(f.byte()&1), "")
		}
	}
	time.Sleep(time.Millisecond)
}

// audience subscribes to what the wild one may publish, again and again.
func (w *world) audience(ctx context.Context) {
	view := w.relay.View(route.Scope{Root: "p"})
	for n := 0; ctx.Err() == nil; n++ {
		name := moq.FullTrackName{Path: "room/bob", Name: fmt.Sprint("t", n&7)}
		if r, err := view.Subscribe(name, moq.Subscription{Priority: uint8(n & 3)}, time.Now(), nil); err == nil {
			ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			for g, err := range r.Groups(ctx) {
				if err != nil {
					break
				}
				for range g.Frames(ctx) {
				}
			}
			cancel()
			r.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// playWild lets a script run to its end; the neighbour must not notice.
func playWild(t *testing.T, script []byte, server bool) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dialect.Config{})
		defer w.close()
		ctx, cancel := context.WithCancel(context.Background())
		var audience sync.WaitGroup
		audience.Go(func() { w.audience(ctx) })
		w.group(0, "a", 1, "b")
		f := &wild{w: w, script: script}
		if server {
			lis, err := w.net.Node("wild").Listen(":4443", &tls.Config{NextProtos: drafts}, &quic.Config{EnableDatagrams: true})
			require.NoError(t, err)
			defer lis.Close()
			f.server = lis
		}
		f.connect()
		for n := 1; len(f.script) > 0; n++ {
			if f.conn.Context().Err() != nil {
				f.connect()
			}
			f.act()
			if n%32 == 0 {
				w.next.check()
				w.group(n, "more", n+1, strings.Repeat("z", 20000*(n>>5&7)))
				_ = w.alice.AddDatagram(uint64(n), moq.ObjectHeader{}, []byte("dg"), true, time.Now())
			}
		}
		time.Sleep(time.Second)
		w.next.check()
		_ = f.conn.CloseWithError(0, "")
		cancel()
		audience.Wait()
		f.loops.Wait()
	})
}

func randomScript(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	script := make([]byte, n)
	for i := range script {
		script[i] = byte(r.Uint32())
	}
	return script
}

func TestWildSessions(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("client ", seed), func(t *testing.T) { playWild(t, randomScript(seed, 4000), false) })
		t.Run(fmt.Sprint("server ", seed), func(t *testing.T) { playWild(t, randomScript(seed, 4000), true) })
	}
}

func FuzzSession(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(randomScript(100+seed, 500))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 1<<13 {
			return
		}
		playWild(t, script, len(script)%2 == 1)
	})
}
