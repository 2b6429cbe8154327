package moqt

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/session"
)

const (
	// drainTime is what the peer gets to finish with the old connection.
	drainTime = time.Second
	// moveTime bounds one attempt to set up the new one.
	moveTime = 10 * time.Second
	// maxMoveWait is the longest pause between two attempts.
	maxMoveWait = 30 * time.Second
	// calm is how long a session must live for the next move to be at once.
	calm = time.Minute
)

// A mover moves a client's session to where GOAWAYs send it. The session's
// subscriptions and watches are known here, so that they continue over another
// connection.
type mover struct {
	client *Client
	s      *Session
	mux    *TrackMux
	ctx    context.Context // of the session as the user sees it
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when everything has ended

	mu      sync.Mutex
	wg      sync.WaitGroup
	over    bool
	url     *url.URL
	tracks  map[*moq.Track]struct{}
	watches map[*watch]struct{}
	moving  bool
	since   time.Time // of the last move
	wait    time.Duration
}

func newMover(c *Client, s *Session, mux *TrackMux, u *url.URL) *mover {
	m := &mover{
		client: c, s: s, mux: mux, url: u, done: make(chan struct{}),
		tracks: map[*moq.Track]struct{}{}, watches: map[*watch]struct{}{},
	}
	m.ctx, m.cancel = context.WithCancelCause(context.Background())
	return m
}

func (m *mover) log() *slog.Logger { return orSilent(m.client.Logger) }

// dial opens a session that tells the mover of its GOAWAY, once inUse is
// called.
func (m *mover) dial(ctx context.Context, u *url.URL) (core *session.Session, inUse func(), err error) {
	known := make(chan struct{})
	inUse = sync.OnceFunc(func() { close(known) })
	core, err = m.client.open(ctx, u, m.mux, func(uri string, timeout time.Duration) {
		m.run(func() {
			select {
			case <-known:
				m.goaway(core, uri, timeout)
			case <-m.ctx.Done():
			}
		})
	})
	return core, inUse, err
}

// run runs f in a goroutine of the session; false says that it has ended.
func (m *mover) run(f func()) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.over {
		return false
	}
	m.wg.Go(f)
	return true
}

// use makes core the session that is in use; false says that the session has
// ended.
func (m *mover) use(core *session.Session) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.over {
		return false
	}
	m.wg.Add(1)
	context.AfterFunc(core.Context(), func() { // no goroutine waits meanwhile
		defer m.wg.Done()
		err := core.Wait()
		if m.s.now() == core {
			m.cancel(err)
			m.end()
		}
	})
	return true
}

// end closes done once the last goroutine, which the caller is too, has ended.
func (m *mover) end() {
	m.mu.Lock()
	m.over = true
	m.mu.Unlock()
	go func() {
		m.wg.Wait()
		close(m.done)
	}()
}

// waitEnd waits for the end of everything.
func (m *mover) waitEnd() error {
	<-m.done
	return context.Cause(m.ctx)
}

// goaway decides about a GOAWAY and moves.
func (m *mover) goaway(core *session.Session, uri string, timeout time.Duration) {
	if f := m.client.Config.orZero().OnGoaway; f != nil {
		m.run(func() { f(m.s, uri, timeout) })
	}
	m.mu.Lock()
	from := m.url
	ours := core != nil && !m.moving && m.s.now() == core
	m.moving = m.moving || ours
	m.mu.Unlock()
	if !ours {
		return
	}
	to, err := m.client.redirect(from, uri)
	if err == nil {
		err = m.move(core, to)
	} else {
		m.moved()
	}
	if err != nil {
		m.log().Warn("GOAWAY not followed", "from", from.Redacted(), "error", err)
	}
}

func (m *mover) moved() {
	m.mu.Lock()
	m.moving = false
	m.mu.Unlock()
}

// redirect returns where a GOAWAY leads to.
func (c *Client) redirect(from *url.URL, uri string) (*url.URL, error) {
	to := from
	if uri != "" {
		var err error
		if to, err = from.Parse(uri); err != nil {
			return nil, fmt.Errorf("moqt: the new URI is malformed: %w", err)
		}
	}
	decide := c.Redirect
	if decide == nil {
		decide = SameHost
	}
	return to, decide(from, to)
}

// move sets up a session at to, as often as it takes while the old one lives,
// and moves everything there.
func (m *mover) move(old *session.Session, to *url.URL) error {
	for {
		if !m.pause(old) {
			m.moved()
			return context.Cause(old.Context())
		}
		ctx, cancel := context.WithTimeoutCause(m.ctx, moveTime, moq.Errorf(moq.CodeTimeout, "no session at the new place in time"))
		core, inUse, err := m.dial(ctx, to)
		cancel()
		if err == nil {
			err := m.switchTo(old, core, to)
			m.moved()
			inUse()
			return err
		}
		m.log().Info("GOAWAY: the new place does not answer", "to", to.Redacted(), "error", err)
	}
}

// pause waits between moves that follow each other too fast. It reports
// whether the old session is still there.
func (m *mover) pause(old *session.Session) bool {
	m.mu.Lock()
	if now := time.Now(); now.Sub(m.since) > calm {
		m.wait = 0
	}
	wait := m.wait
	m.wait = min(max(time.Second, 2*m.wait), maxMoveWait)
	m.since = time.Now()
	m.mu.Unlock()
	if wait == 0 {
		return old.Context().Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return old.Context().Err() == nil
	case <-old.Context().Done():
		return false
	}
}

func (m *mover) switchTo(old, core *session.Session, to *url.URL) error {
	m.mu.Lock()
	over := m.over || old.Context().Err() != nil
	if !over {
		m.url = to
		m.s.set(core)
	}
	tracks := slices.SortedFunc(maps.Keys(m.tracks), func(a, b *moq.Track) int { return a.Name().Compare(b.Name()) })
	watches := slices.SortedFunc(maps.Keys(m.watches), func(a, b *watch) int { return strings.Compare(string(a.prefix), string(b.prefix)) })
	m.mu.Unlock()
	if over || !m.use(core) {
		_ = core.CloseWithError(SessionNoError, "")
		return context.Cause(old.Context())
	}
	for _, t := range tracks {
		if ended, _ := t.Ended(); ended {
			continue
		}
		t.Detach()
		old.Source().Drop(t)
		m.tell(t)
	}
	for _, w := range watches {
		_ = w.from(core) // a watch that cannot move ends by itself
	}
	m.log().Info("GOAWAY followed", "to", to.Redacted())
	m.run(func() {
		timer := time.NewTimer(drainTime)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-old.Context().Done():
		case <-m.ctx.Done():
		}
		_ = old.CloseWithError(SessionNoError, "")
		_ = old.Wait()
	})
	return nil
}

func (m *mover) close(code ErrorCode, reason string) error {
	m.mu.Lock()
	core := m.s.now() // not while another one takes over
	m.mu.Unlock()
	return core.CloseWithError(code, reason)
}

// subscribe is Session.Subscribe with a track that can move.
func (m *mover) subscribe(ctx context.Context, name FullTrackName, sub Subscription) (*TrackReader, error) {
	name.Path = m.mux.root.Join(name.Path)
	t := moq.NewTrack(name, m.client.Config.orZero().Limits.Cache, m.demand)
	r := t.Subscribe(sub, nil)
	if _, err := t.WaitInfo(ctx); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (m *mover) demand(t *moq.Track) {
	m.mu.Lock()
	if t.Demand().Readers > 0 {
		m.tracks[t] = struct{}{}
	} else {
		delete(m.tracks, t)
	}
	m.mu.Unlock()
	m.tell(t)
}

// tell makes the session in use, and no other one, feed the track.
func (m *mover) tell(t *moq.Track) {
	for core := m.s.now(); ; {
		if t.Demand().Readers > 0 {
			core.Source().Want(t)
		} else {
			core.Source().Drop(t)
		}
		now := m.s.now()
		if now == core {
			return
		}
		core.Source().Drop(t)
		core = now
	}
}
