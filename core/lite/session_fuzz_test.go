package lite_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/ports/quic"
)

// A wild is a puppet without a plan: a script of bytes decides what it sends,
// on which stream, how broken, and when. It speaks the draft well enough to get
// everywhere.
type wild struct {
	w      *world
	script []byte
	draft  string
	conn   quic.Connection
	loops  sync.WaitGroup

	mu      sync.Mutex
	streams []quic.SendStream // ours and, of bidirectional ones, theirs
}

// byte is the next one of the script; zeros follow it.
func (f *wild) byte() int {
	if len(f.script) == 0 {
		return 0
	}
	b := f.script[0]
	f.script = f.script[1:]
	return int(b)
}

// phrases are what can be said where: on streams of ours, and as the answers
// on theirs.
func (f *wild) phrases() (requests, groups, answers []string) {
	id := fmt.Sprintf("%02x", f.byte()&7)
	names := []string{"'room/alice' 'video'", "'/room/alice' 'video'", "'room/bob' 'video'", "'' ''", "'room' 'x'"}
	name := names[f.byte()%len(names)]
	prefix := []string{"''", "'/'", "'room'", "'/room/'"}[f.byte()&3]
	path := []string{"'room/bob'", "'room/carol'", "''", "'//x'"}[f.byte()&3]
	body := func(kind string, rest ...any) string { return fmt.Sprintf("%s %x ", kind, msg(fmt.Sprintln(rest...))) }
	groups = []string{"00 02 00" + id, "00 02 00" + id + " 01 61 00 00", "00 02 01" + id + " 02 01 62", "00 02" + id + "00", "01 01 00", "01 04 01 010101"}
	if f.draft == lite02 {
		requests = []string{body("01", prefix), body("02", id, name, " 02")}
		answers = []string{"00", body("", "01 01 ", path), body("", "01", path), body("", "00", path)}
		return requests, groups, answers
	}
	hop := map[string]string{lite03: "", lite04: " 00", lite05: " 07"}[f.draft]
	requests = []string{
		body("01", prefix, hop), body("02", id, name, " 02 00 00 00 00"), body("02", id, name, " 02 01 43e8 01 05"),
		body("02", id, name, " 02 00 00 00 00") + " 05 07 00 00 00 00", body("03", name, " 02", id), "04", "04 05 802625a0 28",
		"05 01 00", body("06", name),
	}
	hops := map[string]string{lite03: " 01", lite04: " 01 07", lite05: " 01 07"}[f.draft]
	answers = []string{
		body("", "01", path, hops), body("", "01", path, hops), body("", "00", path, " 00"), "02 07 01", body("", "07 01") + body("", "01", path, hops),
		"00 05 02 00 00 00 00", "00 01 00", "01 01 04", "02 03 01 02 00", "01 03 05 07 02", "08 01 00 5388 80015f90",
	}
	return requests, groups, answers
}

// say returns a phrase, more or less as it should be.
func (f *wild) say(phrases []string) []byte {
	data := x(phrases[f.byte()%len(phrases)])
	switch f.byte() & 15 {
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

func (f *wild) add(s quic.SendStream) {
	f.mu.Lock()
	f.streams = append(f.streams, s)
	f.mu.Unlock()
}

// any returns one of the streams, a late one more often than not.
func (f *wild) any() quic.SendStream {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.streams)
	if n == 0 {
		return nil
	}
	return f.streams[n-1-min(f.byte()&15, n-1)]
}

// connect begins a session, well or not.
func (f *wild) connect() {
	f.draft = drafts[f.byte()&3]
	f.conn = f.w.connect("puppet", f.draft)
	f.streams = nil
	conn := f.conn
	f.loops.Go(func() {
		for {
			s, err := conn.AcceptStream(context.Background())
			if err != nil {
				return
			}
			f.add(s)
			f.loops.Go(func() { drain(s) })
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
	switch f.draft {
	case lite02:
		f.open(x("20 000a 01 c0000000ff0dad02 00"))
	case lite05:
		f.openUni(x("01 01 00"))
	}
	time.Sleep(30 * time.Millisecond)
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
		f.add(s)
		f.loops.Go(func() { drain(s) })
	}
}

func (f *wild) openUni(data []byte) {
	ctx, cancel := timeout(time.Second)
	defer cancel()
	if s, err := f.conn.OpenUniStream(ctx); err == nil {
		_, _ = s.Write(data)
		f.add(s)
	}
}

// act does what the script says next.
func (f *wild) act() {
	requests, groups, answers := f.phrases()
	switch op := f.byte() & 15; op {
	case 0, 1, 2:
		f.open(f.say(requests))
	case 3, 4, 5:
		f.openUni(f.say(groups))
	case 6, 7, 8, 9:
		if s := f.any(); s != nil {
			_, _ = s.Write(f.say(answers))
		}
	case 10:
		if s := f.any(); s != nil {
			_ = s.Close()
		}
	case 11:
		if s := f.any(); s != nil {
			s.CancelWrite(quic.ErrorCode(f.byte()))
		}
	case 12:
		if s, ok := f.any().(quic.Stream); ok {
			s.CancelRead(quic.ErrorCode(f.byte()))
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
	for ctx.Err() == nil {
		r, err := view.Subscribe(bobVideo, moq.Subscription{}, time.Now(), nil)
		if err == nil {
			for g, err := range r.Groups(ctx) {
				if err != nil {
					break
				}
				for range g.Frames(ctx) {
				}
			}
			r.Close()
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// playWild lets a script run to its end; the neighbour must not notice.
func playWild(t *testing.T, script []byte) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dialect.Config{})
		defer w.close()
		ctx, cancel := context.WithCancel(context.Background())
		var audience sync.WaitGroup
		audience.Go(func() { w.audience(ctx) })
		w.group(0, "a", 1, "b")
		f := &wild{w: w, script: script}
		f.connect()
		for n := 1; len(f.script) > 0; n++ {
			if f.conn.Context().Err() != nil {
				f.connect()
			}
			f.act()
			if n%32 == 0 {
				w.next.check()
				w.group(n, "more")
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
		t.Run(fmt.Sprint(seed), func(t *testing.T) { playWild(t, randomScript(seed, 4000)) })
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
		playWild(t, script)
	})
}
