package ietf_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/moqtgo/moqt/core/dialect"
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
	ours   int // of the next request
	loops  sync.WaitGroup

	mu      sync.Mutex
	streams []wildStream // ours and, of bidirectional ones, theirs
	fetches []byte       // ids of their requests
}

// A wildStream is ours and carries a request, ours and carries objects, one of
// control, or one of their requests.
type wildStream struct {
	quic.SendStream
	kind  wildKind
	about byte // the type of the request
}

type wildKind int

const (
	wildRequest wildKind = iota
	wildObjects
	wildControl
	wildTheirs
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

// draw returns the next request id of the wild one, more or less.
func (f *wild) draw() string {
	id := f.ours
	if f.byte()&63 == 0 {
		id += f.byte() & 7
	}
	switch {
	case id < 64, id < 128 && !f.old():
		return fmt.Sprintf("%02x", id)
	case f.old():
		return fmt.Sprintf("%04x", 0x4000|id&0x3fff)
	}
	return fmt.Sprintf("%04x", 0x8000|id&0x3fff)
}

// spend notes that a message with an id of ours was said.
func (f *wild) spend(said []byte) {
	if len(said) > 0 && (said[0] == 0x02 || said[0] == 0x03 || said[0] == 0x06 || said[0] == 0x0d || said[0] == 0x11 || said[0] == 0x16 || said[0] == 0x1d || said[0] >= 0x50) {
		f.ours += 2
	}
}

func (f *wild) old() bool { return !streams(f.draft) }

// requests are the first messages of ours.
func (f *wild) requests() []string {
	say := func(kind string, rest ...any) string { return fmt.Sprintf("%x ", msg(kind, fmt.Sprintln(rest...))) }
	name := []string{"01 'room' 'video'", "01 'bob' 'video'", "01 'bob' 't1'", "01 'eve' 'video'", "02 'bob' 'x' 't1'"}[f.byte()%5]
	prefix := []string{"00", "01 'room'", "01 'bob'", "02 'bob' 'x'"}[f.byte()&3]
	if f.draft == moq14 && prefix == "00" {
		prefix = "01 'b'"
	}
	id, n := f.draw(), fmt.Sprintf("%02x", f.byte()&7)
	inline := func(fields string) string { return of(f.draft, fields, "", "") }
	return []string{
		say("03", id, name, of(f.draft, "80 00 01 02 00", "01 21 01 02", "01 21 01 02")),
		say("03", id, name, of(f.draft, "80 01 01 03 00 00 00", "00", "02 04 14 1c 01")),
		say("1d", id, name, n, inline("01 00 01"), "00"), say("1d", id, name, n, of(f.draft, "01 01 02 01 01 00", "01 09 02 02 01", "01 09 02 01")),
		say("06", id, prefix, "00"), say("06", id, prefix, "00"),
		say("0d", id, name, inline("80 00 01 02"), "00"),
		say("16", id, inline("80 01"), "01", name, "00 00", n, "00 00"),
		say("16", id, inline("80 01"), "02", fmt.Sprintf("%02x", max(0, f.ours-4)&63), n, "00"),
		say(of(f.draft, "11", "11", "50"), id, prefix, of(f.draft, "", "02", ""), "00"),
		say(of(f.draft, "11", "11", "51"), id, prefix, of(f.draft, "", "01", ""), "00"),
	}
}

// further are later messages of a request: answers to one of theirs and what
// changes, or ends, one of ours. On a control stream they are of any.
func (f *wild) further(of *wildStream) []string {
	if !f.old() {
		return f.furtherOn(of)
	}
	is14 := f.draft == moq14
	pick := func(for14, for16 string) string {
		if is14 {
			return for14
		}
		return for16
	}
	id := fmt.Sprintf("%02x ", f.byte()&15)
	if f.byte()&3 > 0 { // one of theirs
		id = fmt.Sprintf("%02x ", f.byte()&7*2+1-f.ours&1)
	}
	say := func(kind string, rest ...any) string { return fmt.Sprintf("%x ", msg(kind, id+fmt.Sprintln(rest...))) }
	n := fmt.Sprintf("%02x", f.byte()&7)
	return []string{
		say("04", n, pick("00 01 00 00", "00")), say("04", n, pick("00 01 01 02 01 00", "01 09 02 02 01")), say("04", n, pick("05 01 00 00", "01 08 05")),
		say("05", pick("04 00", "10 00 00")), say("05", pick("02 00", "02 02 00")), say("0b", "02", n, "00"),
		say("07", pick("", "00")), say("07", pick("", "00")), say("18", pick("01 00 02 00 00", "00 02 00 00")),
		fmt.Sprintf("%x ", msg("02", f.draw(), id, pick("00 00 00 80 01 00", "01 20 05"))),
		say("0a"), say("17"), say("1e", pick("01 80 01 02 00", "00")), say("1e", pick("01 80 01 02 00", "00")),
		fmt.Sprintf("%x ", msg("09", pick("01 'bob'", id))), fmt.Sprintf("%x ", msg("0c", pick("01 'bob' 00 00", id+" 00 00"))),
	}
}

// furtherOn are those on the stream of a request.
func (f *wild) furtherOn(of *wildStream) []string {
	say := func(kind string, rest ...any) string { return fmt.Sprintf("%x ", msg(kind, fmt.Sprintln(rest...))) }
	n := fmt.Sprintf("%02x", f.byte()&7)
	refusal := say("05", "02 02 00")
	update := []string{say("02", f.draw(), "00")}
	if of.about == 0x03 {
		update = []string{say("02", f.draw(), "01 20 05"), say("02", f.draw(), "01 10 00"), say("02", f.draw(), "01 21 04 04 01 00 02")}
	}
	switch {
	case f.byte()&63 == 0: // whatever it is about
		return []string{say("07", "00"), say("04", n, "00"), say("0b", "02 01 00"), say("18", "00 02 00 00"), say("08", "01 'bob'"), refusal}
	case of.kind == wildRequest && of.about == 0x1d:
		return []string{say("0b", "02", n, "00"), say("0b", "00 00 00")}
	case of.kind == wildRequest:
		return update
	}
	switch of.about {
	case 0x03:
		return []string{say("04", n, "00"), say("04", n, "01 09 02 01"), say("04", n, "01 08 05"), say("0b", "02", n, "00"), say("0b", "02 00 00"), say("05", "34 01 00 00 00 00"), refusal}
	case 0x16:
		return []string{say("18", "00 02 00 00"), say("18", "01 00 01 00"), refusal}
	case 0x50:
		return []string{say("07", "00"), say("08", "01 'bob'"), say("08", "01 'eve'"), say("0e", "01 'bob'"), say("0f", "00 't1'"), refusal}
	}
	return append(update, say("07", "00"), say("07", "00"), say("07", "00"), refusal)
}

func (f *wild) objects() []string {
	n, g := fmt.Sprintf("%02x ", f.byte()&7), fmt.Sprintf("%02x ", f.byte()&7)
	fetch := "05 00"
	f.mu.Lock()
	if n := len(f.fetches); n > 0 {
		fetch = fmt.Sprintf("05 %02x ", f.fetches[n-1])
	}
	f.mu.Unlock()
	all := []string{
		"10" + n + g + "80 00 01 61", "18" + n + g + "80 00 02 6162 00 00 03", "11" + n + g + "80 00 02 1005 01 61 00 00 00 00",
		"14" + n + g + "01 80 02 01 61", "10" + n + g + "80 00 " + map[bool]string{true: "5000", false: "9000"}[f.old()] + strings.Repeat("77", 4096),
	}
	if fetch == "05 00" && f.byte()&31 > 0 {
		return all
	}
	return append(all,
		fetch+of(f.draft, "00 00 00 80 00 01 61", "1c 00 00 80 01 61", "1c 00 00 80 01 61"),
		fetch+of(f.draft, "01 00 00 80 00 00 03", "1c 01 00 80 00", "1c 01 00 80 00 810c 02 00"))
}

// say returns a phrase, more or less as it should be.
func (f *wild) say(phrases []string) []byte {
	data := x(phrases[f.byte()%len(phrases)])
	switch f.byte() & 127 {
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
		data = append(data[:at:at], append(x("ff ffffffffffffff"), data[at:]...)...)
	case 4: // noise only
		for i := range data {
			data[i] = byte(f.byte())
		}
	}
	return data
}

func (f *wild) add(s quic.SendStream, kind wildKind, about byte) {
	f.mu.Lock()
	f.streams = append(f.streams, wildStream{s, kind, about})
	f.mu.Unlock()
}

// any returns one of the last streams of a kind, or nil.
func (f *wild) any(is func(wildKind) bool) *wildStream {
	f.mu.Lock()
	defer f.mu.Unlock()
	var some []*wildStream
	for i := len(f.streams) - 1; i >= 0 && len(some) < 16; i-- {
		if is(f.streams[i].kind) {
			some = append(some, &f.streams[i])
		}
	}
	if len(some) == 0 {
		return nil
	}
	return some[f.byte()%len(some)]
}

// connect begins a session, well or not.
func (f *wild) connect() {
	f.draft = drafts[f.byte()&3]
	f.streams, f.fetches, f.ours = nil, nil, 0
	if f.server != nil {
		f.ours = 1
		f.beDialed()
	} else {
		f.conn = f.w.connect("puppet", f.draft)
	}
	conn := f.conn
	kind := wildTheirs
	if f.old() && f.server != nil {
		kind = wildControl // the first one, and there is hardly another
	}
	f.loops.Go(func() {
		for {
			s, err := conn.AcceptStream(context.Background())
			if err != nil {
				return
			}
			f.loops.Go(func() {
				var head [4]byte // type, length and, where it is a request, id
				_, _ = io.ReadFull(s, head[:])
				if head[0] == 0x16 {
					f.mu.Lock()
					f.fetches = append(f.fetches, head[3])
					f.mu.Unlock()
				}
				f.add(s, kind, head[0])
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
	pass(30 * time.Millisecond)
	hello := clientSetup
	switch known := f.byte()&1 == 0; {
	case known && f.server != nil:
		hello = serverSetup
	case f.server != nil:
		hello = map[string]string{moq14: "21 000c c0000000ff00000e 01 02 6800", moq16: "21 0004 01 02 6800", moq18: "af00 0000", moq19: "af00 0000"}
	case !known:
		hello = map[string]string{moq14: "20 000d 01 c0000000ff00000e 01 02 6800", moq16: "20 0004 01 02 6800", moq18: "af00 0000", moq19: "af00 0000"}
	}
	switch {
	case f.byte()&15 == 15: // no set-up
	case !f.old():
		f.openUni(x(hello[f.draft]), wildControl)
	case f.server == nil:
		f.open(x(hello[f.draft]), wildControl)
	default:
		if s := f.any(func(k wildKind) bool { return k == wildControl }); s != nil {
			_, _ = s.Write(x(hello[f.draft]))
		}
	}
	pass(30 * time.Millisecond)
}

// beDialed has the relay begin a session as a client that imports.
func (f *wild) beDialed() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	draft := f.draft
	f.loops.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		c, err := f.w.net.Node("relay").Dial(ctx, "wild:4443", serverTLS(draft), &quic.Config{EnableDatagrams: true})
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

func (f *wild) open(data []byte, kind wildKind) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s, err := f.conn.OpenStream(ctx); err == nil {
		_, _ = s.Write(data)
		f.add(s, kind, append(data, 0)[0])
		f.loops.Go(func() { drain(s) })
	}
}

func (f *wild) openUni(data []byte, kind wildKind) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s, err := f.conn.OpenUniStream(ctx); err == nil {
		_, _ = s.Write(data)
		f.add(s, kind, 0)
	}
}

// ask makes a request: on a stream of its own, or as the draft has it.
func (f *wild) ask() {
	b := f.say(f.requests())
	f.spend(b)
	s := f.any(func(k wildKind) bool { return k == wildControl })
	if !f.old() || s == nil || f.draft == moq16 && len(b) > 0 && b[0] == 0x11 {
		f.open(b, wildRequest)
		return
	}
	_, _ = s.Write(b)
}

// act does what the script says next.
func (f *wild) act() {
	talks := func(k wildKind) bool { return k == wildTheirs || k == wildRequest || k == wildControl && f.old() }
	objects := func(k wildKind) bool { return k == wildObjects }
	breaks := func(k wildKind) bool { return k != wildControl }
	switch op := f.byte() & 15; op {
	case 0, 1, 2:
		f.ask()
	case 3, 4:
		f.openUni(f.say(f.objects()), wildObjects)
	case 5, 6, 7, 8:
		s := f.any(func(k wildKind) bool { return k == wildTheirs })
		if op < 7 || s == nil {
			s = f.any(talks)
		}
		if s != nil {
			b := f.say(f.further(s))
			f.spend(b)
			_, _ = s.Write(b)
		}
	case 9:
		if s := f.any(objects); s != nil {
			_, _ = s.Write(f.say([]string{"00 01 61", "00 00 03", "02 03 616263"}))
		}
	case 10:
		if s := f.any(breaks); s != nil {
			_ = s.Close()
		}
	case 11:
		if s := f.any(breaks); s != nil {
			s.CancelWrite(quic.ErrorCode(f.byte()))
		}
	case 12:
		if s := f.any(breaks); s != nil {
			if r, ok := s.SendStream.(quic.Stream); ok {
				r.CancelRead(quic.ErrorCode(f.byte()))
			}
		}
	case 13:
		n := fmt.Sprintf("%02x ", f.byte()&7)
		_ = f.conn.SendDatagram(f.say([]string{"00" + n + "05 02 80 6467", "02" + n + "06 00 80 61", "20" + n + "06 01 80 03"}))
	case 14:
		pass(time.Duration(f.byte()) * 4 * time.Millisecond)
	case 15:
		s := f.any(func(k wildKind) bool { return k == wildControl })
		switch n := f.byte() & 31; {
		case n == 0:
			_ = f.conn.CloseWithError(quic.ErrorCode(f.byte()&1), "")
		case n == 1 && s != nil:
			_, _ = s.Write(f.say([]string{"10 0001 00", "15 0002 4300", "1a 0001 05", "10 0002 00 00"}))
		}
	}
	pass(time.Millisecond)
}
