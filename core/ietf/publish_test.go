package ietf

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/quic/quictest"
)

// A publishing is a puppet that publishes, in a bubble, and what the server
// makes of it.
type publishing struct {
	*quictest.Puppet
	p       *Profile
	control *quictest.PuppetStream
	mux     *route.Mux
	home    *route.View
}

func (w *publishing) say(m message) []byte { return m.append(nil, w.p) }

// publish sends a PUBLISH of room/alice's video with the alias 7, and returns
// the stream of its further messages.
func (w *publishing) publish() *quictest.PuppetStream {
	b := w.say(&publish{Name: aliceVideo, TrackAlias: 7, Params: parameters{GroupOrder: some(moq.Ascending), Forward: some(true)}})
	if w.p.RequestStreams {
		return w.Open(b)
	}
	return w.control.Send(b)
}

// done sends PUBLISH_DONE for one stream.
func (w *publishing) done(request *quictest.PuppetStream) {
	request.Send(w.say(&publishDone{Status: w.p.doneNumber(doneTrackEnded), StreamCount: 1}))
	if w.p.RequestStreams {
		request.FIN()
	}
}

// group sends group 3: three objects.
func (w *publishing) group() {
	header := subgroupHeader{TrackAlias: 7, Group: 3, FirstObject: true, EndOfGroup: true}
	var ids objectIDs
	data := header.append(nil, w.p)
	for id := range uint64(3) {
		data = appendObject(data, w.p, &header, &ids, &objectHeader{ID: id, Size: 2})
		data = append(data, 'o', byte('0'+id))
	}
	w.OpenUni(data).FIN()
}

// wantGroup wants group 3.
func (w *publishing) wantGroup(ctx context.Context, t *testing.T, r *moq.TrackReader) {
	t.Helper()
	g, err := r.NextGroup(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 3, g.Sequence())
	for id := range byte(3) {
		f, err := g.ReadFrame(ctx)
		require.NoError(t, err)
		require.Equal(t, []byte{'o', '0' + id}, f.Payload)
	}
	_, err = g.ReadFrame(ctx)
	require.ErrorIs(t, err, io.EOF)
}

var aliceVideo = moq.FullTrackName{Path: "room/alice", Name: "video"}

// forPublishers runs f in a bubble for each draft, and wants the mux to be
// empty afterwards.
func forPublishers(t *testing.T, f func(t *testing.T, w *publishing)) {
	forPublishersOn(t, func(c quic.Connection) quic.Connection { return c }, f)
}

// forPublishersOn is forPublishers where the server has its connection from
// wrap. f begins when the set-up of the puppet is sent.
func forPublishersOn(t *testing.T, wrap func(quic.Connection) quic.Connection, f func(t *testing.T, w *publishing)) {
	for _, p := range Profiles {
		t.Run(p.Token, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server, stop := memnet.Pipe(memnet.Config{Settle: synctest.Wait}, nil)
				server = wrap(server)
				w := &publishing{Puppet: quictest.NewPuppet(t, client), p: p, mux: route.NewMux(route.Config{})}
				w.home = w.mux.View(route.Scope{})
				accepted := make(chan error, 1)
				go func() {
					var in *dialect.InBand
					pd, err := Dialect{}.Open(t.Context(), server, dialect.Row{Token: p.Token}, dialect.Server, &dialect.Config{Import: true}, in)
					if err == nil {
						_, err = pd.Accept(t.Context(), w.home)
					}
					accepted <- err
				}()
				if p.SetupOnUni {
					w.control = w.OpenUni(w.say(&setup{}))
				} else {
					w.control = w.Open(w.say(&clientSetup{Versions: []uint64{p.Code}, Options: setupOptions{MaxRequestID: 100}}))
				}
				f(t, w)
				require.NoError(t, <-accepted)
				time.Sleep(time.Second)
				w.mux.Sweep(time.Now().Add(time.Hour))
				w.mux.Sweep(time.Now().Add(2 * time.Hour))
				require.Equal(t, route.Stats{}, w.mux.Stats(), "the namespace goes with its last track")
				w.Close(0, "")
				stop()
			})
		})
	}
}

// A dawdler is a connection of a session that is slow to start: whenever it
// looks at the connection, everybody else goes on.
type dawdler struct{ quic.Connection }

func (d dawdler) State() quic.State {
	time.Sleep(time.Millisecond)
	return d.Connection.State()
}

// Requests that have come before the server has begun to serve are answered as
// later ones are.
func TestRequestsAtOnce(t *testing.T) {
	dawdle := func(c quic.Connection) quic.Connection { return dawdler{c} }
	forPublishersOn(t, dawdle, func(t *testing.T, w *publishing) {
		request := w.publish()
		if !w.p.SetupOnUni {
			request.WantBytes(w.say(&serverSetup{Version: w.p.Code, Options: (&pending{p: w.p, c: w.Conn(), cfg: &dialect.Config{}}).options(&session{})}))
		}
		ok := &requestOK{To: kindPublish}
		ok.Params.Forward, ok.Params.SubscriberPriority = some(true), some(defaultPriority)
		ok.Params.GroupOrder, ok.Params.Filter = some(moq.Ascending), some(locationFilter{Type: filterLargestObject})
		request.WantBytes(w.say(ok))
		w.done(request)
	})
}

// A publisher that sends PUBLISH: its track is announced, read from the start
// of the newest group by who comes late, and ends with PUBLISH_DONE.
func TestPublish(t *testing.T) {
	forPublishers(t, func(t *testing.T, w *publishing) {
		request := w.publish()
		time.Sleep(time.Second)
		watch, err := w.home.Watch("", 0, nil)
		require.NoError(t, err)
		require.Len(t, watch.Drain(10), 1)
		watch.Close()

		w.group()
		time.Sleep(time.Second)
		r, err := w.home.Subscribe(aliceVideo, moq.Subscription{}, time.Now(), nil)
		require.NoError(t, err)
		defer r.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		w.wantGroup(ctx, t, r)

		other, err := w.home.Subscribe(moq.FullTrackName{Path: "room/alice", Name: "audio"}, moq.Subscription{}, time.Now(), nil)
		require.NoError(t, err)
		_, err = other.NextGroup(ctx)
		require.ErrorIs(t, err, moq.ErrNotFound, "only what was published is there")
		other.Close()

		w.done(request)
		_, err = r.NextGroup(ctx)
		require.ErrorIs(t, err, io.EOF)
	})
}

// A publisher that listens no longer still says PUBLISH_DONE, and one that
// goes on without a word is withdrawn.
func TestPublishStopped(t *testing.T) {
	forPublishers(t, func(t *testing.T, w *publishing) {
		if !w.p.RequestStreams {
			return // requests have no streams to stop
		}
		request := w.publish()
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r, err := w.home.Subscribe(aliceVideo, moq.Subscription{}, time.Now(), nil)
		require.NoError(t, err)
		defer r.Close()
		request.Stop(1)
		time.Sleep(100 * time.Millisecond)
		w.group()
		w.done(request)
		w.wantGroup(ctx, t, r)
		_, err = r.NextGroup(ctx)
		require.ErrorIs(t, err, io.EOF)

		b := w.say(&publish{RequestID: 2, Name: aliceVideo, TrackAlias: 8, Params: parameters{Forward: some(true)}})
		silent := w.Open(b)
		time.Sleep(time.Second)
		again, err := w.home.Subscribe(aliceVideo, moq.Subscription{}, time.Now(), nil)
		require.NoError(t, err)
		defer again.Close()
		silent.Stop(1)
		_, err = again.NextGroup(ctx)
		require.ErrorIs(t, err, moq.ErrDropped)
	})
}

// Who subscribes before a track is published gets it, and keeps it while nobody
// reads for a while.
func TestPublishAwaited(t *testing.T) {
	forPublishers(t, func(t *testing.T, w *publishing) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		early, err := w.home.Subscribe(aliceVideo, moq.Subscription{}, time.Now(), nil)
		require.NoError(t, err)
		another, err := w.home.Subscribe(aliceVideo, moq.Subscription{}, time.Now(), nil)
		require.NoError(t, err)
		request := w.publish()
		w.group() // in the same breath
		for _, r := range []*moq.TrackReader{early, another} {
			w.wantGroup(ctx, t, r)
			r.Close()
		}
		w.mux.Sweep(time.Now().Add(time.Hour)) // the idle track
		late, err := w.home.Subscribe(aliceVideo, moq.Subscription{}, time.Now(), nil)
		require.NoError(t, err)
		defer late.Close()
		w.wantGroup(ctx, t, late)
		w.done(request)
		_, err = late.NextGroup(ctx)
		require.ErrorIs(t, err, io.EOF)
	})
}

// … also where PUBLISH_DONE overtakes the objects.
func TestPublishAwaitedDoneFirst(t *testing.T) {
	forPublishers(t, func(t *testing.T, w *publishing) {
		r, err := w.home.Subscribe(aliceVideo, moq.Subscription{}, time.Now(), nil)
		require.NoError(t, err)
		defer r.Close()
		w.done(w.publish())
		time.Sleep(100 * time.Millisecond)
		w.group()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		w.wantGroup(ctx, t, r)
		_, err = r.NextGroup(ctx)
		require.ErrorIs(t, err, io.EOF)
	})
}

// A publisher that leaves right after PUBLISH_DONE has ended its track, and not
// lost it.
func TestPublishDoneAndGone(t *testing.T) {
	for _, code := range []quic.ErrorCode{0, 3} {
		forPublishers(t, func(t *testing.T, w *publishing) {
			request := w.publish()
			w.group()
			time.Sleep(time.Second)
			r, err := w.home.Subscribe(aliceVideo, moq.Subscription{}, time.Now(), nil)
			require.NoError(t, err)
			defer r.Close()
			request.Send(w.say(&publishDone{Status: w.p.doneNumber(doneTrackEnded)})) // of an unknown number of streams
			time.Sleep(100 * time.Millisecond)
			w.Close(code, "")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			w.wantGroup(ctx, t, r)
			_, err = r.NextGroup(ctx)
			require.ErrorIs(t, err, io.EOF)
			time.Sleep(10 * time.Second) // what lingers
		})
	}
}

// PUBLISH_DONE overtakes the objects: they still belong to the track.
func TestPublishDoneFirst(t *testing.T) {
	forPublishers(t, func(t *testing.T, w *publishing) {
		request := w.publish()
		time.Sleep(time.Second)
		r, err := w.home.Subscribe(aliceVideo, moq.Subscription{}, time.Now(), nil)
		require.NoError(t, err)
		defer r.Close()
		w.done(request)
		time.Sleep(100 * time.Millisecond)
		w.group()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		w.wantGroup(ctx, t, r)
		_, err = r.NextGroup(ctx)
		require.ErrorIs(t, err, io.EOF)
	})
}
