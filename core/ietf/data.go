package ietf

import (
	"errors"
	"io"
	"slices"
	"time"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
	"github.com/moqtgo/moqt/ports/quic"
)

// acceptData accepts the peer's unidirectional streams until the session ends.
func (s *session) acceptData() {
	for {
		st, err := s.conn.AcceptUniStream(s.ctx)
		if err != nil {
			return
		}
		u := &uniStream{ReceiveStream: st, s: s, in: wire.NewStream(s.p.Varint, st)}
		if !s.group.Go(u.handle) {
			return
		}
	}
}

// A uniStream is a unidirectional stream that the peer opened.
type uniStream struct {
	quic.ReceiveStream
	s     *session
	in    *wire.Stream
	begun bool // its header is in
}

func (u *uniStream) handle() {
	s := u.s
	timer := time.AfterFunc(s.cfg.Limits.HeaderTime, func() { u.CancelRead(s.reset(moq.ErrTimeout)) })
	err := u.dispatch(timer)
	timer.Stop()
	if e := s.churn.Check(!u.begun && abortedByPeer(err), time.Now()); e != nil {
		s.Close(violated(s.p.abuse(), "%v", e))
	}
	switch {
	case err == nil, isConn(err):
	case isViolation(err):
		s.Close(err)
	default:
		u.CancelRead(s.reset(err))
	}
}

func (u *uniStream) dispatch(timer *time.Timer) error {
	t, kind, err := readStreamType(u.in, u.s.p)
	if err == io.EOF {
		return nil // opened for nothing
	}
	if err != nil {
		return err
	}
	switch kind {
	case dataSubgroup:
		h, err := readSubgroupHeader(u.in, t)
		timer.Stop()
		if err != nil {
			return err
		}
		u.begun = true
		return u.subgroup(&h)
	case dataFetch:
		h, err := readFetchHeader(u.in)
		timer.Stop()
		if err != nil {
			return err
		}
		u.begun = true
		return u.fetched(h.RequestID)
	case dataPadding:
		timer.Stop()
		return u.cutShort(skipPadding(u.in))
	}
	return violated(CodeProtocolViolation, "a second control stream")
}

// cutShort makes a reset of the peer a plain error.
func (u *uniStream) cutShort(err error) error {
	var reset *quic.StreamError
	if errors.As(err, &reset) {
		return moq.ErrCanceled
	}
	return err
}

// incoming returns the subscription of an alias; it waits a little for one
// that is not known yet.
func (u *uniStream) incoming(alias uint64) (*incoming, error) {
	s := u.s
	s.mu.Lock()
	if in := s.aliases[alias]; in != nil {
		s.mu.Unlock()
		return in, nil
	}
	if !s.budget.Parked.Take() {
		s.mu.Unlock()
		return nil, moq.Errorf(moq.CodeTooMany, "more than %d streams wait for their alias", s.cfg.Limits.ParkedStreams)
	}
	defer s.budget.Parked.Release()
	wake := make(chan struct{})
	s.parked[alias] = append(s.parked[alias], wake)
	s.mu.Unlock()
	timer := time.NewTimer(s.cfg.Limits.ParkTime)
	defer timer.Stop()
	select {
	case <-wake:
	case <-timer.C:
	case <-s.ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if in := s.aliases[alias]; in != nil {
		return in, nil
	}
	s.parked[alias] = slices.DeleteFunc(s.parked[alias], func(w chan struct{}) bool { return w == wake })
	if len(s.parked[alias]) == 0 {
		delete(s.parked, alias)
	}
	return nil, moq.Errorf(moq.CodeCanceled, "no subscription has the alias %d", alias)
}

// subgroup reads a subgroup into the log of its track.
func (u *uniStream) subgroup(h *subgroupHeader) error {
	in, err := u.incoming(h.TrackAlias)
	if err != nil {
		return err
	}
	s := u.s
	s.mu.Lock()
	if in.over {
		s.mu.Unlock()
		return moq.ErrCanceled
	}
	// A sender's count of its streams is always ahead of ours.
	if limit := 4 * s.cfg.Limits.OpenGroups; len(in.streams) >= limit {
		in.came++
		s.mu.Unlock()
		return moq.Errorf(moq.CodeTooMany, "more than %d open streams of one subscription", limit)
	}
	in.streams[u] = struct{}{}
	in.came++
	info := in.info
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(in.streams, u)
		s.mu.Unlock()
		in.checkEnd()
	}()
	header := moq.SubgroupHeader{ID: h.Subgroup, Priority: 255 - h.Priority, EndOfGroup: h.EndOfGroup, FirstKnown: h.FirstObject}
	if h.DefaultPriority {
		header.Priority = info.Priority
	}
	var ids objectIDs
	first, err := readObject(u.in, s.p, h, &ids)
	if err == io.EOF && h.Mode == modeFirstObject {
		return nil // a subgroup without an id
	}
	if err != nil && err != io.EOF {
		return u.cutShort(err)
	}
	if h.Mode == modeFirstObject {
		header.ID = first.ID
	}
	// Before FIRST_OBJECT existed nothing said so, but nothing comes before 0.
	header.FirstKnown = header.FirstKnown || err == nil && first.ID == 0
	if in.strange(h.Group) {
		return moq.ErrReplaced
	}
	w, e := in.open(h.Group, header, first.ID, err == nil)
	if e != nil {
		in.differs(e)
		return e
	}
	defer w.AfterEviction(func() { u.CancelRead(s.reset(moq.ErrEvicted)) })()
	s.mu.Lock()
	in.taken = true
	s.mu.Unlock()
	m, last := first, optional[uint64]{}
	for err == nil {
		if err = s.p.malformedObject(moq.Location{Group: h.Group, Object: m.ID}, m.Properties, last); err != nil {
			break
		}
		if err = u.object(w, receivedHeader(m.ID, header.Priority, m.Status, m.Properties), m.Size); err == nil {
			last = some(m.ID)
			m, err = readObject(u.in, s.p, h, &ids)
		}
	}
	if err == io.EOF {
		e := w.Finish(h.EndOfGroup)
		if e == nil {
			return nil
		}
		err = e
	}
	var bad *moq.Error
	switch _, over := in.ended(); {
	case isConn(err), over: // another source may go on
		w.Leave()
	case errors.As(err, &bad) && bad.Code == moq.CodeMalformed:
		w.Leave()
		in.differs(bad)
	default:
		w.Reset(s.fromWire(err))
	}
	return u.cutShort(err)
}

// object reads an object behind its header. One that another publisher may
// bring others before waits for them.
func (u *uniStream) object(w *moq.SubgroupWriter, h moq.ObjectHeader, size uint64) error {
	e := w.Begin(h, size, time.Now())
	if e == moq.ErrAhead {
		e = u.await(w, h, size)
	}
	if e != nil {
		return e
	}
	return readInto(u.in, w)
}

func (u *uniStream) await(w *moq.SubgroupWriter, h moq.ObjectHeader, size uint64) *moq.Error {
	timer := time.NewTimer(u.s.cfg.Limits.ParkTime)
	defer timer.Stop()
	for {
		changed := w.Track().Changed()
		if e := w.Begin(h, size, time.Now()); e != moq.ErrAhead {
			return e
		}
		select {
		case <-changed:
		case <-timer.C:
			return moq.Errorf(moq.CodeOld, "others do not bring what is before object %d", h.ID)
		case <-u.s.ctx.Done():
			return moq.ErrDropped
		}
	}
}

// receivedHeader returns the header of an object in the model's terms.
func receivedHeader(id uint64, priority uint8, status moq.Status, props []moq.Property) moq.ObjectHeader {
	h := moq.ObjectHeader{ID: id, Priority: priority, Status: status, Properties: props}
	if x, ok := lookup(props, propTimestamp); ok {
		h.Timed, h.Timestamp = true, x
	}
	return h
}

func readInto(in *wire.Stream, w *moq.SubgroupWriter) error {
	for {
		buf := w.Space()
		if len(buf) == 0 {
			return nil
		}
		n, err := in.Read(buf)
		if n > 0 {
			if e := w.Advance(n); e != nil {
				return e
			}
		}
		if err != nil && w.Missing() > 0 {
			return wire.UnexpectedEOF(err)
		}
	}
}

// receiveDatagrams takes objects that come in datagrams. One before its alias
// is dropped: nobody waits for a datagram.
func (s *session) receiveDatagrams() {
	for {
		b, err := s.conn.ReceiveDatagram(s.ctx)
		if err != nil {
			return
		}
		kind, m, err := parseDatagram(b, s.p)
		if err != nil {
			s.Close(err)
			return
		}
		if kind != dataDatagram {
			continue
		}
		s.mu.Lock()
		in := s.aliases[m.TrackAlias]
		s.mu.Unlock()
		if in == nil {
			continue
		}
		if err := s.p.malformedObject(moq.Location{Group: m.Group, Object: m.Object}, m.Properties, optional[uint64]{}); err != nil {
			in.differs(s.fromWire(err))
			continue
		}
		h := receivedHeader(m.Object, 255-m.Priority, m.Status, m.Properties)
		if m.DefaultPriority {
			h.Priority = in.info.Priority
		}
		if e := in.track.AddDatagram(m.Group, h, m.Payload, m.EndOfGroup, time.Now()); e != nil {
			in.differs(e) // a duplicate is dropped
		}
	}
}
