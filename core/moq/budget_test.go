package moq

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// budgeted are tracks of one Budget.
type budgeted struct {
	*testing.T
	b   *Budget
	now time.Time
}

func newBudgeted(t *testing.T, total, each int64) *budgeted {
	return &budgeted{t, NewBudget(total, each), time.Unix(0, 0)}
}

func (b *budgeted) track(key Path, name string) *Track {
	k := NewTrack(FullTrackName{Path: key, Name: name}, CacheLimits{}, nil)
	b.b.Join(k, key)
	return k
}

// put appends a group of one object to k, a second after what was put before,
// and makes room for the next one.
func (b *budgeted) put(k *Track, group uint64, size int) *Error {
	b.now = b.now.Add(time.Second)
	w, err := k.OpenGroup(group, b.now)
	if err != nil {
		return err
	}
	if err := w.Append(ObjectHeader{}, make([]byte, size), b.now); err != nil {
		return err
	}
	defer k.makeRoom() // as the next one to append would
	return w.Finish(true)
}

func groupsOf(k *Track) (all []uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, g := range k.groups {
		all = append(all, g.Sequence)
	}
	return all
}

const kib = 1 << 10

// The oldest groups of all tracks go first, whoever appends, and newest groups
// stay as long as there are others.
func TestBudgetDropsTheOldest(t *testing.T) {
	b := newBudgeted(t, 1010*kib, 1010*kib)
	old, young, writer := b.track("a", "old"), b.track("b", "young"), b.track("a", "writer")
	for group := range uint64(3) {
		require.Nil(t, b.put(old, group, 100*kib))
		require.Nil(t, b.put(young, group, 100*kib))
	}
	r := old.Subscribe(Subscription{From: FromAbsolute}, nil)
	for group := range uint64(4) {
		require.Nil(t, b.put(writer, group, 99*kib))
	}
	require.Equal(t, []uint64{0, 1, 2}, groupsOf(old), "there was room")
	require.Nil(t, b.put(writer, 4, 100*kib))
	require.Equal(t, []uint64{1, 2}, groupsOf(old))
	require.Equal(t, []uint64{1, 2}, groupsOf(young), "and a sixteenth is to be free")
	for group := range uint64(3) {
		require.Nil(t, b.put(writer, 5+group, 100*kib))
	}
	require.Equal(t, []uint64{2}, groupsOf(old))
	require.Equal(t, []uint64{2}, groupsOf(young))
	st := b.b.Stats()
	require.Zero(t, st.Newest)
	require.EqualValues(t, 4, st.Evicted)
	require.Equal(t, 2, st.Accounts)
	require.Equal(t, 2, r.Lost(), "and its reader is told")
}

// Where the newest groups alone are too much, large ones go before small ones,
// those that nobody reads before others, and those that are not written before
// those that are. What is gone is not taken again.
func TestBudgetIsAHardCap(t *testing.T) {
	b := newBudgeted(t, 1000*kib, 1000*kib)
	catalog, read, idle := b.track("a", "catalog"), b.track("a", "read"), b.track("a", "idle")
	require.Nil(t, b.put(catalog, 0, kib))
	require.Nil(t, b.put(read, 0, 300*kib))
	require.Nil(t, b.put(idle, 7, 300*kib))
	r := read.Subscribe(Subscription{}, nil)
	sub, _, err := r.Next()
	require.NoError(t, err)

	last := b.track("a", "last")
	w, e := last.OpenGroup(0, b.now)
	require.Nil(t, e)
	appendOne := func(id uint64) *Error {
		b.now = b.now.Add(time.Second)
		return w.Append(ObjectHeader{ID: id}, make([]byte, 100*kib), b.now)
	}
	id := uint64(0)
	for ; len(groupsOf(idle)) > 0; id++ {
		require.Nil(t, appendOne(id))
		require.Less(t, id, uint64(10))
	}
	require.Equal(t, []uint64{0}, groupsOf(read))
	require.Equal(t, CodeEvicted, b.put(idle, 7, kib).Code, "it is not taken again")
	require.Equal(t, CodeEvicted, b.put(idle, 5, kib).Code)
	require.Nil(t, b.put(idle, 8, kib), "but the next one is")

	lr := last.Subscribe(Subscription{}, nil) // now both are read, and one is written
	for ; len(groupsOf(read)) > 0; id++ {
		require.Nil(t, appendOne(id))
		require.Less(t, id, uint64(20))
	}
	_, _, err = sub.Next()
	require.Equal(t, ErrEvicted.Code, err.(*Error).Code)
	for ; e == nil; id++ { // at last there is nobody else
		e = appendOne(id)
		require.Less(t, id, uint64(30))
	}
	require.Equal(t, CodeEvicted, e.Code)
	require.Equal(t, []uint64{0}, groupsOf(catalog))
	require.Equal(t, []uint64{8}, groupsOf(idle), "small ones were never touched")
	require.EqualValues(t, 3, b.b.Stats().Newest)
	require.LessOrEqual(t, b.b.Stats().Bytes, int64(1100*kib))
	lr.Close()
}

// An account that is full takes from itself.
func TestBudgetOfAnAccount(t *testing.T) {
	b := newBudgeted(t, 1000*kib, 500*kib)
	innocent := b.track("innocent", "video")
	for group := range uint64(4) {
		require.Nil(t, b.put(innocent, group, 100*kib))
	}
	for i := range 100 {
		require.Nil(t, b.put(b.track("evil", fmt.Sprint(i)), 0, 70*kib))
	}
	require.Equal(t, []uint64{0, 1, 2, 3}, groupsOf(innocent))
	require.LessOrEqual(t, b.b.Stats().Bytes, int64((400+500+2*71)*kib))
}

// What is declared and never sent counts for what it holds; copies for other
// encodings count too.
func TestBudgetCountsMemory(t *testing.T) {
	b := newBudgeted(t, 100<<20, 100<<20)
	k := b.track("a", "k")
	w, err := k.OpenGroup(0, b.now)
	require.Nil(t, err)
	require.Nil(t, w.Begin(ObjectHeader{}, 10<<20, b.now))
	require.Less(t, b.b.Stats().Bytes, int64(18*kib))
	for w.Missing() > 5<<20 {
		require.Nil(t, w.Advance(len(w.Space())))
	}
	held := b.b.Stats().Bytes
	require.InDelta(t, 5<<20, held, 128*kib)

	o := k.groups[0].subgroups[0].objects[0]
	require.Nil(t, b.put(k, 1, 1000))
	small := k.groups[1].subgroups[0].objects[0]
	before := b.b.Stats().Bytes
	for class := range Class(3) {
		small.Encoded(class+1, []byte("h"), 1000)
		o.Encoded(class+1, []byte("h"), 1000) // private: it goes with who has asked
	}
	require.InDelta(t, 2000, b.b.Stats().Bytes-before, 200)
}

// Whoever writes a group is told when the cache drops it, without locks held.
func TestAfterEviction(t *testing.T) {
	now := time.Unix(0, 0)
	k := NewTrack(FullTrackName{}, CacheLimits{Groups: 2}, nil)
	var told []uint64
	open := func(group uint64) (*SubgroupWriter, func()) {
		w, err := k.OpenGroup(group, now)
		require.Nil(t, err)
		stop := w.AfterEviction(func() {
			k.Largest()
			told = append(told, group)
		})
		return w, stop
	}
	open(0)
	_, stop := open(1)
	_, _ = open(2)
	require.Equal(t, []uint64{0}, told)
	stop()
	w, _ := open(3)
	require.Equal(t, []uint64{0}, told, "it was taken back")
	require.Nil(t, w.Append(ObjectHeader{}, nil, now))
	open(4)
	require.Equal(t, []uint64{0, 2}, told)
	open(5)
	require.Equal(t, []uint64{0, 2, 3}, told)
	w.AfterEviction(func() { told = append(told, 33) })
	require.Equal(t, []uint64{0, 2, 3, 33}, told, "at once")
}

// Whatever happens, a Budget has what its tracks hold, and nothing once they
// have gone.
func TestBudgetBalances(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 0))
		b := newBudgeted(t, 400*kib, 300*kib)
		var tracks []*Track
		var readers []*TrackReader
		for range 300 {
			if len(tracks) < 2 || rng.IntN(10) == 0 {
				tracks = append(tracks, b.track(Path(fmt.Sprint(rng.IntN(3))), fmt.Sprint(len(tracks))))
			}
			k := tracks[rng.IntN(len(tracks))]
			group := uint64(rng.IntN(20))
			switch rng.IntN(8) {
			case 0:
				readers = append(readers, k.Subscribe(Subscription{}, nil))
			case 1:
				if n := len(readers); n > 0 {
					readers[n-1].Close()
					readers = readers[:n-1]
				}
			case 2:
				_ = k.AddDatagram(group, ObjectHeader{ID: uint64(rng.IntN(3))}, make([]byte, rng.IntN(kib)), false, b.now)
			case 3:
				if w, err := k.JoinSubgroup(group, SubgroupHeader{ID: 5, FirstKnown: true}, b.now); err == nil {
					if w.Begin(ObjectHeader{ID: uint64(rng.IntN(5))}, uint64(rng.IntN(100*kib)), b.now) == nil && w.Missing() > 0 {
						_ = w.Advance(len(w.Space()))
					}
				}
			case 4:
				if rng.IntN(4) == 0 {
					k.Retire()
				} else {
					k.Absent(group, group+1, b.now)
				}
			default:
				_ = b.put(k, group, rng.IntN(100*kib))
			}
			var held int64
			for _, k := range tracks {
				var groups int64
				for _, g := range k.groups {
					groups += g.held
				}
				if k.joined && groups != k.held {
					t.Fatalf("seed %d: groups hold %d, the track %d", seed, groups, k.held)
				}
				held += k.held
			}
			if used := b.b.Stats().Bytes; used != held || held > 500*kib {
				t.Fatalf("seed %d: tracks hold %d, the budget says %d", seed, held, used)
			}
		}
		for _, r := range readers {
			r.Close()
		}
		for _, k := range tracks {
			k.Retire()
		}
		st := b.b.Stats()
		require.Zero(t, st.Bytes+int64(st.Accounts), "seed %d", seed)
	}
}

// BenchmarkAppend appends to a track of a Budget, and to one of none.
func BenchmarkAppend(b *testing.B) {
	for _, joined := range []bool{false, true} {
		b.Run(fmt.Sprintf("budget=%t", joined), func(b *testing.B) {
			k := NewTrack(FullTrackName{}, CacheLimits{}, nil)
			if joined {
				NewBudget(1<<30, 1<<29).Join(k, "")
			}
			frame := make([]byte, 160)
			var w *SubgroupWriter
			now := time.Time{}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i%30 == 0 {
					now = now.Add(time.Second)
					w, _ = k.OpenGroup(uint64(i), now)
				}
				_ = w.Append(ObjectHeader{ID: uint64(i % 30)}, frame, now)
			}
		})
	}
}
