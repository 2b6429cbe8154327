package sim_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/app/sim"
)

// t is what go test gives to a test.
var t *testing.T

// TestExamples runs the Examples, which need a *testing.T.
func TestExamples(test *testing.T) {
	t = test
	ExampleTest()
	ExampleRun()
}

// A story in a test: two versions, each with every seed that is worth it.
func ExampleTest() {
	const story = `
		dialects lite-05 moqt-19
		link * latency=20ms
		relay r
		publish alice r room/alice video
		subscribe bob r room/alice video
		advance 5s
		cut bob r
		advance 3s
		heal bob r
		advance 5s
		expect bob subscribed=1 missing=0 age<200ms`
	for seed := range uint64(3) {
		sim.Test(t, story, &sim.Config{Seed: seed})
	}
}

// An application of one's own on the network of a World: here a publisher of
// one group and who reads it, at a relay whose link is cut for a while.
func ExampleRun() {
	sim.Run(t, &sim.Config{Seed: 7}, func(w *sim.World) error {
		if _, err := w.Relay("relay"); err != nil {
			return err
		}
		ctx := context.Background() // t.Context() is of another world
		broadcast := moqt.NewBroadcast()
		track, err := broadcast.Track("greeting", moqt.TrackInfo{})
		if err != nil {
			return err
		}
		mux := moqt.NewTrackMux(nil)
		if err := mux.Announce(ctx, "hall", broadcast); err != nil {
			return err
		}
		publisher, err := w.Client("publisher").Dial(ctx, "moqt://relay:443/", mux)
		if err != nil {
			return err
		}
		viewer, err := w.Client("viewer").Dial(ctx, "moqt://relay:443/", nil)
		if err != nil {
			return err
		}
		r, err := viewer.Subscribe(ctx, "hall", "greeting", nil)
		if err != nil {
			return err
		}
		if err := w.Do("cut viewer relay"); err != nil {
			return err
		}
		group, err := track.AppendGroup()
		if err != nil {
			return err
		}
		fmt.Fprint(group, "hello")
		_ = group.Close()
		w.Advance(3 * time.Second)
		if err := w.Do("heal viewer relay"); err != nil {
			return err
		}
		g, err := r.NextGroup(ctx)
		if err != nil {
			return err
		}
		frame, err := g.ReadFrame(ctx)
		if err == nil && string(frame.Payload) != "hello" {
			err = fmt.Errorf("got %q", frame.Payload)
		}
		r.Close()
		return errors.Join(err,
			viewer.CloseWithError(moqt.SessionNoError, ""), publisher.CloseWithError(moqt.SessionNoError, ""))
	})
}
