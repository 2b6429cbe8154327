package ietf

import (
	"context"
	"errors"
	"io"
	"math"
	"time"

	"github.com/moqtgo/moqt/core/moq"
)

// fetch serves a FETCH, standalone or joining a subscription of the peer.
func (c *call) fetch(m *fetch) error {
	s := c.s
	if len(m.Params.RangeFilters) > 0 {
		return refused(requestInvalidFilter, "range filters are not supported")
	}
	if m.Params.GroupOrder.has && m.Params.GroupOrder.v == moq.Descending {
		return refused(requestNotSupported, "groups are fetched in ascending order only")
	}
	if !s.budget.Fetches.Take() {
		return moq.Errorf(moq.CodeTooMany, "more than %d fetches at once", s.cfg.Limits.Fetches)
	}
	defer s.budget.Fetches.Release()
	ctx, cancel := s.timeout(s.ctx, s.cfg.Limits.FetchTime, "the fetch took too long")
	defer cancel()
	ctx, drop := context.WithCancel(ctx)
	defer drop()
	s.group.Go(func() { // a withdrawal ends it
		err := c.wait(false, func(m message) error {
			if u, ok := m.(*requestUpdate); ok && s.p.AnswersUpdates {
				c.send(&requestOK{To: kindUpdate, RequestID: u.RequestID})
				return nil
			}
			return violated(CodeProtocolViolation, "%T on a FETCH", m)
		})
		if isViolation(err) {
			s.Close(err)
		}
		drop()
	})
	defer c.leave()
	reader, end, err := s.fetchReader(ctx, m)
	if err != nil {
		return err
	}
	defer reader.Close()
	info, err := reader.Track().WaitInfo(ctx)
	if err != nil {
		return err
	}
	first, err := reader.Next(ctx)
	if err != nil && err != io.EOF {
		return err
	}
	if err == io.EOF {
		return refused(requestInvalidRange, "there is no object in the range")
	}
	ok := &fetchOK{RequestID: c.id, End: end, Properties: s.told(info).Properties}
	ok.Params.GroupOrder = some(moq.Ascending)
	c.send(ok)
	c.finish()
	return c.sendFetch(ctx, reader, first)
}

// fetchReader returns what a FETCH asks for, and the location after the last
// one.
func (s *session) fetchReader(ctx context.Context, m *fetch) (*moq.ObjectReader, moq.Location, error) {
	if m.Type != fetchStandalone {
		return s.joining(ctx, m)
	}
	start, end := m.Start, m.End
	if s.p.FetchFilter {
		f := m.Params.Filter.v
		start, end = f.Start, moq.Location{Group: f.EndGroup}
		if f.Type != filterAbsoluteRange {
			return nil, end, refused(requestInvalidRange, "a range is needed")
		}
	}
	last := lastOf(end)
	if start.Compare(last) > 0 {
		return nil, end, refused(requestInvalidRange, "the range ends before it starts")
	}
	r, err := s.home.Fetch(ctx, moq.FetchRequest{
		Name: m.Name, Start: start, End: last, Priority: 255 - m.Params.SubscriberPriority.or(defaultPriority),
	})
	return r, end, err
}

// lastOf returns the last location before end; object 0 means all of its group.
func lastOf(end moq.Location) moq.Location {
	if end.Object == 0 {
		return moq.Location{Group: end.Group, Object: math.MaxUint64}
	}
	return moq.Location{Group: end.Group, Object: end.Object - 1}
}

// joining returns what comes before a subscription of the peer.
func (s *session) joining(ctx context.Context, m *fetch) (*moq.ObjectReader, moq.Location, error) {
	v := s.joinable(ctx, m.JoiningRequestID)
	if v == nil {
		return nil, moq.Location{}, refused(requestInvalidJoiningRequestID, "no subscription has the id %d", m.JoiningRequestID)
	}
	select {
	case <-v.settled:
	case <-ctx.Done():
		return nil, moq.Location{}, context.Cause(ctx)
	}
	s.mu.Lock()
	largest, ok := v.joined, v.hasJoined
	s.mu.Unlock()
	switch {
	case s.p.JoinLargest && !v.largest:
		return nil, moq.Location{}, violated(CodeProtocolViolation, "subscription %d is not of the largest object", m.JoiningRequestID)
	case !ok || s.p.RequestStreams && v.track.Subscription().Paused:
		return nil, moq.Location{}, refused(requestInvalidRange, "the track has no object")
	}
	from, back := m.JoiningStart, m.JoiningStart
	if s.p.FetchFilter {
		from, back = m.Params.Filter.v.Start.Group, max(m.Params.Filter.v.Groups, 1)-1
	}
	if m.Type == fetchRelativeJoining {
		from = largest.Group - min(back, largest.Group)
	}
	if from > largest.Group {
		return nil, moq.Location{}, refused(requestInvalidRange, "group %d is not there", from)
	}
	end := moq.Location{Group: largest.Group, Object: largest.Object + 1}
	return v.track.Track().Read(moq.Location{Group: from}, largest, nil), end, nil
}

// joinable returns a subscription of the peer. Streams overtake each other: one
// whose request has not come yet is waited for a little.
func (s *session) joinable(ctx context.Context, id uint64) *serving {
	timer := time.NewTimer(s.cfg.Limits.ParkTime)
	defer timer.Stop()
	for {
		s.mu.Lock()
		v, more := s.served[id], s.subscribed
		_, drawn := s.peerIDs[id]
		drawn = drawn || id < s.peerNext || id%2 != s.peerNext%2
		s.mu.Unlock()
		if v != nil || drawn {
			return v
		}
		select {
		case <-more:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// sendFetch writes the objects of a fetch to a stream of its own.
func (c *call) sendFetch(ctx context.Context, reader *moq.ObjectReader, first moq.Found) error {
	s := c.s
	st, err := s.conn.OpenUniStream(ctx)
	if err != nil {
		return nil // withdrawn, or the session has ended
	}
	stop := context.AfterFunc(ctx, func() { st.CancelWrite(s.reset(moq.ErrCanceled)) })
	defer stop()
	header := fetchHeader{RequestID: c.id}
	b := header.append(nil, s.p)
	cursor := fetchCursor{Order: moq.Ascending}
	for f := first; ; {
		b, err = s.appendFound(b, &cursor, f)
		if err == nil && len(b) > 0 {
			_, err = st.Write(b)
		}
		if err == nil {
			b = b[:0]
			f, err = reader.Next(ctx)
		}
		switch {
		case err == io.EOF:
			_ = st.Close()
			return nil
		case err != nil:
			st.CancelWrite(s.reset(err))
			return nil
		}
	}
}

// appendFound appends one object with its payload, or a range without any.
func (s *session) appendFound(b []byte, cursor *fetchCursor, f moq.Found) ([]byte, error) {
	m := &fetchObject{Group: f.Group}
	if f.Object == nil {
		m.End, m.Group, m.Object = fetchEndUnknown, f.End.Group, min(f.End.Object, s.p.Varint.Max())
		if f.Absent {
			m.End = fetchEndNonExistent
		}
		out, err := cursor.append(b, s.p, m)
		if errors.Is(err, errUnsaid) {
			return b, nil
		}
		return out, err
	}
	o, carriage := f.Object, s.p.Carriage()
	x := moq.Sent(carriage.Fetched()).Object(&o.ObjectHeader, &moq.TrackInfo{}, o.Arrived, 0)
	switch s.home.Mux().Lost().Count(x.Lost); {
	case x.End:
		return b, moq.Errorf(moq.CodeUnsupported, "object %d of group %d has a number that this draft cannot write", o.ID, f.Group)
	case !x.OK:
		return b, nil
	}
	m.Object, m.Datagram, m.Subgroup = o.ID, f.Datagram, f.Subgroup
	if f.Datagram && !s.p.FetchFlags {
		m.Subgroup = o.ID
	}
	m.Priority, m.Properties = 255-o.Priority, x.Properties
	m.Size, m.Status = o.Size(), x.Status
	out, err := cursor.append(b, s.p, m)
	if errors.Is(err, errUnsaid) {
		return b, nil
	}
	if err != nil {
		return b, err
	}
	return append(out, o.Payload()...), nil
}

// A fetching is a fetch of ours whose objects are under way.
type fetching struct {
	track    *moq.Track
	answered chan struct{} // closed when FETCH_OK or an error has come
	stream   *uniStream    // guarded by s.mu
}

// Fetch implements route.Source.
func (s *session) Fetch(ctx context.Context, r moq.FetchRequest) (*moq.ObjectReader, error) {
	rel, ok := s.home.Relative(r.Name.Path)
	if !ok {
		return nil, moq.Errorf(moq.CodeNotFound, "%q is no name of this session", r.Name)
	}
	name := moq.FullTrackName{Path: rel, Name: r.Name.Name}
	f := &fetching{track: moq.NewTrack(r.Name, s.cfg.Limits.Cache, nil), answered: make(chan struct{})}
	end := moq.Location{Group: r.End.Group}
	if r.End.Object != math.MaxUint64 {
		end.Object = r.End.Object + 1
	}
	c, err := s.open(kindFetch, func(id uint64) message {
		s.mu.Lock()
		s.fetches[id] = f
		s.mu.Unlock()
		m := &fetch{RequestID: id, Type: fetchStandalone, Name: name, Start: r.Start, End: end}
		m.Params.SubscriberPriority = some(255 - r.Priority)
		m.Params.GroupOrder = some(moq.Ascending)
		if s.p.FetchFilter {
			m.Params.Filter = some(locationFilter{Type: filterAbsoluteRange, Start: r.Start, EndGroup: r.End.Group})
		}
		return m
	})
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, c.abandon)
	m, err := c.answer()
	stop()
	defer close(f.answered)
	answer, is := m.(*fetchOK)
	if err == nil && !is {
		err = moq.Errorf(moq.CodeMalformed, "%T answers FETCH", m)
	}
	if err != nil {
		s.endFetch(c, f)
		return nil, s.fromWire(err)
	}
	f.track.SetInfo(s.p.info(answer.Properties, &answer.Params))
	timer := time.AfterFunc(s.cfg.Limits.FetchTime, func() {
		f.track.Fail(moq.Errorf(moq.CodeTimeout, "the fetch took too long"))
		s.endFetch(c, f)
	})
	return f.track.Read(r.Start, r.End, func() {
		timer.Stop()
		s.endFetch(c, f)
	}), nil
}

// endFetch withdraws a fetch of ours, if it is not complete.
func (s *session) endFetch(c *call, f *fetching) {
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
	err := u.fetchObjects(f)
	switch {
	case err == io.EOF:
		l, _ := f.track.Largest()
		f.track.Finish(l.Group + 1)
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
		return nil
	case isViolation(err):
		return err
	}
	f.track.Fail(s.fromWire(err))
	return u.cutShort(err)
}

func (u *uniStream) fetchObjects(f *fetching) error {
	cursor := fetchCursor{Order: moq.Ascending}
	writers := map[uint64]*moq.SubgroupWriter{}
	group := uint64(0)
	finish := func() {
		for _, w := range writers {
			_ = w.Finish(true)
		}
		clear(writers)
	}
	defer finish()
	for {
		m, err := cursor.read(u.in, u.s.p)
		if err != nil {
			return err
		}
		if m.End != fetchIsObject {
			continue
		}
		if m.Group != group {
			finish()
			group = m.Group
		}
		h := moq.ObjectHeader{ID: m.Object, Priority: 255 - m.Priority, Status: m.Status, Properties: m.Properties}
		if x, ok := lookup(m.Properties, propTimestamp); ok {
			h.Timed, h.Timestamp = true, x
		}
		w := writers[m.Subgroup]
		if w == nil {
			var e *moq.Error
			w, e = f.track.OpenSubgroup(m.Group, moq.SubgroupHeader{ID: m.Subgroup, Priority: h.Priority, FirstKnown: true}, time.Now())
			if e != nil {
				return e
			}
			writers[m.Subgroup] = w
		}
		if e := w.Begin(h, m.Size, time.Now()); e != nil {
			return e
		}
		if err := readInto(u.in, w); err != nil {
			return err
		}
	}
}
