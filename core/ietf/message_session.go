package ietf

import (
	"time"

	"github.com/moqtgo/moqt/core/wire"
)

// A goaway asks the peer to leave for URI, or just to leave where it is empty.
type goaway struct {
	URI     string
	Timeout time.Duration // with GoawayTimeout; 0: none is stated
	// RequestID is the smallest one that is not served any more, on the
	// control stream of drafts with GoawayID. Not all peers send it.
	RequestID optional[uint64]
}

func (m *goaway) append(b []byte, p *Profile) []byte {
	b, start := begin(b, p, typeGoaway)
	b = p.Varint.AppendString(b, m.URI)
	if p.GoawayTimeout {
		b = p.Varint.Append(b, milliseconds(m.Timeout))
	}
	if p.GoawayID && m.RequestID.has {
		b = p.Varint.Append(b, m.RequestID.v)
	}
	return end(b, start)
}

func (m *goaway) read(r *wire.Reader, p *Profile) {
	*m = goaway{URI: r.String(maxURI)}
	if p.GoawayTimeout {
		m.Timeout = duration(r.Varint())
	}
	if p.GoawayID && r.Len() > 0 {
		m.RequestID = some(r.Varint())
	}
}

// A maxRequestID allows the peer more requests, in drafts with MaxRequestID.
type maxRequestID struct {
	RequestID uint64 // the first one that is not allowed
}

func (m *maxRequestID) append(b []byte, p *Profile) []byte {
	b, start := begin(b, p, typeMaxRequestID)
	b = p.Varint.Append(b, m.RequestID)
	return end(b, start)
}

func (m *maxRequestID) read(r *wire.Reader, _ *Profile) { m.RequestID = r.Varint() }

// A requestsBlocked says that its sender has no request left.
type requestsBlocked struct {
	MaxRequestID uint64 // the limit that it knows
}

func (m *requestsBlocked) append(b []byte, p *Profile) []byte {
	b, start := begin(b, p, typeRequestsBlocked)
	b = p.Varint.Append(b, m.MaxRequestID)
	return end(b, start)
}

func (m *requestsBlocked) read(r *wire.Reader, _ *Profile) { m.MaxRequestID = r.Varint() }
