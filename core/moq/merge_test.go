package moq

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A merger is a group that is written and read merged.
type merger struct {
	t     *testing.T
	track *Track
	now   time.Time
	r     *SubgroupReader
}

func newMerger(t *testing.T) *merger {
	m := &merger{t: t, track: NewTrack(FullTrackName{Name: "t"}, CacheLimits{}, nil), now: time.Unix(1000, 0)}
	m.track.SetInfo(TrackInfo{})
	return m
}

func (m *merger) open(id uint64, endOfGroup bool) *SubgroupWriter {
	w, err := m.track.OpenSubgroup(0, SubgroupHeader{ID: id, FirstKnown: true, EndOfGroup: endOfGroup}, m.now)
	require.Nil(m.t, err)
	return w
}

func (m *merger) append(w *SubgroupWriter, ids ...uint64) {
	for _, id := range ids {
		require.Nil(m.t, w.Append(ObjectHeader{ID: id}, []byte{byte(id)}, m.now))
	}
}

// read returns what can be read now: ids, and how it stands.
func (m *merger) read() string {
	if m.r == nil {
		sg, dg, err := m.track.Subscribe(Subscription{}, nil).Next()
		require.NoError(m.t, err)
		if m.r = sg; dg != nil {
			m.r = dg.Reader()
		}
		m.r.Merge()
	}
	got := ""
	for {
		p, ok, err := m.r.Next()
		switch {
		case err != nil:
			return got + fmt.Sprint(err)
		case ok:
			got += fmt.Sprintf("%d ", p.ID)
		case !m.r.Due().IsZero() && !m.now.Before(m.r.Due()):
			m.r.Skip()
		case !m.r.Due().IsZero():
			return got + "waits"
		default:
			return got + "open"
		}
	}
}

func TestMergeInOrder(t *testing.T) {
	m := newMerger(t)
	a, b := m.open(0, false), m.open(1, true)
	m.append(b, 1, 5)
	require.Equal(t, "open", m.read(), "the other may bring 0")
	m.append(a, 0, 2)
	require.Equal(t, "0 1 2 open", m.read(), "the other may bring something before 5")
	m.append(a, 3, 4)
	require.Nil(t, a.Finish(false))
	require.Equal(t, "3 4 5 open", m.read())
	require.Nil(t, b.Finish(true))
	require.Equal(t, "EOF", m.read())
}

// A subgroup whose stream was overtaken still finds its place, but nobody
// waits for long.
func TestMergeWaits(t *testing.T) {
	m := newMerger(t)
	b := m.open(1, false)
	m.append(b, 1, 3)
	require.Nil(t, b.Finish(false))
	require.Equal(t, "waits", m.read())
	a := m.open(0, false)
	m.append(a, 0, 2)
	require.Nil(t, a.Finish(false))
	require.Equal(t, "0 1 2 3 open", m.read())
	late := m.open(5, false)
	m.append(late, 5)
	require.Nil(t, late.Finish(false))
	require.Equal(t, "waits", m.read())
	m.now = m.now.Add(overtaking)
	require.Equal(t, "5 open", m.read(), "there may be no 4 at all")

	_, err := m.track.OpenGroup(1, m.now)
	require.Nil(t, err)
	require.Equal(t, "waits", m.read(), "so does the end of a group that nobody has told")
	last := m.open(6, false)
	m.append(last, 6)
	require.Nil(t, last.Finish(false))
	require.Equal(t, "6 waits", m.read())
	m.now = m.now.Add(overtaking)
	require.Equal(t, "EOF", m.read())
}

// What does not exist is not waited for.
func TestMergeGaps(t *testing.T) {
	m := newMerger(t)
	w := m.open(0, true)
	gap := []Property{{Type: propPriorObjectIDGap, Int: 2}}
	require.Nil(t, w.Append(ObjectHeader{ID: 2, Properties: gap}, nil, m.now))
	require.Nil(t, w.Append(ObjectHeader{ID: 3, Status: StatusEndOfGroup}, nil, m.now))
	require.Nil(t, w.Finish(false))
	require.Equal(t, "2 3 EOF", m.read())
}

// Behind a subgroup that was cut short there may be a hole: the group is cut
// short there.
func TestMergeReset(t *testing.T) {
	m := newMerger(t)
	a, b := m.open(0, false), m.open(1, true)
	m.append(a, 0, 2)
	m.append(b, 1, 3, 5)
	require.Nil(t, b.Finish(true))
	a.Reset(ErrCanceled)
	require.Equal(t, "0 1 2 "+ErrCanceled.Error(), m.read())
}

// A subgroup without objects cannot say that its last one is that of the group.
func TestMergeEmptyEnd(t *testing.T) {
	m := newMerger(t)
	require.Nil(t, m.open(3, true).Finish(true))
	require.Equal(t, "open", m.read())
	a := m.open(0, false)
	m.append(a, 0)
	require.Equal(t, "0 open", m.read())
}

// Datagrams are objects of their group like any other.
func TestMergeDatagrams(t *testing.T) {
	m := newMerger(t)
	require.Nil(t, m.track.AddDatagram(0, ObjectHeader{ID: 0}, nil, false, m.now))
	require.Equal(t, "0 open", m.read())
	require.Nil(t, m.track.AddDatagram(0, ObjectHeader{ID: 2}, nil, true, m.now))
	require.Equal(t, "waits", m.read())
	a := m.open(1, false)
	m.append(a, 1)
	require.Equal(t, "1 2 open", m.read())
	require.Nil(t, a.Finish(false))
	require.Equal(t, "EOF", m.read())

	m = newMerger(t)
	require.Nil(t, m.track.AddDatagram(0, ObjectHeader{ID: 0}, nil, false, m.now))
	require.Equal(t, "0 open", m.read())
	m.track.Finish(1)
	require.Equal(t, "EOF", m.read(), "with the track")
}
