package interop

import (
	"context"

	"github.com/moqtgo/moqt/app/moqt"
)

// What the cases with PUBLISH are about.
const (
	publishedNamespace = moqt.Path("moq-test/publish")
	publishedTrack     = "published-track"
)

// publish offers a track by PUBLISH and waits for the relay's OK.
func (a *attempt) publish(role string) (*moqt.TrackWriter, error) {
	p, err := a.dial(role)
	if err != nil {
		return nil, err
	}
	w, err := moqt.NewBroadcast().Track(publishedTrack, moqt.TrackInfo{Priority: 127, Order: moqt.Ascending})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(a.ctx, answerTime+a.r.Grace)
	defer cancel()
	// The track is served as long as the case lasts.
	answer := make(chan error, 1)
	go func() { answer <- p.Publish(a.ctx, publishedNamespace, publishedTrack, w) }()
	select {
	case err = <-answer:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, optional(a.missed(ctx, "PUBLISH_OK", err))
	}
	a.r.Logger.Info("PUBLISH_OK", "role", role, "namespace", publishedNamespace, "track", publishedTrack)
	return w, nil
}

// finish writes one object and ends the track with PUBLISH_DONE.
func (a *attempt) finish(w *moqt.TrackWriter) error {
	if err := a.write(w, 0, sample(1, 1)[0]); err != nil {
		return err
	}
	return w.Close()
}

// publishTrackOnly: the relay takes a track, an object of it and its end.
func publishTrackOnly(a *attempt) error {
	w, err := a.publish("publisher")
	if err != nil {
		return err
	}
	if err := a.finish(w); err != nil {
		return err
	}
	a.settle(a.peers[0])
	return nil
}

// publishTrackSubscribe: … and hands it to a subscriber.
func publishTrackSubscribe(a *attempt) error {
	w, err := a.publish("publisher")
	if err != nil {
		return err
	}
	sub, err := a.dial("subscriber")
	if err != nil {
		return err
	}
	r, err := a.subscribe(sub, publishedNamespace, publishedTrack)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := a.finish(w); err != nil {
		return err
	}
	return a.want(r, map[uint64]group{0: sample(1, 1)[0]})
}

// subscribeTracks: who asks for the tracks below a prefix is offered those that
// are published there.
func subscribeTracks(a *attempt) error {
	sub, err := a.dial("subscriber")
	if err != nil {
		return err
	}
	if err := sub.SubscribeTracks(a.ctx, publishedNamespace); err != nil {
		return optional(a.missed(a.ctx, "SUBSCRIBE_TRACKS_OK", err))
	}
	w, err := a.publish("publisher")
	if err != nil {
		return err
	}
	watch, err := sub.mux.Announced(a.ctx, publishedNamespace)
	if err != nil {
		return err
	}
	defer watch.Close()
	if _, err := watch.Next(a.ctx); err != nil {
		return a.missed(a.ctx, "PUBLISH from the relay", err)
	}
	r, err := sub.mux.Subscribe(a.ctx, publishedNamespace, publishedTrack, &moqt.Subscription{Order: moqt.Ascending, MaxLatency: otherwise})
	if err != nil {
		return a.missed(a.ctx, "PUBLISH from the relay", err)
	}
	defer r.Close()
	if err := a.finish(w); err != nil {
		return err
	}
	return a.want(r, map[uint64]group{0: sample(1, 1)[0]})
}
