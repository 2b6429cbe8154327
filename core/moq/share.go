package moq

import (
	"slices"
	"time"
)

// ErrAhead is what Begin of a shared subgroup returns where the object is not
// known to be the next one: another publisher may bring some before it. Wait
// for a change of the track, then begin it again.
var ErrAhead = &Error{Code: CodeDuplicate, Reason: "another publisher is behind"}

// JoinSubgroup is OpenSubgroup for one of several publishers of the track.
// Objects that are there are compared and skipped, and whoever is ahead goes
// on: the subgroup is open until the first one finishes it, or the last one
// leaves. What differs is malformed. A subgroup that was cut short is continued
// as another Subgroup of the same id.
func (t *Track) JoinSubgroup(group uint64, h SubgroupHeader, now time.Time) (*SubgroupWriter, *Error) {
	t.makeRoom()
	t.mu.Lock()
	defer t.unlockNotify()
	if err := t.writable(); err != nil {
		return nil, err
	}
	g, err := t.group(group, now)
	if err != nil {
		return nil, err
	}
	w := &SubgroupWriter{t: t, shared: true, first: h.FirstKnown}
	for _, sg := range slices.Backward(g.subgroups) { // the last part
		if sg.ID == h.ID {
			w.sg = sg
			w.enter()
			return w, nil
		}
	}
	if len(g.subgroups) >= t.limits.Subgroups {
		return nil, Errorf(CodeTooMany, "group %d has %d subgroups", group, len(g.subgroups))
	}
	return w, g.open(h, w, now)
}

// enter makes w one of the writers of its subgroup, if that is open.
func (w *SubgroupWriter) enter() {
	sg := w.sg
	switch {
	case sg.state != open:
	case sg.writer == nil && len(sg.others) == 0:
		if o := sg.last(); o != nil {
			o.fork()
		}
		sg.writer = w
	default:
		sg.others = append(sg.others, w)
	}
}

// quit takes w from the writers of its subgroup. It reports whether it was one,
// and none is left.
func (w *SubgroupWriter) quit() bool {
	sg := w.sg
	i := slices.Index(sg.others, w)
	switch {
	case sg.writer == w:
		sg.writer = nil
	case i >= 0:
		sg.others = slices.Delete(sg.others, i, i+1)
	default:
		return false
	}
	return sg.writer == nil && len(sg.others) == 0
}

// alone reports whether nobody else writes the subgroup.
func (w *SubgroupWriter) alone() bool {
	n := len(w.sg.others)
	if w.sg.writer != nil {
		n++
	}
	return n == 1
}

// sharing is alive for a writer of a shared subgroup: what is complete, or was
// cut short, can be compared with still.
func (w *SubgroupWriter) sharing() *Error {
	for w.sg.next != nil {
		if w.sg = w.sg.next; w.sg.next == nil {
			w.enter()
		}
	}
	sg := w.sg
	if sg.state == open && sg.writer != w && !slices.Contains(sg.others, w) {
		return Errorf(CodeClosed, "the group has ended")
	}
	if sg.group.evicted {
		return sg.group.lost()
	}
	return w.t.writable()
}

// Presume finishes the subgroup for want of news: whoever brings more of it
// still may. Nothing happens where others write it.
func (w *SubgroupWriter) Presume() {
	w.t.mu.Lock()
	if sg := w.sg; w.sharing() == nil && sg.state == open && w.quit() {
		sg.state, sg.presumed = finished, true
	}
	w.t.unlockNotify()
}

// Track returns the track that is written.
func (w *SubgroupWriter) Track() *Track { return w.t }

// leads reports whether the bytes that w has next are the next ones of the log.
func (w *SubgroupWriter) leads() bool {
	return w.sg.state == open && w.sg.writer == w && w.cur == w.sg.last()
}

// broken reports whether the subgroup was cut short and nobody went on from
// there.
func (s *Subgroup) broken() bool { return s.state == reset && !s.sewn }

// share is what Begin does first in a shared subgroup: more says that the
// object is the next one of the log.
func (w *SubgroupWriter) share(h ObjectHeader, size uint64, now time.Time) (more bool, _ *Error) {
	if w.cur != nil && w.Missing() == 0 {
		w.prev = w.cur
	}
	w.cur, w.skip = nil, 0
	sg := w.sg
	for part := sg; part != nil; part = part.before {
		i, ok := part.find(h.ID)
		if !ok {
			continue
		}
		o := part.objects[i]
		switch {
		case o.size != size || o.Status != h.Status:
			return false, w.differs(h.ID)
		case o.have == o.size || part.state == open:
			w.cur, w.seen, w.woken = o, 0, o.have
			return false, nil
		}
	}
	last := sg.tail()
	switch {
	case last != nil && h.ID < last.ID: // it belongs before what was passed on
		w.skip = size
		return false, nil
	case sg.group.elsewhere(h.ID, sg.ID):
		return false, Errorf(CodeMalformed, "object %d of group %d is in another subgroup, or was a datagram", h.ID, sg.Group())
	case sg.state == finished && !sg.presumed:
		return false, Errorf(CodeMalformed, "object %d of group %d comes after the end of its subgroup", h.ID, sg.Group())
	}
	if sg.state != open {
		return true, w.goOn(w.comesAfter(h.ID), now)
	}
	sewn := w.comesAfter(h.ID)
	switch {
	case w.alone():
		if !sewn {
			sg.state, sg.err = reset, Errorf(CodeDropped, "objects are missing before object %d of group %d", h.ID, sg.Group())
			return true, w.goOn(false, now)
		}
	case !sewn, last == nil && !w.first:
		return false, ErrAhead
	}
	w.lead()
	return true, nil
}

// comesAfter reports whether the object id is known to follow what the log has.
func (w *SubgroupWriter) comesAfter(id uint64) bool {
	last := w.sg.tail()
	if last != nil && last.have < last.size {
		if last.ID != id {
			return false
		}
		part := w.sg // the one in which it was cut
		for part.last() != last {
			part = part.before
		}
		if n := len(part.objects); n > 1 {
			last = part.objects[n-2]
		} else {
			last = part.before.tail()
		}
	}
	return last == nil || last == w.prev || last.ID+1 == id
}

// lead makes w the writer who has the next bytes of the log.
func (w *SubgroupWriter) lead() {
	sg := w.sg
	if sg.writer == w {
		return
	}
	if o := sg.last(); o != nil {
		o.fork()
	}
	sg.others = slices.DeleteFunc(sg.others, func(o *SubgroupWriter) bool { return o == w })
	if sg.writer != nil {
		sg.others = append(sg.others, sg.writer)
	}
	sg.writer = w
}

// goOn begins another part of a subgroup that was cut short. sewn says that
// nothing is missing between them.
func (w *SubgroupWriter) goOn(sewn bool, now time.Time) *Error {
	old, t := w.sg, w.t
	g := old.group
	if len(g.subgroups) >= t.limits.Subgroups {
		return Errorf(CodeTooMany, "group %d has %d subgroups", g.Sequence, len(g.subgroups))
	}
	if o := old.last(); o != nil && o.have < o.size { // it begins anew
		old.objects = old.objects[:len(old.objects)-1]
		old.bytes -= int64(o.have)
	}
	h := old.SubgroupHeader
	h.FirstKnown = h.FirstKnown && old.tail() == nil
	err := g.open(h, w, now)
	old.next, old.sewn, old.writer, old.others, w.sg.before = w.sg, sewn, nil, nil, old
	return err
}

// tail returns the last object of the subgroup, or of the parts before it.
func (s *Subgroup) tail() *Object {
	for ; s != nil; s = s.before {
		if o := s.last(); o != nil {
			return o
		}
	}
	return nil
}

// elsewhere reports whether the group has the object, but not in the subgroup.
func (g *Group) elsewhere(id, subgroup uint64) bool {
	for _, sg := range g.subgroups {
		if sg.ID != subgroup {
			if _, ok := sg.find(id); ok {
				return true
			}
		}
	}
	i := g.datagram(id)
	return i < len(g.datagrams) && g.datagrams[i].ID == id
}

// follow passes bytes that another writer may have brought already. Who comes
// to the end of what there is takes the lead.
func (w *SubgroupWriter) follow(p []byte) *Error {
	p, err := w.compare(p)
	o := w.cur
	if err != nil || len(p) == 0 {
		return err
	}
	if w.sg.state != open || o != w.sg.last() {
		return Errorf(CodeDropped, "object %d of group %d was cut short", o.ID, w.sg.Group())
	}
	w.lead()
	for len(p) > 0 {
		n := copy(o.space(), p)
		o.have += uint64(n)
		w.sg.bytes += int64(n)
		p = p[n:]
	}
	w.seen, w.woken = o.have, o.have
	return nil
}

// finish is Finish of a shared subgroup.
func (w *SubgroupWriter) finish(endOfGroup bool) *Error {
	sg := w.sg
	at, last := w.cur, sg.tail()
	if at == nil {
		at = w.prev
	}
	if at != last || w.Missing() > 0 {
		w.quit()
		return Errorf(CodeMalformed, "the stream of group %d, subgroup %d ended before the end of what there is", sg.Group(), sg.ID)
	}
	sg.presumed = false
	if sg.state == open || last != nil && sg.state == reset {
		sg.state, sg.err, sg.writer, sg.others = finished, nil, nil, nil
	}
	if (endOfGroup || sg.EndOfGroup) && (sg.Whole || last != nil) {
		sg.group.complete = true
	}
	return nil
}
