package dialect

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/ports/quic"
)

// An outStream carries one subgroup of one subscription.
type outStream struct {
	o       *Outgoing
	s       quic.SendStream
	r       *moq.SubgroupReader
	w       *streamWriter
	info    *moq.TrackInfo
	sent    uint64           // objects so far
	x       moq.Crossing     // the last that was looked at
	prev    moq.ObjectHeader // the last that was sent
	skip    bool             // the rest of an object that does not cross
	started bool
	arrived atomic.Int64 // when the object that is being written did, in nanoseconds
	ended   time.Time    // of the runner: when the subgroup was seen to be at its end
	header  [64]byte
}

func newOutStream(o *Outgoing, s quic.SendStream, r *moq.SubgroupReader) *outStream {
	info := o.info
	st := &outStream{o: o, s: s, r: r, info: &info}
	st.w = newStreamWriter(o.e.runner, s, st.next, func(error) { o.Wake() })
	st.prioritise()
	return st
}

// next returns the next bytes of the stream. An object's header never leaves
// alone, and the stream's header leaves with the first object.
func (st *outStream) next() ([]byte, error) {
	form := st.o.e.form
	for {
		p, ok, err := st.r.Next()
		switch {
		case err == io.EOF:
			if !st.started { // a group without objects
				return st.begin(nil), nil
			}
			return nil, io.EOF
		case err != nil:
			if errors.Is(err, moq.ErrOld) {
				st.o.e.lost.Count(moq.LossStart.Of())
			}
			return nil, resetError{form.Code(err)}
		case !ok && st.waited():
			continue
		case !ok:
			return nil, nil
		case p.First && st.tooLate(&p):
			return nil, resetError{form.Code(moq.ErrTimeout)}
		case p.First:
			b, err := st.object(&p)
			if err != nil || len(b) > 0 {
				return b, err
			}
		case !st.skip:
			return p.Data, nil
		}
	}
}

// tooLate reports whether the delivery timeout of an object is over before it
// was written.
func (st *outStream) tooLate(p *moq.Piece) bool {
	since := st.o.since(p.Arrived)
	st.arrived.Store(since.UnixNano())
	limit := time.Duration(st.o.timeout.Load())
	return limit > 0 && time.Since(since) >= limit
}

// due returns when the delivery timeout of what is being written is over; the
// zero time where there is none.
func (st *outStream) due(now time.Time) (at time.Time) {
	if limit := time.Duration(st.o.timeout.Load()); limit > 0 {
		at = time.Unix(0, st.arrived.Load()).Add(limit)
	}
	if st.o.patient == 0 {
		return at
	}
	if st.ended.IsZero() && st.r.Finished() {
		st.ended = now
	}
	if end := st.ended.Add(st.o.patient); !st.ended.IsZero() && (at.IsZero() || end.Before(at)) {
		at = end
	}
	return at
}

// object returns an object up to the end of its first piece; none where it
// does not cross.
func (st *outStream) object(p *moq.Piece) ([]byte, error) {
	e := st.o.e
	st.x = e.proj.Object(&p.ObjectHeader, st.info, p.Arrived, st.sent)
	x := &st.x
	e.lost.Count(x.Lost)
	st.skip = !x.OK
	switch {
	case x.End:
		return nil, resetError{e.form.Code(moq.ErrUnsupported)}
	case st.skip:
		return nil, nil
	}
	if !st.started {
		b := st.begin(make([]byte, 0, len(st.header)+len(p.Data)))
		b = e.form.ObjectHeader(b, nil, &x.ObjectHeader, p.Size())
		st.sent, st.prev = 1, x.ObjectHeader
		return append(b, p.Data...), nil
	}
	prev := &st.prev
	if st.sent == 0 {
		prev = nil
	}
	h := e.form.ObjectHeader(st.header[:0], prev, &x.ObjectHeader, p.Size())
	st.sent, st.prev = st.sent+1, x.ObjectHeader
	return p.Encoded(e.form.Class(), h, len(p.Data)), nil
}

// begin appends the header of the stream.
func (st *outStream) begin(b []byte) []byte {
	st.started = true
	h, _, _ := st.o.e.proj.Subgroup(st.r.Header(), st.r.Group(), 0, st.info)
	return st.o.e.form.StreamHeader(b, st.o.id, st.r.Group(), &h)
}

// waited reports whether what is missing was waited for long enough.
func (st *outStream) waited() bool {
	due := st.r.Due()
	if due.IsZero() {
		return false
	}
	if time.Now().Before(due) {
		st.o.e.wakeAt(due)
		return false
	}
	st.r.Skip()
	return true
}

func (st *outStream) prioritise() {
	if st.o.e.prio {
		st.s.SetPriority(urgency(uint8(st.o.level.Load()), st.o.sub.Order, st.r.Group() >= st.o.newest), false)
	}
}

func (st *outStream) gone() bool {
	_, done := st.w.pending()
	if done {
		st.r.Abandon(false)
	}
	return done
}
