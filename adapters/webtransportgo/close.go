package webtransportgo

import (
	"encoding/binary"
	"time"
	"unicode/utf8"

	"github.com/quic-go/quic-go/quicvarint"
	wtgo "github.com/quic-go/webtransport-go"

	"github.com/moqtgo/moqt/ports/quic"
)

const (
	closeCapsule = 0x2843
	// maxReason is the draft's limit for a reason, in bytes.
	maxReason = 1024
	// closeTimeout is how long the peer may take to see a close.
	closeTimeout = time.Second
)

// CloseWithError sends code, capped to 32 bits, and reason, cut down to 1,024
// bytes. It waits until the peer has answered, but no longer than a second;
// what blocks on the session returns by then. The connection below ends with
// the session, on the server up to a second later.
func (s *session) CloseWithError(code quic.ErrorCode, reason string) error {
	if s.closing.CompareAndSwap(false, true) { // no lock is held while this waits
		s.finish(cap32(code), truncate(reason, maxReason))
		close(s.closed)
	}
	<-s.closed
	return nil
}

func (s *session) finish(code uint32, reason string) {
	e := &quic.ConnError{Code: quic.ErrorCode(code), Reason: reason}
	s.local.Store(e)
	switch {
	case s.wt.Context().Err() != nil || !s.final.CompareAndSwap(nil, e): // it was over already
	case s.owner != nil:
		s.closeServer(code, reason)
	default:
		s.closeClient(code, reason)
	}
}

// closeServer writes the capsule itself. The library would send STOP_SENDING
// on the CONNECT stream ahead of it, upon which Chromium forgets the code.
func (s *session) closeServer(code uint32, reason string) {
	s.connect.SetPriority(0, false) // before what other streams have queued
	answered := false
	if s.connect.TryWriteAll(appendCloseCapsule(nil, code, reason)) == nil {
		s.connect.Close()
		timer := time.NewTimer(closeTimeout)
		defer timer.Stop()
		select {
		case <-s.wt.Context().Done(): // the peer has ended the stream
			answered = true
		case <-timer.C:
		}
	}
	s.wt.CloseWithError(wtgo.SessionErrorCode(code), reason)
	if answered {
		s.owner.linger()
	} else {
		closeHTTP3(s.conn.QUICConn())
	}
}

// closeClient leaves the capsule to the library, which hides the CONNECT
// stream here. A server of ours answers by closing the connection; any other
// gets the time in which the capsule is repeated twice.
func (s *session) closeClient(code uint32, reason string) {
	s.wt.CloseWithError(wtgo.SessionErrorCode(code), reason)
	conn := s.conn.QUICConn()
	stats := conn.ConnectionStats()
	pto := stats.SmoothedRTT + max(4*stats.MeanDeviation, time.Millisecond) + 25*time.Millisecond
	timer := time.NewTimer(min(3*pto, closeTimeout))
	defer timer.Stop()
	select {
	case <-conn.Context().Done():
	case <-timer.C:
	}
	closeHTTP3(conn)
}

func appendCloseCapsule(b []byte, code uint32, reason string) []byte {
	b = quicvarint.Append(b, closeCapsule)
	b = quicvarint.Append(b, uint64(4+len(reason)))
	b = binary.BigEndian.AppendUint32(b, code)
	return append(b, reason...)
}

// truncate cuts s to n bytes without breaking a character.
func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
