package moq

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestConcurrentReadersAndWriters: sources that take over from each other feed
// a track while readers, blocking and woken, come and go. Every object that is
// read has the right bytes, and everybody reaches the end.
func TestConcurrentReadersAndWriters(t *testing.T) {
	const groups, objects = 30, 6
	k := NewTrack(FullTrackName{}, CacheLimits{}, func(k *Track) { _ = k.Demand() })
	size := func(id uint64) uint64 { return []uint64{0, 10, 5000, FirstChunk, 30_000, 90_000}[id] }
	var readers, sources sync.WaitGroup
	for range 2 {
		blocking := k.Subscribe(Subscription{}, nil)
		readers.Go(func() {
			r := blocking
			defer r.Close()
			n := 0
			for g, err := range r.Groups(t.Context()) {
				if err != nil {
					t.Error(err)
					return
				}
				for n++; ; {
					o, err := g.ReadObject(t.Context())
					if err == io.EOF {
						break
					}
					if err != nil || !bytes.Equal(o.Payload(), payload(g.Sequence(), 0, o.ID, size(o.ID))) {
						t.Error("group", g.Sequence(), err)
						return
					}
				}
			}
			if n != groups {
				t.Error("groups read:", n)
			}
		})
		ready := make(chan struct{}, 1)
		woken := k.Subscribe(Subscription{}, func() {
			select {
			case ready <- struct{}{}:
			default: // a wake that was overtaken
			}
		})
		readers.Go(func() {
			r := woken
			defer r.Close()
			n := 0
			var open []*naiveWoken
			for over := false; !over || len(open) > 0; {
				<-ready
				for {
					sg, _, err := r.Next()
					over = err == io.EOF
					if sg == nil {
						break
					}
					n++
					open = append(open, &naiveWoken{r: sg})
				}
				var still []*naiveWoken
				for _, c := range open {
					done, err := c.read(size)
					if err != nil {
						t.Error(err)
						return
					}
					if !done {
						still = append(still, c)
					}
				}
				open = still
			}
			if n != groups {
				t.Error("groups woken for:", n)
			}
		})
	}
	stop := make(chan struct{})
	readers.Go(func() { // a restless one
		for {
			select {
			case <-stop:
				return
			default:
			}
			r := k.Subscribe(Subscription{From: FromNext}, func() {})
			_, _, _ = r.Next()
			r.Update(Subscription{Priority: 3, Ends: true})
			r.Close()
		}
	})
	// Two sources bring the same content; what one has begun when it is
	// detached the other continues.
	for range 2 {
		sources.Go(func() {
			for g := uint64(0); g < groups; {
				w, err := k.OpenSubgroup(g, SubgroupHeader{FirstKnown: true}, time.Time{})
				if err != nil && err.Code == CodeDuplicate {
					if k.Has(g) && ended(k, g) {
						g++
					}
					continue
				}
				for id := range uint64(objects) {
					body := payload(g, 0, id, size(id))
					if w.Begin(ObjectHeader{ID: id}, size(id), time.Time{}) != nil {
						break
					}
					for len(body) > 0 {
						n := copy(w.Space(), body)
						if w.Advance(n) != nil {
							break
						}
						body = body[n:]
					}
				}
				_ = w.Finish(true)
			}
		})
	}
	sources.Go(func() {
		for range 50 {
			k.Detach()
		}
	})
	sources.Wait()
	close(stop)
	k.Finish(0)
	readers.Wait()
	if n := k.Demand().Readers; n != 0 {
		t.Error("readers left:", n)
	}
}

func ended(k *Track, group uint64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	i, ok := k.find(group)
	return ok && k.groups[i].subgroups[0].state == finished
}

type naiveWoken struct {
	r    *SubgroupReader
	part []byte
}

func (c *naiveWoken) read(size func(uint64) uint64) (done bool, err error) {
	for {
		p, ok, err := c.r.Next()
		switch {
		case err == io.EOF:
			return true, nil
		case err != nil:
			return true, err
		case !ok:
			return false, nil
		}
		if p.First {
			head := p.Encoded(1, []byte("h"), len(p.Data))
			if !bytes.Equal(head[1:], p.Data) {
				return true, errors.New("the encoding differs")
			}
		}
		if c.part = append(c.part, p.Data...); p.Last {
			if !bytes.Equal(c.part, payload(c.r.Group(), 0, p.ID, size(p.ID))) {
				return true, errors.New("the bytes differ")
			}
			c.part = nil
		}
	}
}
