package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/moqtgo/moqt/core/moq"
)

// fetchable are the versions that have FETCH: all but moq-lite-02.
var fetchable = slices.DeleteFunc(slices.Clone(everyVersion), func(v string) bool { return v == "moql" })

// What is fetched through a relay that has a part of it in its cache, or all, or
// nothing, is what was published as Project says of FETCH, for every two
// versions: each group, and for moq-transport ranges from the middle of one.
func TestEverythingFetchedCrosses(t *testing.T) {
	check(t, func(t *testing.T, s *sample) (err error) {
		for _, p := range s.parts {
			if p.reset { // of what was cut off nothing is certain
				p.reset, p.header.EndOfGroup = false, false
			}
		}
		synctest.Test(t, func(t *testing.T) {
			w := newSampled(t, s)
			defer w.close()
			w.begin = int(s.seed % uint64(len(s.steps)+1))
			if err = w.publish(s); err != nil {
				return
			}
			for _, from := range fetchable {
				for _, to := range fetchable {
					if e := w.fetched(s, from, to); e != nil {
						err = errors.Join(err, fmt.Errorf("cached from step %d on, from %s to %s: %w", w.begin, from, to, e))
					}
				}
			}
		})
		return err
	})
}

// watch subscribes to all tracks, while they are published: from now on the relay
// has them in its cache. It takes long enough for every answer to come: no
// datagram overtakes that one, and is lost without anybody to know of it. And
// it is over before a merged group waits no more.
func (w *sampled) watch() {
	var mu sync.Mutex
	var answers sync.WaitGroup
	for _, v := range fetchable {
		answers.Go(func() {
			r, err := w.clients[v].Subscribe(w.t.Context(), moq.FullTrackName{Path: moq.Path(v), Name: "t"}, moq.Subscription{})
			if assert.NoError(w.t, err) {
				mu.Lock()
				defer mu.Unlock()
				w.readers[[2]string{v, v}] = &taker{TrackReader: r}
			}
		})
	}
	w.sleep(40 * time.Millisecond)
	answers.Wait()
}

// fetched makes the fetches of a pair of versions.
func (w *sampled) fetched(s *sample, from, to string) error {
	c := crossing{from: carriage(from).Fetched(), to: carriage(to).Fetched(), info: &s.info}
	c.proj = moq.Project(c.from, c.to)
	groups := c.fetchable(s, moq.Sent(carriage(from)))
	for i := range groups {
		g := &groups[i]
		r := moq.GroupFetch(moq.FullTrackName{Path: moq.Path(from), Name: "t"}, g.sequence, 1)
		if err := w.fetch(&c, r, to, *g); err != nil {
			return fmt.Errorf("group %d: %w", g.sequence, err)
		}
		if c.to.Whole || !g.certain() {
			continue
		}
		half := len(g.objects) / 2
		r.Start.Object = g.objects[half].x.ID
		want := wantedGroup{objects: slices.Clone(g.objects[half:])}
		// There is no word for a gap between groups in versions that do not tell
		// datagrams either.
		if tells := c.to.FetchDatagrams && (c.from.Whole || c.from.FetchDatagrams); tells && i+1 < len(groups) {
			if next := &groups[i+1]; next.certain() {
				half := len(next.objects) / 2
				r.End = moq.Location{Group: next.sequence, Object: next.objects[half].x.ID}
				want.objects = append(want.objects, next.objects[:half+1]...)
			}
		}
		if err := w.fetch(&c, r, to, want); err != nil {
			return fmt.Errorf("from %v to %v: %w", r.Start, r.End, err)
		}
	}
	return nil
}

// A wanted group is what a fetch of it brings.
type wantedGroup struct {
	sequence uint64
	objects  []carried
	cut      bool // it may end early: the rest has numbers that cannot be written, or may be unheard of
	unheard  bool // all of it may be missing: the relay may never have heard of it
}

// certain reports whether there is something, and nothing of it may be missing.
func (g *wantedGroup) certain() bool { return len(g.objects) > 0 && !g.cut && !g.unheard }

// fetchable returns what there is to be fetched. live is what of a track came to
// the relay while it was published: moq-transport asks for nothing behind that.
func (c *crossing) fetchable(s *sample, live moq.Projection) (groups []wantedGroup) {
	all := map[uint64][]carried{}
	reset := map[*part]bool{} // its stream, somewhere
	for _, p := range s.parts {
		reset[p] = slices.ContainsFunc(p.objects, func(o object) bool {
			return live.Object(&o.ObjectHeader, c.info, time.Now(), 0).End
		})
		for _, o := range p.objects {
			all[p.group] = append(all[p.group], carried{object: o, part: p})
		}
	}
	var heard moq.Location
	for seq, objects := range all {
		slices.SortFunc(objects, func(a, b carried) int { return cmp.Compare(a.ID, b.ID) })
		g := wantedGroup{sequence: seq}
		for _, o := range objects {
			o.x = c.proj.Object(&o.ObjectHeader, c.info, time.Now(), uint64(len(g.objects)))
			if o.x.End || !c.from.Whole && !c.to.Whole && o.ID > c.to.MaxNumber {
				g.cut = true
				break
			}
			if o.x.OK && o.Status != moq.StatusDoesNotExist { // that may as well be a gap
				g.objects = append(g.objects, o)
			}
		}
		// A group whose start is not known enough is not sent on as one stream.
		if o := &objects[0]; !c.from.Whole || o.ID == 0 || !o.part.datagram || tellsGap(&o.object) {
			for _, o := range objects {
				at := moq.Location{Group: seq, Object: o.ID}
				came := c.from.Whole || !reset[o.part] && live.Object(&o.ObjectHeader, c.info, time.Now(), 0).OK
				if came && at.Compare(heard) > 0 {
					heard = at
				}
			}
		}
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b wantedGroup) int { return cmp.Compare(a.sequence, b.sequence) })
	for i := range groups {
		g := &groups[i]
		if n := len(g.objects); n > 0 && !c.to.Whole && heard.Compare(moq.Location{Group: g.sequence, Object: g.objects[n-1].ID}) < 0 {
			g.cut, g.unheard = g.cut || !c.from.Whole, c.from.Whole
		}
	}
	return groups
}

// fetch makes one fetch and compares.
func (w *sampled) fetch(c *crossing, r moq.FetchRequest, to string, g wantedGroup) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	got, err := w.objects(ctx, r, to)
	if !c.from.FetchStatus { // what the relay has of a subscription tells more than a fetch
		got = slices.DeleteFunc(got, func(f moq.Found) bool { return f.Object.Status != moq.StatusNormal })
	}
	want := g.objects
	switch {
	case g.unheard && len(got) == 0:
		return nil
	case g.cut:
		want = want[:min(len(got), len(want))]
	case err != nil && len(want) > 0: // that there is nothing is an error to some
		return err
	}
	if len(got) != len(want) {
		return fmt.Errorf("it has %d objects, want %d", len(got), len(want))
	}
	for i, f := range got {
		if f.Group != want[i].part.group {
			return fmt.Errorf("object %d is of group %d", f.Object.ID, f.Group)
		}
		if err := c.sameFetched(&want[i], f); err != nil {
			return err
		}
	}
	return nil
}

// objects returns the objects that a fetch finds.
func (w *sampled) objects(ctx context.Context, r moq.FetchRequest, to string) (got []moq.Found, err error) {
	reader, err := w.clients[to].Fetch(ctx, r)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	for {
		f, err := reader.Next(ctx)
		switch {
		case err == io.EOF:
			return got, nil
		case err != nil:
			return got, err
		case f.Object != nil && f.Object.Status != moq.StatusDoesNotExist:
			got = append(got, f)
		}
	}
}

func (c *crossing) sameFetched(want *carried, f moq.Found) error {
	if c.from.Whole || c.to.Whole { // it is that of the track, which no FETCH tells
		want.x.Priority = f.Object.Priority
	}
	if err := same(&want.x, want.payload, f.Object); err != nil {
		return err
	}
	if c.from.FetchDatagrams && c.to.FetchDatagrams &&
		(f.Datagram != want.part.datagram || !f.Datagram && f.Subgroup != want.part.header.ID) {
		return fmt.Errorf("object %d is of subgroup %d (a datagram: %v)", f.Object.ID, f.Subgroup, f.Datagram)
	}
	return nil
}
