package ietf

import (
	"context"
	"io"
	"math"
	"sync"
	"time"

	"github.com/moqtgo/moqt/core/moq"
)

// fetchWindow is how many payload bytes of a fetch of ours may wait to be read
// before its stream is read on.
const fetchWindow = 8 << 20

// A fetching is a fetch of ours whose objects are under way.
type fetching struct {
	track    *moq.Track
	start    moq.Location
	join     *join // what it is for; nil: a reader
	reader   *moq.ObjectReader
	answered chan struct{} // closed when FETCH_OK or an error has come
	over     chan struct{} // closed when nobody reads it any more
	once     sync.Once     // of over
	stream   *uniStream    // guarded by s.mu
}

// Fetch implements route.Source. No more than Limits.Fetches go on at once:
// others wait.
func (s *session) Fetch(ctx context.Context, r moq.FetchRequest) (*moq.ObjectReader, error) {
	rel, ok := s.home.Relative(r.Name.Path)
	if !ok {
		return nil, moq.Errorf(moq.CodeNotFound, "%q is no name of this session", r.Name)
	}
	if max(r.Start.Group, r.Start.Object, r.End.Group) > s.p.Varint.Max() {
		return nil, moq.Errorf(moq.CodeNotFound, "%s cannot name group %d", s.p.Token, r.End.Group)
	}
	select {
	case s.fetchSlots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-s.ctx.Done():
		return nil, moq.ErrDropped
	}
	t := moq.NewTrack(r.Name, s.cfg.Limits.Cache, nil)
	s.home.Keep(t)
	reader, err := s.fetchFrom(ctx, r, moq.FullTrackName{Path: rel, Name: r.Name.Name}, t)
	if err != nil {
		<-s.fetchSlots
		t.Retire()
		return nil, err
	}
	return reader, nil
}

func (s *session) fetchFrom(ctx context.Context, r moq.FetchRequest, name moq.FullTrackName, t *moq.Track) (*moq.ObjectReader, error) {
	f := &fetching{track: t, start: r.Start, answered: make(chan struct{}), over: make(chan struct{})}
	f.track.Certain()
	end := s.p.after(r.End)
	c, err := s.open(kindFetch, func(c *call) message {
		m := &fetch{RequestID: c.id, Type: fetchStandalone, Name: name, Start: r.Start, End: end}
		m.Params.SubscriberPriority = some(255 - r.Priority)
		m.Params.GroupOrder = some(moq.Ascending)
		if s.p.FetchFilter {
			filter := locationFilter{Type: filterAbsoluteRange, Start: r.Start, EndGroup: r.End.Group}
			if end.Object > 0 {
				filter.EndObject = some(r.End.Object)
			}
			m.Params.Filter = some(filter)
		}
		s.mu.Lock()
		s.fetches[c.id] = f
		f.reader = f.track.Read(r.Start, r.End, nil)
		s.mu.Unlock()
		return m
	})
	if err != nil {
		return nil, err
	}
	answer, err := s.fetchAnswer(ctx, c, f)
	if err != nil {
		return nil, err
	}
	f.track.SetInfo(s.p.info(answer.Properties, &answer.Params))
	timer := time.AfterFunc(s.cfg.Limits.FetchTime, func() {
		f.track.Fail(moq.Errorf(moq.CodeTimeout, "the fetch took too long"))
		s.endFetch(c, f)
	})
	f.reader.Until(lastOf(answer.End))
	f.reader.OnClose(func() {
		timer.Stop()
		s.endFetch(c, f)
		<-s.fetchSlots
		t.Retire()
	})
	return f.reader, nil
}

// fetchAnswer waits for the FETCH_OK of a fetch of ours; any other answer ends
// the fetch.
func (s *session) fetchAnswer(ctx context.Context, c *call, f *fetching) (*fetchOK, error) {
	stop := context.AfterFunc(ctx, c.abandon)
	m, err := c.answer()
	stop()
	defer close(f.answered)
	answer, is := m.(*fetchOK)
	if is && err == nil {
		err = s.p.malformedTrack(answer.Properties)
	}
	switch {
	case err == nil && !is:
		err = moq.Errorf(moq.CodeMalformed, "%T answers FETCH", m)
	case err == nil && lastOf(answer.End).Compare(f.start) < 0:
		err = violated(CodeProtocolViolation, "FETCH_OK ends at %d, before the start of the fetch", answer.End)
		s.Close(err)
	}
	if err != nil {
		s.endFetch(c, f)
		return nil, s.fromWire(err)
	}
	return answer, nil
}

// endFetch withdraws a fetch of ours, if it is not complete.
func (s *session) endFetch(c *call, f *fetching) {
	f.once.Do(func() { close(f.over) })
	s.mu.Lock()
	live := s.fetches[c.id] == f
	delete(s.fetches, c.id)
	u := f.stream
	s.mu.Unlock()
	if live {
		c.leave()
		c.withdraw(&fetchCancel{RequestID: c.id})
	}
	if u != nil {
		u.CancelRead(s.reset(moq.ErrCanceled))
	}
}

// fetched reads the objects of a fetch of ours. Each subgroup and group is one
// of the log that the fetch has for itself.
func (u *uniStream) fetched(id uint64) error {
	s := u.s
	s.mu.Lock()
	f := s.fetches[id]
	second := f != nil && f.stream != nil
	if f != nil && !second {
		f.stream = u
	}
	drawn := id%2 == s.nextID%2 && id < s.nextID
	s.mu.Unlock()
	switch {
	case second:
		return violated(CodeProtocolViolation, "a second stream of fetch %d", id)
	case f == nil && !drawn:
		return violated(CodeProtocolViolation, "there is no request %d", id)
	case f == nil:
		return moq.ErrCanceled
	}
	writers := map[uint64]*moq.SubgroupWriter{}
	err := u.fetchObjects(f, writers)
	switch {
	case err == io.EOF:
		select { // the answer may come later than all objects
		case <-f.answered:
		case <-s.ctx.Done():
			return nil
		}
		s.mu.Lock()
		delete(s.fetches, id)
		c := s.calls[id]
		s.mu.Unlock()
		if c != nil {
			c.finish()
			c.leave()
			c.forget()
		}
		f.end(writers, nil) // last: who reads it withdraws what is not complete
		return nil
	case isViolation(err):
		return err
	}
	f.end(writers, s.fromWire(err))
	return u.cutShort(err)
}

// end says that all objects have come, or why not.
func (f *fetching) end(writers map[uint64]*moq.SubgroupWriter, err *moq.Error) {
	switch {
	case f.join != nil:
		f.join.end(writers, err == nil)
	case err != nil:
		f.track.Fail(err)
	default:
		finishAll(writers)
		f.track.Finish(0)
	}
}

func finishAll(writers map[uint64]*moq.SubgroupWriter) {
	for _, w := range writers {
		_ = w.Finish(true)
	}
	clear(writers)
}

// fetchObjects reads objects until the stream ends; that is io.EOF.
func (u *uniStream) fetchObjects(f *fetching, writers map[uint64]*moq.SubgroupWriter) error {
	cursor := fetchCursor{Order: moq.Ascending}
	next, group := f.start, uint64(0)
	for {
		m, err := cursor.read(u.in, u.s.p)
		if err != nil {
			return err
		}
		at := moq.Location{Group: m.Group, Object: m.Object}
		if m.End != fetchIsObject && m.Object == u.s.p.Varint.Max() { // to the end of its group
			at.Object = math.MaxUint64
		}
		switch {
		case f.join != nil && (m.Group != f.start.Group || m.End == fetchEndUnknown || m.End == fetchEndTimedOut):
			return moq.Errorf(moq.CodeRange, "what was fetched is not the start of group %d", f.start.Group)
		case m.End == fetchEndUnknown, m.End == fetchEndTimedOut:
			f.track.Unknown(next, at)
		}
		next = at.Next()
		if m.End != fetchIsObject {
			continue
		}
		if m.Group != group && f.join == nil {
			finishAll(writers)
			group = m.Group
			if err := u.keepPace(f); err != nil {
				return err
			}
		}
		if err := u.fetchObject(f, &m, writers); err != nil {
			return err
		}
	}
}

// keepPace waits until what was fetched has been read, but for a window.
func (u *uniStream) keepPace(f *fetching) error {
	for {
		progress := f.track.Progress()
		if f.reader.Unread() < fetchWindow {
			return nil
		}
		select {
		case <-progress:
		case <-f.over:
			return moq.ErrCanceled
		case <-u.s.ctx.Done():
			return moq.ErrCanceled
		}
	}
}

// fetchObject reads one object behind its header.
func (u *uniStream) fetchObject(f *fetching, m *fetchObject, writers map[uint64]*moq.SubgroupWriter) error {
	if err := u.s.p.malformedObject(moq.Location{Group: m.Group, Object: m.Object}, m.Properties, optional[uint64]{}); err != nil {
		return err
	}
	h := receivedHeader(m.Object, 255-m.Priority, m.Status, m.Properties)
	if m.Datagram {
		if m.Size > math.MaxUint16 { // no datagram is larger
			return moq.Errorf(moq.CodeMalformed, "a datagram of %d bytes", m.Size)
		}
		payload, err := u.in.Body(int(m.Size), nil)
		if err != nil {
			return err
		}
		if e := f.track.AddDatagram(m.Group, h, payload, false, time.Now()); e != nil && e.Code != moq.CodeDuplicate {
			return e
		}
		return nil
	}
	w := writers[m.Subgroup]
	if w == nil {
		var e *moq.Error
		w, e = f.track.JoinSubgroup(m.Group, moq.SubgroupHeader{ID: m.Subgroup, Priority: h.Priority, FirstKnown: true}, time.Now())
		if e != nil {
			return e
		}
		writers[m.Subgroup] = w
	}
	return u.object(w, h, m.Size)
}
