package lite

import (
	"context"
	"io"
	"math"
	"time"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
	"github.com/moqtgo/moqt/ports/quic"
)

// fetch serves a FETCH: the frames of one group.
func (r *request) fetch() error {
	s := r.s
	var m fetch
	if err := r.read(&m); err != nil {
		return err
	}
	s.style.learn(m.Path)
	if !s.budget.Fetches.Take() {
		return moq.Errorf(moq.CodeTooMany, "more than %d fetches at once", s.cfg.Limits.Fetches)
	}
	defer s.budget.Fetches.Release()
	name := moq.FullTrackName{Path: moq.ParsePath(m.Path), Name: m.Track}
	ctx, cancel := s.timeout(r.Context(), s.cfg.Limits.FetchTime, "the fetch took too long")
	defer cancel()
	reader, err := s.home.Fetch(ctx, moq.GroupFetch(name, m.Group, m.Priority))
	if err != nil {
		return err
	}
	defer reader.Close()
	// FETCH is for the past. Of an answer to another fetch nothing may have come yet.
	if l, ok := reader.Track().Largest(); (!ok || l.Group < m.Group) && !reader.Track().IsCertain() {
		return moq.Errorf(moq.CodeNotFound, "no group %d yet", m.Group)
	}
	if err := r.sendObjects(ctx, reader); err != nil {
		return err
	}
	return r.finish()
}

// sendObjects writes the frames of a group. Its first group must exist.
func (r *request) sendObjects(ctx context.Context, reader *moq.ObjectReader) error {
	var prev *moq.ObjectHeader
	carriage := r.s.p.Carriage()
	proj, lost := moq.Sent(carriage.Fetched()), r.s.home.Mux().Lost()
	for n := uint64(0); ; {
		f, err := reader.Next(ctx)
		switch {
		case err == io.EOF && prev == nil && !reader.Track().Has(reader.Group()):
			return moq.Errorf(moq.CodeNotFound, "no group %d", reader.Group())
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case f.Object == nil && f.Absent:
			continue
		case f.Object == nil:
			return moq.Errorf(moq.CodeNotFound, "a part of group %d is not known", f.Group)
		}
		info, _ := reader.Track().Info()
		x := proj.Object(&f.Object.ObjectHeader, &info, f.Object.Arrived, n)
		if lost.Count(x.Lost); !x.OK {
			continue
		}
		b := appendFrameHeader(make([]byte, 0, 16+f.Object.Size()), r.s.p, prev, &x.ObjectHeader, f.Object.Size())
		if _, err := r.Write(append(b, f.Object.Payload()...)); err != nil {
			return err
		}
		n, prev = n+1, &x.ObjectHeader
	}
}

// Fetch implements route.Source.
func (s *session) Fetch(ctx context.Context, req moq.FetchRequest) (*moq.ObjectReader, error) {
	rel, ok := s.home.Relative(req.Name.Path)
	path, plain := s.path(rel)
	switch {
	case !ok || !plain:
		return nil, moq.Errorf(moq.CodeNotFound, "%q is no name of this session", req.Name)
	case !s.p.Fetch:
		return nil, moq.Errorf(moq.CodeUnsupported, "%s has no FETCH", s.p.Token)
	}
	info, err := s.TrackInfo(ctx, req.Name)
	if err != nil {
		return nil, err
	}
	if req.Start.Group == req.End.Group {
		return s.fetchGroup(path, req, info)
	}
	if n := req.End.Group - req.Start.Group; n >= maxGroups {
		return nil, moq.Errorf(moq.CodeTooMany, "a fetch of more than %d groups", maxGroups)
	}
	t := moq.NewTrack(req.Name, s.cfg.Limits.Cache, nil)
	t.SetInfo(info)
	t.Reach(req.End)
	r := t.Read(req.Start, req.End, nil)
	r.Fill(func(_ context.Context, start, end moq.Location) (*moq.ObjectReader, error) {
		part := req
		part.Start, part.End = start, moq.Location{Group: start.Group, Object: math.MaxUint64}
		if start.Group == end.Group {
			part.End = end
		}
		return s.fetchGroup(path, part, info)
	}, req.FillBy)
	return r, nil
}

// maxGroups is how many groups a fetch may have: the peer is asked for one
// after the other.
const maxGroups = 64

// fetchGroup asks the peer for one group, or a part of it.
func (s *session) fetchGroup(path string, req moq.FetchRequest, info moq.TrackInfo) (*moq.ObjectReader, error) {
	t := moq.NewTrack(req.Name, s.cfg.Limits.Cache, nil)
	s.home.Keep(t)
	reader, err := s.fillGroup(t, path, req, info)
	if err != nil {
		t.Retire()
	}
	return reader, err
}

// fillGroup is fetchGroup into a new track.
func (s *session) fillGroup(t *moq.Track, path string, req moq.FetchRequest, info moq.TrackInfo) (*moq.ObjectReader, error) {
	t.Certain()
	t.SetInfo(info)
	w, e := t.OpenGroup(req.Start.Group, time.Now())
	if e != nil {
		return nil, e
	}
	st, err := s.open(typeFetch, &fetch{Path: path, Track: req.Name.Name, Priority: req.Priority, Group: req.Start.Group})
	if err != nil {
		return nil, s.fromWire(err)
	}
	// Who asks us gives up after FetchTime: not at the same instant, so that
	// what is said here does not depend on whose timer is first.
	timer := time.AfterFunc(s.cfg.Limits.FetchTime+time.Second, func() { st.CancelRead(s.code(CodeTimeout)) })
	read := func() {
		defer timer.Stop()
		defer st.Close() // not before: see readInfo
		if err := readObjects(wire.NewStream(wire.RFC9000, st), st, s, w); err != nil {
			st.CancelRead(s.code(codeOf(err)))
			t.Fail(s.fromWire(err))
			return
		}
		t.Finish(req.Start.Group + 1)
	}
	if !s.group.Go(read) {
		timer.Stop()
		return nil, moq.ErrDropped
	}
	return t.Read(req.Start, req.End, func() {
		stop(s, st)
		t.Retire()
	}), nil
}

func stop(s *session, st quic.Stream) { st.CancelRead(s.code(CodeCancel)) }
