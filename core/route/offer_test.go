package route

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
)

// A shelf is a source whose tracks are known.
type shelf struct {
	fakeSource
	tracks map[string]*moq.Track
}

// put returns a shelf with tracks of these names.
func (s *shelf) put(names ...string) {
	tracks := map[string]*moq.Track{}
	for _, name := range names {
		if tracks[name] = s.tracks[name]; tracks[name] == nil {
			tracks[name] = moq.NewTrack(moq.FullTrackName{Name: name}, moq.CacheLimits{}, nil)
		}
	}
	s.tracks = tracks
}

func (s *shelf) list() map[string]*moq.Track { return s.tracks }

func offered(r *OfferReader) string {
	var s []string
	for _, o := range r.Drain(100) {
		s = append(s, fmt.Sprintf("%s %s", []string{"active", "ended"}[o.Change], o.Name))
	}
	return strings.Join(s, ", ")
}

func TestOffers(t *testing.T) {
	m := NewMux(Config{})
	x, y := m.View(Scope{Peer: "x"}), m.View(Scope{Root: "room", Peer: "y", Allow: func(op Op, p moq.Path) error {
		if p == "secret" && op == OpSubscribe {
			return moq.ErrUnauthorized
		}
		return nil
	}})
	s := &shelf{fakeSource: *newSource()}
	s.put("video")
	pub, err := x.Publish("room/a", Route{Tracks: s.list}, s)
	require.NoError(t, err)
	_, err = x.Publish("room/b", Route{}, newSource()) // whose tracks nobody knows
	require.NoError(t, err)
	_, err = x.Publish("room/secret", Route{Tracks: s.list}, s)
	require.NoError(t, err)
	_, err = x.Publish("room/hidden", Route{Hidden: true, Tracks: s.list}, s)
	require.NoError(t, err)
	_, err = x.Publish("elsewhere", Route{Tracks: s.list}, s)
	require.NoError(t, err)
	wakes := 0
	r, err := y.WatchTracks("", func() { wakes++ })
	require.NoError(t, err)
	own, err := x.WatchTracks("room", nil)
	require.NoError(t, err)
	below, err := y.WatchTracks("a/b", nil)
	require.NoError(t, err)
	announced, err := y.Watch("", 0, nil)
	require.NoError(t, err)
	announced.Drain(100)

	require.Equal(t, "active a:video", offered(r))
	require.Empty(t, offered(own), "what a peer has published is not offered to it")
	require.Empty(t, offered(below))
	s.put("video", "audio")
	require.Empty(t, offered(r), "nobody has said so")
	pub.TracksChanged()
	pub.TracksChanged()
	require.Equal(t, 1, wakes, "one wake between two looks")
	require.Equal(t, "active a:audio", offered(r))
	require.Empty(t, announced.Drain(10), "the broadcast is the same")
	s.put("audio")
	s.tracks["audio"] = moq.NewTrack(moq.FullTrackName{Name: "audio"}, moq.CacheLimits{}, nil)
	pub.TracksChanged()
	require.Equal(t, "ended a:audio, ended a:video, active a:audio", offered(r), "another track of the same name")

	// Another publisher takes the name over, and leaves.
	taken := &shelf{fakeSource: *newSource()}
	taken.put("audio")
	taker, err := m.View(Scope{Peer: "z"}).Publish("room/a", Route{Hops: []uint64{0}, Tracks: taken.list}, taken)
	require.NoError(t, err)
	pub.TracksChanged() // which nobody hears of
	require.Equal(t, "ended a:audio, active a:audio", offered(r))
	require.Equal(t, "active room/a:audio", offered(own))
	taker.End()
	require.Equal(t, "ended a:audio, active a:audio", offered(r))
	require.Equal(t, "ended room/a:audio", offered(own))
	pub.End()
	require.Equal(t, "ended a:audio", offered(r))
	pub.TracksChanged()
	require.Empty(t, offered(r))

	denied := m.View(Scope{Allow: func(Op, moq.Path) error { return moq.ErrUnauthorized }})
	_, err = denied.WatchTracks("", nil)
	require.ErrorIs(t, err, moq.ErrUnauthorized)
	require.Equal(t, 4, m.Stats().Watchers)
	for _, w := range []interface{ Close() }{r, own, below, announced} {
		w.Close()
	}
	require.Zero(t, m.Stats().Watchers)
}

// Who waits is woken by what comes.
func TestOffersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMux(Config{})
		r, err := m.View(Scope{Peer: "y"}).WatchTracks("", nil)
		require.NoError(t, err)
		got := make(chan string)
		go func() {
			defer close(got)
			for o, err := range r.All(context.Background()) {
				if err != nil {
					got <- err.Error()
					return
				}
				got <- o.Name.String()
			}
		}()
		synctest.Wait()
		s := &shelf{fakeSource: *newSource()}
		pub, err := m.View(Scope{Peer: "x"}).Publish("a", Route{Tracks: s.list}, s)
		require.NoError(t, err)
		synctest.Wait()
		s.put("video")
		pub.TracksChanged()
		require.Equal(t, "a:video", <-got)
		r.Fail(errors.New("enough"))
		require.Equal(t, "enough", <-got)
		<-got
	})
}
