package route

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
)

// A pastSource has the objects of every group, and a cache with the odd ones.
type pastSource struct {
	*fakeSource
	all, cached *moq.Track
	asked       int
}

func (s *pastSource) Track(moq.FullTrackName) *moq.Track { return s.cached }

func (s *pastSource) Fetch(_ context.Context, r moq.FetchRequest) (*moq.ObjectReader, error) {
	s.asked++
	return s.all.Read(r.Start, r.End, nil), nil
}

// However many gaps the cache has, the source is asked a few times and nothing
// is missed.
func TestFetchOfManyGaps(t *testing.T) {
	m := NewMux(Config{})
	name := moq.FullTrackName{Path: "b", Name: "video"}
	s := &pastSource{
		fakeSource: newSource(),
		all:        moq.NewTrack(name, moq.CacheLimits{Bytes: 1 << 20}, nil), cached: moq.NewTrack(name, moq.CacheLimits{Bytes: 1 << 20}, nil),
	}
	const groups = 101
	write := func(k *moq.Track, group uint64) {
		w, err := k.OpenSubgroup(group, moq.SubgroupHeader{FirstKnown: true, Whole: true}, epoch)
		require.Nil(t, err)
		require.Nil(t, w.Append(moq.ObjectHeader{}, []byte{byte(group)}, epoch))
		w.Finish(true)
	}
	for g := range uint64(groups) {
		write(s.all, g)
		if g%2 == 0 {
			write(s.cached, g)
		}
	}
	s.all.Certain()
	_, err := m.View(Scope{Peer: 1}).Publish("b", Route{}, s)
	require.NoError(t, err)
	r, err := m.View(Scope{Peer: 2}).Fetch(t.Context(), moq.FetchRequest{Name: name, End: moq.Location{Group: groups - 1}})
	require.NoError(t, err)
	defer r.Close()
	for g := range uint64(groups) {
		f, err := r.Next(t.Context())
		require.NoError(t, err)
		require.NotNil(t, f.Object, "%+v", f)
		require.Equal(t, []byte{byte(g)}, f.Object.Payload())
	}
	_, err = r.Next(t.Context())
	require.Equal(t, io.EOF, err)
	require.Equal(t, maxFills, s.asked)
}
