package moq

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOrphanIsContinued(t *testing.T) {
	for _, size := range []int{10, FirstChunk + 100, FirstChunk + 2*laterChunk} {
		for _, part := range []int{0, 5, wakeBytes + 1, FirstChunk, FirstChunk + 7, FirstChunk + laterChunk} {
			if part > size {
				continue
			}
			k := track(CacheLimits{})
			w := open0(t, k, 0)
			body := payload(0, 0, 1, uint64(size))
			require.Nil(t, w.Append(ObjectHeader{}, []byte("zero"), epoch))
			require.Nil(t, w.Begin(ObjectHeader{ID: 1}, uint64(size), epoch))
			feed(t, w, body[:part])
			_, err := k.OpenSubgroup(0, SubgroupHeader{}, epoch)
			require.ErrorIs(t, err, ErrDuplicate, "it is being written")
			old := w.Space() // a read into it may be under way
			k.Detach()
			second := open0(t, k, 0)
			require.Nil(t, second.Append(ObjectHeader{}, []byte("zero"), epoch), "compared and skipped")
			require.Nil(t, second.Begin(ObjectHeader{ID: 1}, uint64(size), epoch))
			feed(t, second, body)
			for i := range old {
				old[i] = 0xee
			}
			if part < size {
				require.NotNil(t, w.Advance(len(old)), "the first writer is out")
			}
			require.NotNil(t, w.Finish(true))
			require.Nil(t, second.Append(ObjectHeader{ID: 2}, []byte("two"), epoch))
			require.Nil(t, second.Finish(true))
			require.Equal(t, body, w.sg.objects[1].Payload())
			require.Len(t, w.sg.objects, 3)
		}
	}
}

func TestSecondSourceThatDiffers(t *testing.T) {
	type step func(*SubgroupWriter) *Error
	obj := func(id uint64, s string) step {
		return func(w *SubgroupWriter) *Error { return w.Append(ObjectHeader{ID: id}, []byte(s), epoch) }
	}
	finish := func(w *SubgroupWriter) *Error { return w.Finish(true) }
	for _, c := range []struct {
		name  string
		steps []step // the last one fails
	}{
		{"other bytes", []step{obj(0, "zerO")}},
		{"another size", []step{obj(0, "zer")}},
		{"an id between", []step{obj(0, "zero"), obj(1, "one")}},
		{"it ends early", []step{obj(0, "zero"), finish}},
		{"it ends at once", []step{finish}},
		{"it skips the open object", []step{obj(0, "zero"), obj(3, "three")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := track(CacheLimits{})
			w := open0(t, k, 0)
			require.Nil(t, w.Append(ObjectHeader{}, []byte("zero"), epoch))
			require.Nil(t, w.Begin(ObjectHeader{ID: 2}, 10, epoch))
			w.Leave()
			second := open0(t, k, 0)
			for i, s := range c.steps {
				err := s(second)
				if i == len(c.steps)-1 {
					require.ErrorIs(t, err, ErrMalformed)
				} else {
					require.Nil(t, err)
				}
			}
			require.Len(t, w.sg.objects, 2)
			second.Reset(ErrMalformed)
			r := &SubgroupReader{Subgroup: w.sg}
			p, ok, err := r.Next()
			require.True(t, ok, err)
			require.Equal(t, "zero", string(p.Data))
			_, _, err = r.Next()
			require.ErrorIs(t, err, ErrMalformed, "nobody waits for the rest")
		})
	}
}

func TestResetOrphans(t *testing.T) {
	k := track(CacheLimits{})
	a, b := open0(t, k, 0), open0(t, k, 1)
	a.Leave()
	k.ResetOrphans(ErrDropped)
	_, _, err := (&SubgroupReader{Subgroup: a.sg}).Next()
	require.ErrorIs(t, err, ErrDropped)
	require.Nil(t, b.Append(ObjectHeader{}, nil, epoch), "the other has its writer")
}

func TestFinish(t *testing.T) {
	k := track(CacheLimits{})
	w := open0(t, k, 0)
	require.Nil(t, w.Begin(ObjectHeader{}, 3, epoch))
	feed(t, w, []byte("ab"))
	require.ErrorIs(t, w.Finish(true), ErrMalformed)
	_, _, err := (&SubgroupReader{Subgroup: w.sg}).Next()
	require.ErrorIs(t, err, ErrMalformed)

	w = open0(t, k, 1)
	require.Nil(t, w.Finish(true))
	_, _, err = (&SubgroupReader{Subgroup: w.sg}).Next()
	require.Equal(t, io.EOF, err)
	require.ErrorIs(t, w.Append(ObjectHeader{}, nil, epoch), ErrClosed)
	w.Reset(ErrInternal) // too late
	_, _, err = (&SubgroupReader{Subgroup: w.sg}).Next()
	require.Equal(t, io.EOF, err)
	_, fail := k.OpenSubgroup(1, SubgroupHeader{}, epoch)
	require.ErrorIs(t, fail, ErrDuplicate)

	w = open0(t, k, 2)
	w.Reset(nil)
	_, _, err = (&SubgroupReader{Subgroup: w.sg}).Next()
	require.ErrorIs(t, err, ErrInternal)
}

func TestBounds(t *testing.T) {
	k := track(CacheLimits{})
	w := open0(t, k, 0)
	r := &SubgroupReader{Subgroup: w.sg, From: 2, Before: 5}
	var got []uint64
	for id := range uint64(7) {
		require.Nil(t, w.Append(ObjectHeader{ID: id}, nil, epoch))
		for { // after every object: an early look must not move the start
			p, ok, err := r.Next()
			if !ok {
				require.Equal(t, id >= 5, err == io.EOF)
				break
			}
			got = append(got, p.ID)
		}
	}
	require.Equal(t, []uint64{2, 3, 4}, got)
}

func TestDatagrams(t *testing.T) {
	k := track(CacheLimits{})
	r := k.Subscribe(Subscription{}, nil)
	for _, id := range []uint64{5, 1, 3} {
		require.Nil(t, k.AddDatagram(0, ObjectHeader{ID: id}, []byte{byte(id)}, id == 5, epoch))
	}
	require.ErrorIs(t, k.AddDatagram(0, ObjectHeader{ID: 3}, []byte{3}, false, epoch), ErrDuplicate)
	require.ErrorIs(t, k.AddDatagram(0, ObjectHeader{ID: 3}, nil, false, epoch), ErrMalformed)
	w := open0(t, k, 0)
	require.Nil(t, w.Append(ObjectHeader{ID: 9}, nil, epoch))
	require.ErrorIs(t, k.AddDatagram(0, ObjectHeader{ID: 9}, nil, false, epoch), ErrDuplicate)
	for _, id := range []uint64{5, 1, 3} {
		_, d, err := r.Next()
		require.NoError(t, err)
		require.Equal(t, id, d.ID, "in the order of arrival")
		require.Equal(t, []byte{byte(id)}, d.Payload())
		require.Equal(t, id == 5, d.EndOfGroup)
		sr := d.Reader()
		p, ok, _ := sr.Next()
		require.True(t, ok && p.First && p.Last)
		_, _, err = sr.Next()
		require.Equal(t, io.EOF, err)
	}
	l, _ := k.Largest()
	require.Equal(t, Location{0, 9}, l)
}
