package moqt

import (
	"context"
	"slices"
	"sync"

	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/core/session"
)

// A watch is an AnnounceReader that outlives the connections from which it is
// fed.
type watch struct {
	m      *mover
	ctx    context.Context
	prefix Path
	view   *route.View // of a Mux of its own
	reader *route.AnnounceReader

	mu   sync.Mutex
	held map[Path]*held
}

// A held is a broadcast and the session that has announced it last.
type held struct {
	pub  *route.Publication
	hops []uint64
	by   *session.Session
}

func (m *mover) announced(ctx context.Context, prefix Path) (*AnnounceReader, error) {
	w := &watch{m: m, prefix: prefix, held: map[Path]*held{}}
	w.view = route.NewMux(route.Config{Linger: -1, MaxHops: 1 << 10}).View(route.Scope{})
	var err error
	if w.reader, err = w.view.Watch("", 0, nil); err != nil {
		return nil, err
	}
	var cancel context.CancelFunc
	w.ctx, cancel = context.WithCancel(ctx)
	unhook := context.AfterFunc(ctx, func() { w.reader.Fail(context.Cause(ctx)) })
	w.reader.OnEnd(func() {
		unhook()
		m.mu.Lock()
		delete(m.watches, w)
		m.mu.Unlock()
		cancel()
	})
	m.mu.Lock()
	m.watches[w] = struct{}{}
	core := m.s.now() // who moves now sees the watch
	m.mu.Unlock()
	if err := w.from(core); err != nil {
		w.reader.Close()
		return nil, err
	}
	return w.reader, nil
}

// from feeds the watch from a session, until that or the watch ends.
func (w *watch) from(core *session.Session) error {
	in, err := core.Announced(w.ctx, w.prefix)
	if err != nil {
		w.ended(core, err)
		return err
	}
	started := w.m.run(func() {
		for {
			a, err := in.Next(w.ctx)
			if err != nil {
				w.ended(core, err)
				return
			}
			w.take(core, a)
		}
	})
	if !started {
		in.Close()
		w.reader.Fail(context.Cause(w.m.ctx))
	}
	return nil
}

// ended takes back what only the session has announced, and ends the watch if
// there is no other session.
func (w *watch) ended(core *session.Session, err error) {
	if w.m.s.now() == core {
		w.reader.Fail(err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for path, h := range w.held {
		if h.by == core {
			h.pub.End()
			delete(w.held, path)
		}
	}
}

func (w *watch) take(core *session.Session, a Announcement) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.held[a.Path]
	if a.Change == Ended {
		if h != nil && h.by == core {
			h.pub.End()
			delete(w.held, a.Path)
		}
		return
	}
	r := route.Route{Hops: a.Hops}
	known := len(a.Hops) > 0 && a.Hops[0] != 0
	switch {
	case h == nil:
		pub, err := w.view.Publish(a.Path, r, (*produced)(NewBroadcast()))
		if err != nil {
			return
		}
		h = &held{pub: pub}
		w.held[a.Path] = h
	case h.by == core && a.Change == Replaced:
		_ = h.pub.Replace(r)
	case known && !slices.Equal(a.Hops, h.hops):
		_ = h.pub.Update(r)
	}
	h.by, h.hops = core, a.Hops
}
