package interop

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moqtgo/moqt/app/moqt"
)

// What the runner's cases are about.
const (
	namespace = moqt.Path("moq-test/interop")
	trackName = "test-track"
)

// An attempt is one play of a case.
type attempt struct {
	r     *Runner
	ctx   context.Context // ends with the limit of the case
	peers []*peer
}

// A peer is a session of ours with the relay.
type peer struct {
	*moqt.Session
	role string
	mux  *moqt.TrackMux
}

// A failure is why a case has failed.
type failure struct {
	expected, received string
	err                error // a sentence
}

func (f *failure) Error() string { return f.err.Error() }

func (f *failure) Unwrap() error { return f.err }

// A skipped case needs what the relay says it has not.
type skipped struct{ err error }

func (s skipped) Error() string { return s.err.Error() }

// dial sets a session up and returns when the relay's SETUP has come.
func (a *attempt) dial(role string) (*peer, error) {
	ctx, cancel := context.WithTimeout(a.ctx, setupTime+a.r.Grace)
	defer cancel()
	p := &peer{role: role, mux: moqt.NewTrackMux(nil)}
	var err error
	if p.Session, err = a.r.client.Dial(ctx, a.r.URL, p.mux); err != nil {
		return nil, a.missed(ctx, "a connection and SETUP", err)
	}
	a.peers = append(a.peers, p)
	a.r.Logger.Info("connected", "role", role, "draft", Draft(p.Version()), "from", p.LocalAddr())
	return p, nil
}

// missed is the failure to get what was expected before ctx has ended.
func (a *attempt) missed(ctx context.Context, expected string, err error) error {
	var said *moqt.Error
	var ended *moqt.ConnError
	f := &failure{expected: expected, received: "nothing of use", err: err}
	switch {
	case errors.As(err, &ended) && ended.Remote && ended.Err != nil:
		f.received = "the end of the connection"
	case errors.As(err, &ended) && ended.Remote:
		f.received = fmt.Sprintf("the end of the session with code %#x", uint64(ended.Code))
	case errors.As(err, &said) && said.Remote:
		f.received = fmt.Sprintf("REQUEST_ERROR %#x", said.Wire)
	case ctx.Err() != nil:
		f.received = "timeout"
		f.err = fmt.Errorf("no %s in time: %w", expected, err)
	}
	return f
}

// refused says that the relay has answered with an error.
func refused(err error) bool {
	var said *moqt.Error
	var ended *moqt.ConnError
	return errors.As(err, &said) && said.Remote && !errors.As(err, &ended)
}

// optional makes a failure a skip where the relay says that it does not support
// what was asked for.
func optional(err error) error {
	if refused(err) && errors.Is(err, moqt.ErrUnsupported) {
		return skipped{err}
	}
	return err
}

// announce publishes a namespace and waits for the relay's OK.
func (a *attempt) announce(ctx context.Context, p *peer, path moqt.Path, b *moqt.Broadcast) error {
	if err := p.mux.Announce(ctx, path, b); err != nil {
		return err
	}
	answer, cancel := context.WithTimeout(a.ctx, answerTime+a.r.Grace)
	defer cancel()
	if err := p.Accepted(answer, path); err != nil {
		return a.missed(answer, "PUBLISH_NAMESPACE_OK", err)
	}
	a.r.Logger.Info("PUBLISH_NAMESPACE_OK", "role", p.role, "namespace", path)
	return nil
}

// subscribe waits for SUBSCRIBE_OK.
func (a *attempt) subscribe(p *peer, path moqt.Path, track string) (*moqt.TrackReader, error) {
	r, err := p.Subscribe(a.ctx, path, track, &moqt.Subscription{Order: moqt.Ascending, MaxLatency: otherwise})
	if err != nil {
		return nil, a.missed(a.ctx, "SUBSCRIBE_OK", err)
	}
	a.r.Logger.Info("SUBSCRIBE_OK", "role", p.role, "namespace", path, "track", track)
	return r, nil
}

// settle gives what was just written the time to leave, and the relay that to
// object to it.
func (a *attempt) settle(p *peer) {
	timer := time.NewTimer(settleTime)
	defer timer.Stop()
	select {
	case <-p.Context().Done():
	case <-timer.C:
	}
}

const settleTime = 100 * time.Millisecond

// leave ends the sessions. The first that has ended before fails the case.
func (a *attempt) leave() (err error) {
	for _, p := range a.peers {
		if p.Context().Err() != nil && err == nil {
			err = a.missed(context.Background(), "a session that lasts", context.Cause(p.Context()))
		}
		_ = p.CloseWithError(moqt.SessionNoError, "")
	}
	for _, p := range a.peers {
		_ = p.Wait()
	}
	return err
}
