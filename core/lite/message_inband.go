package lite

import (
	"encoding/binary"

	"github.com/moqtgo/moqt/core/wire"
)

// A clientSetup opens the exchange of drafts with InBandSetup, in the encoding
// of moq-transport 14: its type, a length of two bytes, a body.
type clientSetup struct {
	Versions []uint64 // the preferred one first
	Params   []parameter
}

// A serverSetup answers a clientSetup.
type serverSetup struct {
	Version uint64
	Params  []parameter
}

// A parameter is one of moq-transport 14: Value where ID is even, else Bytes.
type parameter struct {
	ID    uint64
	Value uint64
	Bytes []byte // read: a part of what was read
}

func (m *clientSetup) append(b []byte, _ *Profile) []byte {
	b = appendVarint(b, typeClientSetup)
	start := len(b)
	b = appendVarint(b, uint64(len(m.Versions)))
	for _, version := range m.Versions {
		b = appendVarint(b, version)
	}
	b = appendParameters(b, m.Params)
	return withLength16(b, start)
}

func (m *clientSetup) read(r *wire.Reader, _ *Profile) {
	m.Versions = nil
	for range r.Count("number of versions", maxVersions) {
		m.Versions = append(m.Versions, r.Varint())
	}
	m.Params = readParameters(r)
}

func (m *serverSetup) append(b []byte, _ *Profile) []byte {
	b = appendVarint(b, typeServerSetup)
	start := len(b)
	b = appendVarint(b, m.Version)
	b = appendParameters(b, m.Params)
	return withLength16(b, start)
}

func (m *serverSetup) read(r *wire.Reader, _ *Profile) {
	m.Version = r.Varint()
	m.Params = readParameters(r)
}

// readInBand reads the message behind its type: a clientSetup or serverSetup.
// What it holds may be kept.
func readInBand(s *wire.Stream, p *Profile, m message) error {
	n, err := s.Uint16()
	if err != nil {
		return wire.UnexpectedEOF(err)
	}
	body, err := s.Body(int(n), nil)
	if err != nil {
		return err
	}
	return decode(append([]byte(nil), body...), p, m)
}

// withLength16 puts a Length of two bytes in front of the body b[start:].
func withLength16(b []byte, start int) []byte {
	n := len(b) - start
	b = append(b, 0, 0)
	copy(b[start+2:], b[start:start+n])
	binary.BigEndian.PutUint16(b[start:], uint16(n))
	return b
}

func appendParameters(b []byte, params []parameter) []byte {
	b = appendVarint(b, uint64(len(params)))
	for _, param := range params {
		b = appendVarint(b, param.ID)
		if param.ID%2 == 0 {
			b = appendVarint(b, param.Value)
		} else {
			b = wire.RFC9000.AppendBytes(b, param.Bytes)
		}
	}
	return b
}

func readParameters(r *wire.Reader) []parameter {
	var params []parameter
	for range readParameterCount(r) {
		param := parameter{ID: r.Varint()}
		if param.ID%2 == 0 {
			param.Value = r.Varint()
		} else {
			param.Bytes = r.Bytes(anyLength)
		}
		params = append(params, param)
	}
	return params
}

// A sessionInfo may follow on that stream.
type sessionInfo struct {
	Bitrate uint64 // bits a second
}

func (m *sessionInfo) append(b []byte, _ *Profile) []byte {
	start := len(b)
	b = appendVarint(b, m.Bitrate)
	return withLength(b, start)
}

func (m *sessionInfo) read(r *wire.Reader, _ *Profile) {
	m.Bitrate = r.Varint()
}
