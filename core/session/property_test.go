package session

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
)

// check runs a property on random samples: 20 that are always the same, unless
// -rapid.checks asks for others; `make property` runs 200.
func check(t *testing.T, property func(*testing.T, *sample) error) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		for name, value := range map[string]string{"rapid.checks": "20", "rapid.seed": "1"} {
			old := flag.Lookup(name).Value.String()
			require.NoError(t, flag.Set(name, value))
			t.Cleanup(func() { _ = flag.Set(name, old) })
		}
	}
	counts := map[string]int{}
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		s := sampleOf(rt)
		n++
		for f, has := range s.features() {
			if has {
				counts[f]++
			}
		}
		if err := property(t, s); err != nil {
			rt.Fatalf("%v\n%v", err, s)
		}
	})
	if t.Failed() {
		return
	}
	for _, f := range features {
		t.Logf("%3d %% of %d samples have %s", counts[f]*100/n, n, f)
		require.Greater(t, counts[f]*20, n, "too few samples have %s", f)
	}
}

// A sampled world has one publisher and one subscriber of every version. All
// publishers publish the same, each under its version, and all subscribers
// subscribe to everything.
type sampled struct {
	*world
	tracks  map[string]*moq.Track // what is published, by version
	readers map[[2]string]*taker
	clients map[string]*Session
	begin   int // before which step of publish to watch; -1: never
}

var everyVersion = slices.Concat(versions, drafts)

// An archive is a source that also has the past.
type archive struct {
	source
	t *moq.Track
}

func (a *archive) Fetch(_ context.Context, r moq.FetchRequest) (*moq.ObjectReader, error) {
	return a.t.Read(r.Start, r.End, nil), nil
}

func newSampled(t *testing.T, s *sample) *sampled {
	link := memnet.Link{Latency: 5 * time.Millisecond, Jitter: s.late}
	w := &sampled{
		world:  newWorldOn(t, memnet.New(memnet.Config{Seed: s.seed, Settle: synctest.Wait, Link: link})),
		tracks: map[string]*moq.Track{}, readers: map[[2]string]*taker{}, clients: map[string]*Session{}, begin: -1,
	}
	for _, v := range everyVersion {
		mux := NewMux(route.Config{})
		track := moq.NewTrack(moq.FullTrackName{Path: moq.Path(v), Name: "t"}, moq.CacheLimits{}, nil)
		track.SetInfo(s.info)
		_, err := mux.View(route.Scope{}).Publish(moq.Path(v), route.Route{}, &archive{source{map[string]*moq.Track{"t": track}}, track})
		require.NoError(t, err)
		w.tracks[v] = track
		w.dial("publisher-"+v, v, mux)
		w.clients[v] = w.dial("subscriber-"+v, v, nil)
	}
	w.sleep(time.Second)
	return w
}

func (w *sampled) subscribe() error {
	for _, from := range everyVersion {
		for _, to := range everyVersion {
			r, err := w.clients[to].Subscribe(w.t.Context(), moq.FullTrackName{Path: moq.Path(from), Name: "t"}, moq.Subscription{})
			if err != nil {
				return fmt.Errorf("from %s to %s: %w", from, to, err)
			}
			w.readers[[2]string{from, to}] = &taker{TrackReader: r}
		}
	}
	w.sleep(time.Second)
	return nil
}

// publish takes the steps of a sample on every track.
func (w *sampled) publish(s *sample) error {
	type writer struct {
		*moq.SubgroupWriter
		next int
	}
	writers := map[string][]writer{}
	for v := range w.tracks {
		writers[v] = make([]writer, len(s.parts))
	}
	for i, st := range s.steps {
		if i == w.begin {
			w.watch()
		}
		w.sleep(st.after)
		p := s.parts[st.part]
		for _, v := range everyVersion {
			pw := &writers[v][st.part]
			var err *moq.Error
			switch now := time.Now(); {
			case p.datagram:
				o := p.objects[0]
				err = w.tracks[v].AddDatagram(p.group, o.ObjectHeader, o.payload, p.header.EndOfGroup, now)
			case pw.SubgroupWriter == nil:
				pw.SubgroupWriter, err = w.tracks[v].OpenSubgroup(p.group, p.header, now)
			case pw.next < len(p.objects):
				o := p.objects[pw.next]
				pw.next++
				err = pw.Append(o.ObjectHeader, o.payload, now)
			case p.reset:
				pw.Reset(moq.ErrCanceled)
			default:
				err = pw.Finish(false)
			}
			if err != nil {
				return err
			}
		}
	}
	w.sleep(2 * time.Second)
	w.take()
	for _, t := range w.tracks {
		t.Finish(0)
	}
	w.sleep(5 * time.Second)
	w.take()
	return nil
}

// A taker is a reader and what it has taken: in time, before the cache drops
// it.
type taker struct {
	*moq.TrackReader
	subgroups []*moq.SubgroupReader
	datagrams []*moq.Datagram
	end       error
}

func (w *sampled) take() {
	for _, r := range w.readers {
		for r.end == nil {
			sg, dg, err := r.Next()
			if sg == nil && dg == nil && err == nil {
				break
			}
			if r.end = err; sg != nil {
				r.subgroups = append(r.subgroups, sg)
			} else if dg != nil {
				r.datagrams = append(r.datagrams, dg)
			}
		}
	}
}

// What is published arrives as Project says, from every version to every
// other: object for object, also where streams overtake each other.
func TestEverythingCrosses(t *testing.T) {
	check(t, func(t *testing.T, s *sample) (err error) {
		synctest.Test(t, func(t *testing.T) {
			w := newSampled(t, s)
			defer w.close()
			if err = w.subscribe(); err != nil {
				return
			}
			if err = w.publish(s); err != nil {
				return
			}
			for _, from := range everyVersion {
				for _, to := range everyVersion {
					if e := w.compare(s, from, to); e != nil {
						err = errors.Join(err, fmt.Errorf("from %s to %s: %w", from, to, e))
					}
				}
			}
		})
		return err
	})
}
