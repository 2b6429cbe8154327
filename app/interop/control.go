package interop

import (
	"context"
	"errors"
	"time"

	"github.com/moqtgo/moqt/app/moqt"
)

// setupOnly: both sides set a session up.
func setupOnly(a *attempt) error {
	_, err := a.dial("client")
	return err
}

// announceOnly: the relay takes a namespace.
func announceOnly(a *attempt) error {
	p, err := a.dial("publisher")
	if err != nil {
		return err
	}
	return a.announce(a.ctx, p, namespace, moqt.NewBroadcast())
}

// publishNamespaceDone: … and lets it be withdrawn.
func publishNamespaceDone(a *attempt) error {
	p, err := a.dial("publisher")
	if err != nil {
		return err
	}
	ctx, withdraw := context.WithCancel(a.ctx)
	defer withdraw()
	if err := a.announce(ctx, p, namespace, moqt.NewBroadcast()); err != nil {
		return err
	}
	withdraw()
	a.settle(p)
	return nil
}

// subscribeError: the relay refuses a track that there is not.
func subscribeError(a *attempt) error {
	p, err := a.dial("subscriber")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(a.ctx, answerTime+a.r.Grace)
	defer cancel()
	r, err := p.Subscribe(ctx, "nonexistent/namespace", trackName, nil)
	if err == nil {
		r.Close()
		return &failure{expected: "REQUEST_ERROR", received: "SUBSCRIBE_OK", err: errors.New("the relay has accepted a track that there is not")}
	}
	if !refused(err) {
		return a.missed(ctx, "REQUEST_ERROR", err)
	}
	a.r.Logger.Info("REQUEST_ERROR", "role", p.role, "error", err)
	return nil
}

// announceSubscribe: a subscription is routed to the publisher of the
// namespace. No object is sent.
func announceSubscribe(a *attempt) error {
	_, r, err := a.routed()
	if err == nil {
		r.Close()
	}
	return err
}

// routed subscribes to a track that a publisher of ours has announced.
func (a *attempt) routed() (*moqt.TrackWriter, *moqt.TrackReader, error) {
	pub, err := a.dial("publisher")
	if err != nil {
		return nil, nil, err
	}
	b := moqt.NewBroadcast()
	w, err := b.Track(trackName, moqt.TrackInfo{Order: moqt.Ascending})
	if err != nil {
		return nil, nil, err
	}
	if err := a.announce(a.ctx, pub, namespace, b); err != nil {
		return nil, nil, err
	}
	sub, err := a.dial("subscriber")
	if err != nil {
		return nil, nil, err
	}
	r, err := a.subscribe(sub, namespace, trackName)
	return w, r, err
}

// headStart is how long the subscriber of subscribeBeforeAnnounce is alone.
const headStart = 500 * time.Millisecond

// subscribeBeforeAnnounce: a subscription that comes before the namespace is
// refused, or served once that is there.
func subscribeBeforeAnnounce(a *attempt) error {
	sub, err := a.dial("subscriber")
	if err != nil {
		return err
	}
	answer := make(chan error, 1)
	go func() {
		r, err := a.subscribe(sub, namespace, trackName)
		if err == nil {
			r.Close()
		}
		answer <- err
	}()
	// The publisher comes whatever the answer was: it too must be served.
	err = func() error {
		timer := time.NewTimer(headStart)
		defer timer.Stop()
		<-timer.C
		pub, err := a.dial("publisher")
		if err != nil {
			return err
		}
		b := moqt.NewBroadcast()
		if _, err := b.Track(trackName, moqt.TrackInfo{}); err != nil {
			return err
		}
		return a.announce(a.ctx, pub, namespace, b)
	}()
	said := <-answer
	if err != nil {
		return err
	}
	if refused(said) {
		return nil
	}
	return said
}
