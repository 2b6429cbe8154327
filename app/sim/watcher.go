package sim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/moqtgo/moqt/app/moqt"
)

// A watcher follows what is announced below a prefix.
type watcher struct {
	*dialer
	prefix moqt.Path

	mu     sync.Mutex
	there  map[moqt.Path]bool
	counts [4]int // by moqt.Change
	snaps  int    // watches begun
}

func (w *World) watch(l *Line) error {
	for _, n := range names(l.Args[0]) {
		if err := w.free(n); err != nil {
			return err
		}
		a := &watcher{dialer: w.dialer(n, l.Args[1], l), there: map[moqt.Path]bool{}}
		a.client.Config.Limits.Announcements = int(l.number("announcements", count, 0))
		if len(l.Args) > 2 {
			a.prefix = moqt.ParsePath(l.Args[2])
		}
		w.enter(a)
		w.Wait()
	}
	return nil
}

func (a *watcher) begin() {
	mux := moqt.NewTrackMux(&moqt.TrackMuxConfig{Hop: a.hop()})
	a.run(func(ctx context.Context) { a.stay(ctx, mux, a.follow) })
}

func (a *watcher) follow(ctx context.Context, s *moqt.Session) {
	r, err := s.Announced(ctx, a.prefix)
	if err != nil {
		a.w.note(a.name, "watch refused: %v", err)
		return
	}
	defer r.Close()
	a.mu.Lock()
	a.there = map[moqt.Path]bool{}
	a.snaps++
	a.mu.Unlock()
	for {
		an, err := r.Next(ctx)
		if err != nil {
			return
		}
		a.take(an)
	}
}

func (a *watcher) take(an moqt.Announcement) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.w.note(a.name, "announced %s %d", an.Path, an.Change)
	a.counts[an.Change]++
	had := a.there[an.Path]
	switch an.Change {
	case moqt.Active:
		if had {
			a.w.breach("%s was told twice that %q is there", a.name, an.Path)
		}
		a.there[an.Path] = true
	case moqt.Ended:
		if !had {
			a.w.breach("%s was told of the end of %q, which it knew nothing of", a.name, an.Path)
		}
		delete(a.there, an.Path)
	default:
		a.there[an.Path] = true
	}
	for i, hop := range an.Hops {
		if hop != 0 && slices.Contains(an.Hops[:i], hop) {
			a.w.breach("%s was told of %q by a route that comes through one node twice: %d", a.name, an.Path, an.Hops)
		}
	}
}

func (a *watcher) facts() []fact {
	f := a.connected()
	a.mu.Lock()
	defer a.mu.Unlock()
	var paths []string
	for p := range a.there {
		paths = append(paths, string(p))
	}
	slices.Sort(paths)
	list := strings.Join(paths, ",")
	if len(paths) > 8 {
		list = fmt.Sprintf("%s,…,%s", paths[0], paths[len(paths)-1])
	}
	return append(f, number("count", len(paths)), text("paths", list),
		number("active", a.counts[moqt.Active]), number("ended", a.counts[moqt.Ended]),
		number("replaced", a.counts[moqt.Replaced]), number("rerouted", a.counts[moqt.Rerouted]))
}

// A fetcher asks for one group of the past.
type fetcher struct {
	*dialer
	request moqt.FetchRequest
	name_   moqt.FullTrackName

	mu     sync.Mutex
	frames int
	result string
}

func (w *World) fetch(l *Line) error {
	if err := w.free(l.Args[0]); err != nil {
		return err
	}
	g, _ := count.number(l.Args[4])
	f := &fetcher{dialer: w.dialer(l.Args[0], l.Args[1], l)}
	path := moqt.ParsePath(l.Args[2])
	f.request = moqt.GroupFetch(path, l.Args[3], uint64(g), 128)
	f.name_ = moqt.FullTrackName{Path: f.root.Join(path), Name: l.Args[3]}
	w.enter(f)
	return nil
}

func (f *fetcher) begin() {
	mux := moqt.NewTrackMux(&moqt.TrackMuxConfig{Hop: f.hop()})
	f.run(func(ctx context.Context) {
		f.stay(ctx, mux, func(ctx context.Context, s *moqt.Session) {
			err := f.read(ctx, s)
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.result = "done"; err != nil {
				f.result = strings.ReplaceAll(codeOf(err), " ", "-")
			}
			f.w.note(f.name, "fetch ended: %v", err)
		})
	})
}

func (f *fetcher) read(ctx context.Context, s *moqt.Session) error {
	r, err := s.Fetch(ctx, f.request)
	if err != nil {
		return err
	}
	defer r.Close()
	f.mu.Lock()
	f.frames = 0 // it asks again in every session
	f.mu.Unlock()
	for {
		found, err := r.Next(ctx)
		if err != nil {
			if err.Error() == "EOF" {
				return nil
			}
			return err
		}
		if found.Object == nil {
			continue
		}
		f.got(found.Object)
	}
}

func (f *fetcher) got(o *moqt.Object) {
	label := labelOf(o.Payload())
	c := f.w.content(label, f.name_)
	if c == nil {
		f.w.breach("%s fetched an object of %v that says it is %.80q", f.name, f.name_, o.Payload())
		return
	}
	if _, err := c.check(f.request.Start.Group, o.ID, o.Payload()); err != nil {
		f.w.breach("%s: %v", f.name, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if o.ID != uint64(f.frames) {
		f.w.breach("%s fetched object %d where %d was due", f.name, o.ID, f.frames)
	}
	f.frames++
}

func (f *fetcher) facts() []fact {
	c := f.connected()
	f.mu.Lock()
	defer f.mu.Unlock()
	return append(c, number("frames", f.frames), text("result", f.result))
}
