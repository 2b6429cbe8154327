package moq

import (
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// join opens subgroup 0 of group 0 for one more publisher.
func join(t require.TestingT, k *Track, first bool) *SubgroupWriter {
	w, err := k.JoinSubgroup(0, SubgroupHeader{FirstKnown: first}, epoch)
	require.Nil(t, err)
	return w
}

// parts returns what a subscriber gets: for each stream its objects, and how it
// ended.
func parts(t require.TestingT, r *TrackReader) (all []string) {
	for {
		sg, _, _ := r.Next()
		if sg == nil {
			return all
		}
		s := ""
		for {
			p, ok, err := sg.Next()
			if !ok {
				if err == io.EOF {
					s += "."
				} else if err != nil {
					s += "!"
				}
				break
			}
			if p.Last {
				s += fmt.Sprintf("%d%s ", p.ID, p.Object.Payload())
			}
		}
		all = append(all, s)
	}
}

func TestSeveralPublishers(t *testing.T) {
	type step func(a, b *SubgroupWriter) *Error
	put := func(which int, id uint64, s string) step {
		return func(a, b *SubgroupWriter) *Error {
			return []*SubgroupWriter{a, b}[which].Append(ObjectHeader{ID: id}, []byte(s), epoch)
		}
	}
	a := func(id uint64, s string) step { return put(0, id, s) }
	b := func(id uint64, s string) step { return put(1, id, s) }
	end := func(which int) step {
		return func(a, b *SubgroupWriter) *Error { return []*SubgroupWriter{a, b}[which].Finish(true) }
	}
	cut := func(which int) step {
		return func(a, b *SubgroupWriter) *Error { []*SubgroupWriter{a, b}[which].Reset(ErrOld); return nil }
	}
	leave := func(which int) step {
		return func(a, b *SubgroupWriter) *Error { []*SubgroupWriter{a, b}[which].Leave(); return nil }
	}
	for _, c := range []struct {
		name  string
		steps []step
		fail  *Error // of the last step
		want  []string
	}{
		{"one after the other", []step{a(0, "x"), b(0, "x"), a(1, "y"), b(1, "y"), end(0), end(1)}, nil, []string{"0x 1y ."}},
		{"the second is ahead", []step{b(0, "x"), b(1, "y"), a(0, "x"), b(2, "z"), a(1, "y"), a(2, "z"), end(0)}, nil, []string{"0x 1y 2z ."}},
		{"both by turns, with gaps", []step{a(0, "x"), b(0, "x"), b(4, "y"), a(4, "y"), a(9, "z"), b(9, "z"), end(1)}, nil, []string{"0x 4y 9z ."}},
		{"the first is cut", []step{a(0, "x"), cut(0), b(0, "x"), b(1, "y"), end(1)}, nil, []string{"0x 1y ."}},
		{"the first leaves", []step{a(0, "x"), b(0, "x"), leave(0), b(1, "y"), end(1)}, nil, []string{"0x 1y ."}},
		{"both are cut", []step{a(0, "x"), cut(0), cut(1)}, nil, []string{"0x !"}},
		{"late, after the end", []step{a(0, "x"), a(1, "y"), end(0), b(0, "x"), b(1, "y"), end(1)}, nil, []string{"0x 1y ."}},
		{"the next one by its number", []step{a(0, "x"), b(1, "y"), a(1, "y"), end(0)}, nil, []string{"0x 1y ."}},
		{"ahead of what may come", []step{a(0, "x"), b(2, "z")}, ErrAhead, []string{"0x "}},
		{"ahead of who has left", []step{a(0, "x"), leave(0), b(2, "z"), end(1)}, nil, []string{"0x !", "2z ."}},
		{"an object between comes too late", []step{a(0, "x"), a(2, "z"), b(0, "x"), b(1, "y"), b(2, "z"), end(1)}, nil, []string{"0x 2z ."}},
		{"other bytes", []step{a(0, "x"), b(0, "y")}, ErrMalformed, []string{"0x "}},
		{"other bytes after the end", []step{a(0, "x"), end(0), b(0, "y")}, ErrMalformed, []string{"0x ."}},
		{"another size", []step{a(0, "x"), b(0, "xx")}, ErrMalformed, []string{"0x "}},
		{"beyond the end", []step{a(0, "x"), end(0), b(0, "x"), b(1, "y")}, ErrMalformed, []string{"0x ."}},
		{"another end", []step{a(0, "x"), a(1, "y"), b(0, "x"), end(1)}, ErrMalformed, []string{"0x 1y "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := track(CacheLimits{})
			r := k.Subscribe(Subscription{}, nil)
			first, second := join(t, k, true), join(t, k, true)
			for i, s := range c.steps {
				err := s(first, second)
				if i == len(c.steps)-1 && c.fail != nil {
					require.ErrorIs(t, err, c.fail)
				} else {
					require.Nil(t, err, "step %d", i)
				}
			}
			require.Equal(t, c.want, parts(t, r))
		})
	}
}

// What was cut short goes on with the next stream, as another one.
func TestCutSubgroupGoesOn(t *testing.T) {
	for _, c := range []struct {
		name    string
		first   bool
		ids     []uint64
		want    []string
		unknown bool
	}{
		{"from its start", true, []uint64{0, 1, 2, 5}, []string{"0x 1x !", "2xyxyx 5x ."}, false},
		{"without what was cut", true, []uint64{0, 1, 5}, []string{"0x 1x !", "5x ."}, true},
		{"from the object that was cut", false, []uint64{4, 5}, []string{"0x 1x !", "4x 5x ."}, true},
		{"with the next", false, []uint64{2, 5}, []string{"0x 1x !", "2xyxyx 5x ."}, false},
		{"with nothing new", true, []uint64{0, 1}, []string{"0x 1x !"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := track(CacheLimits{})
			r := k.Subscribe(Subscription{}, nil)
			w := join(t, k, true)
			for id := range uint64(2) {
				require.Nil(t, w.Append(ObjectHeader{ID: id}, []byte("x"), epoch))
			}
			require.Nil(t, w.Begin(ObjectHeader{ID: 2}, 5, epoch))
			feed(t, w, []byte("xy"))
			w.Reset(ErrOld)
			got := parts(t, r)
			w = join(t, k, c.first)
			for _, id := range c.ids {
				body := "x"
				if id == 2 {
					body = "xyxyx"
				}
				require.Nil(t, w.Append(ObjectHeader{ID: id}, []byte(body), epoch))
			}
			_ = w.Finish(true)
			require.Equal(t, c.want, append(got, parts(t, r)...))
			if len(c.want) == 2 {
				require.Equal(t, c.unknown, k.groups[0].unknown(2, 3))
			}
		})
	}
}

// However the streams of several publishers run, subscribers get each object
// once, in order, and all of them where one publisher brings all.
func TestSharedSubgroupModel(t *testing.T) {
	seen := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		k := track(CacheLimits{})
		r := k.Subscribe(Subscription{}, nil)
		var ids []uint64
		for id := rapid.Uint64Range(0, 2).Draw(t, "first"); len(ids) < 6; id += rapid.Uint64Range(1, 3).Draw(t, "gap") {
			ids = append(ids, id)
		}
		size := func(id uint64) uint64 {
			return []uint64{0, 1, 900, FirstChunk + 5, FirstChunk + laterChunk + 7}[id*7%5]
		}
		type stream struct {
			w    *SubgroupWriter
			next int // index into ids
			off  uint64
			open bool // an object was begun
			over bool
		}
		n := rapid.IntRange(1, 4).Draw(t, "publishers")
		streams := make([]*stream, n)
		streams[0] = &stream{w: join(t, k, true)} // it brings all
		for !streams[0].over {
			i := rapid.IntRange(0, n-1).Draw(t, "who")
			s := streams[i]
			if s == nil {
				from := rapid.IntRange(0, len(ids)-1).Draw(t, "from")
				s = &stream{w: join(t, k, from == 0), next: from}
				streams[i] = s
			}
			if s.over {
				continue
			}
			if i > 0 && rapid.IntRange(0, 9).Draw(t, "end") == 0 {
				if rapid.Bool().Draw(t, "reset") {
					s.w.Reset(ErrOld)
				} else {
					s.w.Leave()
				}
				s.over = true
				seen["cut"]++
				continue
			}
			if s.next == len(ids) {
				require.Nil(t, s.w.Finish(true))
				s.over = true
				continue
			}
			id := ids[s.next]
			body := payload(0, 0, id, size(id))
			if !s.open {
				err := s.w.Begin(ObjectHeader{ID: id}, uint64(len(body)), epoch)
				if err == ErrAhead {
					seen["ahead"]++
					continue
				}
				require.Nil(t, err)
				s.open, s.off = true, 0
			}
			for range rapid.IntRange(0, 3).Draw(t, "reads") {
				buf := s.w.Space()
				if len(buf) == 0 {
					break
				}
				m := copy(buf[:rapid.IntRange(1, len(buf)).Draw(t, "bytes")], body[s.off:])
				require.Nil(t, s.w.Advance(m))
				s.off += uint64(m)
			}
			if s.w.Missing() == 0 {
				s.open = false
				s.next++
			}
		}
		require.Equal(t, ids, slices.Concat(collect(r)...))
		for _, sg := range k.groups[0].subgroups {
			for _, o := range sg.objects {
				require.Equal(t, payload(0, 0, o.ID, size(o.ID)), o.Payload())
			}
		}
	})
	t.Log(seen)
}

// collect returns the ids of the complete objects of each stream.
func collect(r *TrackReader) (all [][]uint64) {
	for {
		sg, _, _ := r.Next()
		if sg == nil {
			return all
		}
		var ids []uint64
		for {
			p, ok, _ := sg.Next()
			if !ok {
				break
			}
			if p.Last {
				ids = append(ids, p.ID)
			}
		}
		all = append(all, ids)
	}
}

// A buffer that a writer has got is its own, whoever overtakes it.
func TestOvertakenInsideAnObject(t *testing.T) {
	for _, size := range []int{100, FirstChunk + laterChunk + 10} {
		k := track(CacheLimits{})
		slow, fast := join(t, k, true), join(t, k, true)
		body := payload(0, 0, 0, uint64(size))
		for _, w := range []*SubgroupWriter{slow, fast} {
			require.Nil(t, w.Begin(ObjectHeader{}, uint64(size), epoch))
		}
		feed(t, slow, body[:size/2])
		old := slow.Space()
		feed(t, fast, body)
		copy(old, slices.Repeat([]byte{0xee}, len(old)))
		require.Equal(t, body, fast.sg.objects[0].Payload())
		require.ErrorIs(t, slow.Advance(len(old)), ErrMalformed)
	}
}

// That its last object is the last one of the group, an empty subgroup cannot
// say.
func TestEmptySubgroupEndsNoGroup(t *testing.T) {
	k := track(CacheLimits{})
	w, err := k.JoinSubgroup(0, SubgroupHeader{ID: 1, FirstKnown: true, EndOfGroup: true}, epoch)
	require.Nil(t, err)
	require.Nil(t, w.Finish(true))
	require.False(t, k.Complete(0))
	w = join(t, k, true)
	require.Nil(t, w.Append(ObjectHeader{}, nil, epoch))
	require.Nil(t, w.Finish(true))
	require.True(t, k.Complete(0))
}
