package dialect

import (
	"io"

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
	prev    *moq.Object
	started bool
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
	p, ok, err := st.r.Next()
	form := st.o.e.form
	switch {
	case err == io.EOF:
		if !st.started { // a group without objects
			st.started = true
			return form.StreamHeader(nil, st.o.id, st.r.Subgroup), nil
		}
		return nil, io.EOF
	case err != nil:
		return nil, resetError{form.Code(err)}
	case !ok:
		return nil, nil
	case !p.First:
		return p.Data, nil
	}
	if !st.started {
		st.started = true
		b := make([]byte, 0, len(st.header)+len(p.Data))
		b = form.StreamHeader(b, st.o.id, st.r.Subgroup)
		b = form.ObjectHeader(b, nil, p.Object, st.info)
		st.prev = p.Object
		return append(b, p.Data...), nil
	}
	h := form.ObjectHeader(st.header[:0], st.prev, p.Object, st.info)
	st.prev = p.Object
	return p.Encoded(form.Class(), h, len(p.Data)), nil
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
