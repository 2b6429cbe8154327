package lite

import (
	"time"

	"github.com/moqtgo/moqt/core/moq"
)

// opened notes a group stream; false says that the subscription is over.
func (in *incoming) opened(u *uniStream, group uint64) bool {
	s := in.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if in.over || in.ends && group >= in.final {
		return false
	}
	in.streams[u] = struct{}{}
	in.note(group)
	in.quiet = false
	return true
}

func (in *incoming) note(group uint64) {
	if !in.s.p.StartEnd || in.started && group < in.start || len(in.seen) >= maxSeen {
		return
	}
	if in.seen == nil {
		in.seen = map[uint64]struct{}{}
	}
	in.seen[group] = struct{}{}
	in.settle()
}

// settle moves the start past the groups that have come.
func (in *incoming) settle() {
	for in.started {
		if _, ok := in.seen[in.start]; !ok {
			return
		}
		delete(in.seen, in.start)
		in.start++
	}
}

// maxSeen bounds how many groups are remembered beyond one that is missing.
const maxSeen = 4096

// counted notes a group that came without a stream.
func (in *incoming) counted(group uint64) {
	in.s.mu.Lock()
	in.note(group)
	in.s.mu.Unlock()
	in.checkEnd()
}

// finished notes that a group stream has ended.
func (in *incoming) finished(u *uniStream) {
	in.s.mu.Lock()
	delete(in.streams, u)
	in.s.mu.Unlock()
	in.checkEnd()
}

// published notes END (known) or FIN. Groups may still be under way: the track
// finishes when all are there, or when none has come for a while.
func (in *incoming) published(final uint64, known bool) {
	s := in.s
	s.mu.Lock()
	if known && !in.ends {
		in.ends, in.final = true, final
	}
	if !known {
		in.fin, in.quiet = true, true
	}
	if in.timer == nil && !in.over && !s.closing {
		in.timer = time.AfterFunc(s.cfg.Limits.ParkTime, in.graceOver)
	}
	s.mu.Unlock()
	in.checkEnd()
}

func (in *incoming) graceOver() {
	s := in.s
	s.mu.Lock()
	if in.over || s.closing {
		s.mu.Unlock()
		return
	}
	if len(in.streams) > 0 || !in.quiet || !in.fin {
		in.quiet = true
		in.timer.Reset(s.cfg.Limits.ParkTime)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	in.finish()
}

// checkEnd finishes the track once every group that exists is complete.
func (in *incoming) checkEnd() {
	s := in.s
	s.mu.Lock()
	done := in.ends && !in.over && !s.closing && len(in.streams) == 0 && in.complete()
	s.mu.Unlock()
	if done {
		in.finish()
	}
}

func (in *incoming) complete() bool {
	return in.final == 0 || in.started && in.start >= in.final
}

// finish ends the track well.
func (in *incoming) finish() {
	s := in.s
	s.mu.Lock()
	final, known := in.final, in.ends
	s.mu.Unlock()
	if !known {
		if l, ok := in.track.Largest(); ok {
			final = l.Group + 1
		}
	}
	in.track.Finish(final)
	s.endIncoming(in, nil)
}

// endIncoming forgets a subscription and fails its track with why, if that is
// not nil.
func (s *session) endIncoming(in *incoming, why *moq.Error) {
	s.mu.Lock()
	if in.over || s.closing {
		s.mu.Unlock()
		return
	}
	in.over = true
	if in.timer != nil {
		in.timer.Stop()
	}
	s.mu.Unlock()
	if why != nil {
		in.track.Fail(why) // before it is forgotten: it must not be wanted anew
	}
	s.mu.Lock()
	delete(s.byTrack, in.track)
	if s.ids[in.id] == in {
		delete(s.ids, in.id)
	}
	s.mu.Unlock()
	in.cancel()
	s.updateReceive()
}

// cancel ends the streams of a subscription that is over.
func (in *incoming) cancel() {
	s := in.s
	s.mu.Lock()
	streams := make([]*uniStream, 0, len(in.streams))
	for u := range in.streams {
		streams = append(streams, u)
	}
	st, out := in.st, in.out
	s.mu.Unlock()
	for _, u := range streams {
		u.CancelRead(s.code(CodeCancel))
	}
	if st != nil {
		out.Close()
		st.CancelRead(s.code(CodeCancel))
	}
}
