package moqt

import (
	"context"
	"net/url"
	"sync"
	"time"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/core/session"
)

// A mover moves a client's session to where GOAWAYs send it. It is the source
// of the session's subscriptions, so that they continue over another
// connection.
type mover struct {
	client *Client
	s      *Session
	mux    *TrackMux
	ctx    context.Context // of the session as the user sees it
	cancel context.CancelCauseFunc

	mu     sync.Mutex
	url    *url.URL
	core   *session.Session
	tracks map[*moq.Track]struct{} // subscriptions
	done   chan struct{}
}

func newMover(c *Client, s *Session, mux *TrackMux, u *url.URL) *mover {
	m := &mover{client: c, s: s, mux: mux, url: u, tracks: map[*moq.Track]struct{}{}, done: make(chan struct{})}
	m.ctx, m.cancel = context.WithCancelCause(context.Background())
	return m
}

func (m *mover) dial(ctx context.Context, u *url.URL) (*session.Session, error) {
	return m.client.open(ctx, u, m.mux, func(string, time.Duration) {})
}

func (m *mover) began(core *session.Session) {
	m.core = core
	go func() {
		err := core.Wait()
		m.cancel(err)
		close(m.done)
	}()
}

func (m *mover) subscribe(ctx context.Context, name FullTrackName, sub Subscription) (*TrackReader, error) {
	return m.s.now().Subscribe(ctx, name, sub)
}

func (m *mover) announced(ctx context.Context, prefix Path) (*AnnounceReader, error) {
	return m.s.now().Announced(ctx, prefix)
}

func (m *mover) close(code ErrorCode, reason string) error {
	return m.s.now().CloseWithError(code, reason)
}

func (m *mover) wait() error {
	<-m.done
	return context.Cause(m.ctx)
}

var (
	_ route.Source
	_ dialect.Peer
)
