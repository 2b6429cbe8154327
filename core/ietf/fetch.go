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
				return c.answerUpdate(u)
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
	switch {
	case err == io.EOF && !s.p.EmptyFetch:
		return refused(requestNoObjects, "there is no object in the range")
	case err != nil && err != io.EOF:
		return err
	case err == nil && first.Object == nil && !first.Absent && (!s.p.FetchFlags || first.End == reader.End()):
		return refused(requestUnknownStatusInRange, "nothing is known of the objects from %d on", first.Start)
	}
	ok := &fetchOK{RequestID: c.id, End: end, EndOfTrack: endsTrack(reader), Properties: s.told(info).Properties}
	ok.Params.GroupOrder = some(moq.Ascending)
	c.send(ok)
	c.finish()
	return c.sendFetch(ctx, reader, first, err)
}

// endsTrack reports whether a fetch has the last object that there will be.
func endsTrack(reader *moq.ObjectReader) bool {
	ended, err := reader.Track().Ended()
	largest, any := reader.Track().Largest()
	return ended && err == nil && any && reader.End().Compare(largest) >= 0 && !reader.Track().IsCertain()
}

// fetchReader returns what a FETCH asks for, and the location after the last
// one.
func (s *session) fetchReader(ctx context.Context, m *fetch) (*moq.ObjectReader, moq.Location, error) {
	r := moq.FetchRequest{Name: m.Name, Priority: 255 - m.Params.SubscriberPriority.or(defaultPriority), Past: true}
	if t := m.Params.FillTimeout; t.has {
		r.FillBy = time.Now().Add(t.v)
	}
	end := m.End
	if m.Type != fetchStandalone {
		if err := s.join(ctx, m, &r); err != nil {
			return nil, end, err
		}
		end = s.p.after(r.End)
	} else {
		r.Start = m.Start
		if s.p.FetchFilter {
			f := m.Params.Filter.v
			if f.Type != filterAbsoluteRange {
				return nil, end, refused(requestInvalidRange, "a range is needed")
			}
			r.Start, end = f.Start, moq.Location{Group: f.EndGroup}
			if f.EndObject.has {
				end.Object = f.EndObject.v + 1
			}
		}
		r.End = lastOf(end)
		if r.Start.Compare(r.End) > 0 {
			return nil, end, refused(requestInvalidRange, "the range ends before it starts")
		}
	}
	reader, err := s.home.Fetch(ctx, r)
	if err != nil {
		return nil, end, err
	}
	if last := reader.End(); last.Compare(r.End) < 0 {
		end = s.p.after(last)
		if s.p.WholeGroups && last.Group == r.End.Group && reader.Track().Complete(last.Group) {
			end = moq.Location{Group: last.Group}
		}
	}
	if n := reader.End().Group - r.Start.Group; n >= uint64(s.cfg.Limits.FetchGroups) {
		reader.Close()
		return nil, end, refused(requestInvalidRange, "the range has %d groups; the limit is %d", n+1, s.cfg.Limits.FetchGroups)
	}
	return reader, end, nil
}

// after returns the end of a fetch whose last location is l: the one after it,
// or all of its group where the draft has no number for that.
func (p *Profile) after(l moq.Location) moq.Location {
	if l.Object >= p.Varint.Max() {
		return moq.Location{Group: l.Group}
	}
	return l.Next()
}

// lastOf returns the last location before end; object 0 means all of its group.
func lastOf(end moq.Location) moq.Location {
	if end.Object == 0 {
		return moq.Location{Group: end.Group, Object: math.MaxUint64}
	}
	return moq.Location{Group: end.Group, Object: end.Object - 1}
}

// join makes r what comes before a subscription of the peer.
func (s *session) join(ctx context.Context, m *fetch, r *moq.FetchRequest) error {
	v := s.joinable(ctx, m.JoiningRequestID)
	if v == nil {
		return refused(requestInvalidJoiningRequestID, "no subscription has the id %d", m.JoiningRequestID)
	}
	select {
	case <-v.settled:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	s.mu.Lock()
	largest, ok := v.joined, v.hasJoined
	s.mu.Unlock()
	switch {
	case s.p.JoinLargest && !v.largest:
		return violated(CodeProtocolViolation, "subscription %d is not of the largest object", m.JoiningRequestID)
	case !ok || s.p.RequestStreams && v.track.Subscription().Paused:
		return refused(requestInvalidRange, "the track has no object")
	}
	from, back := m.JoiningStart, m.JoiningStart
	if s.p.FetchFilter {
		from, back = m.Params.Filter.v.Start.Group, max(m.Params.Filter.v.Groups, 1)-1
	}
	if m.Type == fetchRelativeJoining {
		from = largest.Group - min(back, largest.Group)
	}
	if from > largest.Group {
		return refused(requestInvalidRange, "group %d is not there", from)
	}
	r.Name, r.Start, r.End = v.c.name, moq.Location{Group: from}, largest
	return nil
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
func (c *call) sendFetch(ctx context.Context, reader *moq.ObjectReader, f moq.Found, err error) error {
	s := c.s
	st, failed := s.conn.OpenUniStream(ctx)
	if failed != nil {
		return nil // withdrawn, or the session has ended
	}
	stop := context.AfterFunc(ctx, func() { st.CancelWrite(s.reset(moq.ErrCanceled)) })
	defer stop()
	header := fetchHeader{RequestID: c.id}
	b := header.append(nil, s.p)
	cursor := fetchCursor{Order: moq.Ascending}
	for {
		if err == nil {
			b, err = s.appendFound(b, &cursor, f)
		}
		if len(b) > 0 && (err == nil || err == io.EOF) {
			if _, failed := st.Write(b); failed != nil {
				err = failed
			}
			b = b[:0]
		}
		if err == nil {
			f, err = reader.Next(ctx)
		}
		switch {
		case err == io.EOF && len(b) == 0:
			_ = st.Close()
			return nil
		case err != nil && err != io.EOF:
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
			if !f.Absent {
				err = moq.Errorf(moq.CodeEvicted, "nothing is known of group %d from object %d on", f.Start.Group, f.Start.Object)
			} else {
				err = nil
			}
			return b, err
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
