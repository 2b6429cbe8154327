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
	"github.com/moqtgo/moqt/ports/quic/quictest"
)

// A publisher that sends PUBLISH: its track is announced, read from the start
// of the newest group by who comes late, and ends with PUBLISH_DONE.
func TestPublish(t *testing.T) {
	for _, p := range Profiles {
		t.Run(p.Token, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server, stop := memnet.Pipe(memnet.Config{Settle: synctest.Wait}, nil)
				mux := route.NewMux(route.Config{})
				home := mux.View(route.Scope{})
				accepted := make(chan dialect.Peer, 1)
				go func() {
					var in *dialect.InBand
					pd, err := Dialect{}.Open(t.Context(), server, dialect.Row{Token: p.Token}, dialect.Server, &dialect.Config{Import: true}, in)
					if err == nil {
						peer, _ := pd.Accept(t.Context(), home)
						accepted <- peer
					}
				}()
				puppet := quictest.NewPuppet(t, client)
				say := func(m message) []byte { return m.append(nil, p) }
				var control *quictest.PuppetStream
				if p.SetupOnUni {
					control = puppet.OpenUni(say(&setup{}))
				} else {
					control = puppet.Open(say(&clientSetup{Versions: []uint64{p.Code}, Options: setupOptions{MaxRequestID: 100}}))
				}
				<-accepted
				publish := say(&publish{Name: moq.FullTrackName{Path: "room/alice", Name: "video"}, TrackAlias: 7,
					Params: parameters{GroupOrder: some(moq.Ascending), Forward: some(true)}})
				request := control
				if p.RequestStreams {
					request = puppet.Open(publish)
				} else {
					control.Send(publish)
				}
				time.Sleep(time.Second)
				watch, err := home.Watch("", 0, nil)
				require.NoError(t, err)
				require.Len(t, watch.Drain(10), 1)
				watch.Close()

				header := subgroupHeader{TrackAlias: 7, Group: 3, FirstObject: true, EndOfGroup: true}
				var ids objectIDs
				data := header.append(nil, p)
				for id := range uint64(3) {
					data = appendObject(data, p, &header, &ids, &objectHeader{ID: id, Size: 2})
					data = append(data, 'o', byte('0'+id))
				}
				puppet.OpenUni(data).FIN()
				time.Sleep(time.Second)
				r, err := home.Subscribe(moq.FullTrackName{Path: "room/alice", Name: "video"}, moq.Subscription{}, time.Now(), nil)
				require.NoError(t, err)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
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

				other, err := home.Subscribe(moq.FullTrackName{Path: "room/alice", Name: "audio"}, moq.Subscription{}, time.Now(), nil)
				require.NoError(t, err)
				_, err = other.NextGroup(ctx)
				require.ErrorIs(t, err, moq.ErrNotFound, "only what was published is there")
				other.Close()

				request.Send(say(&publishDone{Status: p.doneNumber(doneTrackEnded), StreamCount: 1}))
				if p.RequestStreams {
					request.FIN()
				}
				_, err = r.NextGroup(ctx)
				require.ErrorIs(t, err, io.EOF)
				r.Close()
				time.Sleep(time.Second)
				mux.Sweep(time.Now().Add(time.Hour))
				mux.Sweep(time.Now().Add(2 * time.Hour))
				require.Equal(t, route.Stats{}, mux.Stats(), "the namespace goes with its last track")
				puppet.Close(0, "")
				stop()
			})
		})
	}
}
