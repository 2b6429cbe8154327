package lite

import (
	"slices"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/core/wire"
)

// announceBatch is how many announcements go into one write.
const announceBatch = 64

// initBytes is how many bytes of names an ANNOUNCE_INIT has at most, about;
// the rest follows one by one.
const initBytes = 32 << 10

// A watch is an announce stream of the peer: it is told of every change below
// a prefix.
type watch struct {
	s      *session
	prefix moq.Path
	relay  bool // the peer passes on what it is told
	reader *route.AnnounceReader
	out    *dialect.Outbox
}

// announce serves an ANNOUNCE_REQUEST until the peer ends it. It is never
// refused by a reset: widespread peers end their session for that.
func (r *request) announce() error {
	s := r.s
	var m announceRequest
	if err := r.read(&m); err != nil {
		return err
	}
	s.style.learn(m.Prefix)
	if m.ExcludeHop != 0 {
		s.home.SetHop(m.ExcludeHop)
	}
	if !s.budget.Watches.Take() {
		return fatal{moq.Errorf(moq.CodeTooMany, "more than %d announce streams", s.cfg.Limits.Watches)}
	}
	defer s.budget.Watches.Release()
	defer r.untilStopped()()
	w := &watch{s: s, prefix: moq.ParsePath(m.Prefix), relay: m.ExcludeHop != 0}
	w.out = dialect.NewOutbox(s.runner, r.ordinal, r.Stream)
	reader, err := s.home.Watch(w.prefix, m.ExcludeHop, w.out.Wake)
	if err != nil { // out of scope: nothing is there, and nothing will be
		w.out.Send(w.snapshot(nil))
		r.closedByPeer()
		w.out.Close()
		return nil
	}
	w.out.Send(w.snapshot(reader.Drain(s.cfg.Limits.Announcements)))
	w.reader = reader
	w.out.Ask(w.changes, s.cfg.Limits.AnnounceLull)
	r.closedByPeer()
	reader.Close()
	w.out.Close()
	return nil
}

// snapshot returns the first reply: what is there now.
func (w *watch) snapshot(all []route.Announcement) []byte {
	p := w.s.p
	var b []byte
	var active uint64
	var init announceInit
	size := 0 // of init
	for _, a := range all {
		suffix, ok := w.suffix(a.Path)
		switch {
		case !ok:
			w.lost()
		case p.AnnounceInit && size < initBytes && len(init.Suffixes) < maxBroadcasts:
			init.Suffixes = append(init.Suffixes, suffix)
			size += len(suffix)
		default:
			active++
			b = w.append(b, true, suffix, a.Hops)
		}
	}
	switch {
	case p.AnnounceInit:
		return append(init.append(nil, p), b...)
	case p.AnnounceOK:
		ok := announceOK{Hop: w.s.hop, Active: active}
		return append(ok.append(nil, p), b...)
	}
	return b
}

// changes returns the next batch of changes, for the outbox.
func (w *watch) changes() []byte {
	var b []byte
	for len(b) == 0 {
		batch := w.reader.Drain(announceBatch)
		if len(batch) == 0 {
			return nil
		}
		for _, a := range batch {
			suffix, ok := w.suffix(a.Path)
			if !ok {
				if a.Change == route.Active {
					w.lost()
				}
				continue
			}
			switch a.Change {
			case route.Active:
				b = w.append(b, true, suffix, a.Hops)
			case route.Ended:
				b = w.append(b, false, suffix, nil)
			case route.Replaced:
				b = w.append(b, false, suffix, nil)
				b = w.append(b, true, suffix, a.Hops)
			case route.Rerouted:
				// Without Replace it looks like other content. Who subscribes
				// does without; a relay must not tell others of an old way.
				if !w.s.p.Replace && w.relay {
					b = w.append(b, false, suffix, nil)
				}
				if w.s.p.Replace || w.relay {
					b = w.append(b, true, suffix, a.Hops)
				}
			}
		}
	}
	return b
}

// suffix returns what follows the peer's prefix in a path. Names that moq-lite
// cannot carry are not announced.
func (w *watch) suffix(path moq.Path) (string, bool) {
	rest, under := path.Under(w.prefix)
	s, ok := rest.Slashed()
	return s, ok && under
}

func (w *watch) lost() { w.s.home.Mux().Lost().Count(moq.LossName.Of()) }

func (w *watch) append(b []byte, active bool, suffix string, hops []uint64) []byte {
	m := announce{Active: active, Suffix: suffix}
	if active {
		m.Hops = hops
		if w.s.p.Hops != HopsWithoutSender {
			m.Hops = append(append(make([]uint64, 0, len(hops)+1), hops...), w.s.hop)
		}
		if len(m.Hops) > maxHops {
			return b // too far away to be passed on
		}
		if wide := func(hop uint64) bool { return hop > wire.MaxRFC9000 }; slices.ContainsFunc(m.Hops, wide) {
			m.Hops = slices.Clone(m.Hops)
			for i, hop := range m.Hops {
				if wide(hop) {
					m.Hops[i] = 0 // of moq-transport: unknown here
				}
			}
		}
	}
	return m.append(b, w.s.p)
}
