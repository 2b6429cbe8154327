package ietf

import (
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
)

// The types of set-up options, the same in every draft. Others are kept in
// setupOptions.Unknown.
const (
	optionPath                  uint64 = 0x01
	optionMaxRequestID          uint64 = 0x02
	optionAuthorizationToken    uint64 = 0x03
	optionMaxAuthTokenCacheSize uint64 = 0x04
	optionAuthority             uint64 = 0x05
	optionMaxFilterRanges       uint64 = 0x06
	optionImplementation        uint64 = 0x07
	optionMaxRequestUpdates     uint64 = 0x08
	optionRelayHops             uint64 = 0x40b55 // see Profile.Hops
	optionRelayCost             uint64 = 0x40b56
)

// SetupOptions are what a side says of itself. A number of 0 is not sent: it is
// the default of all of them.
type setupOptions struct {
	Path                  optional[string] // of a client on native QUIC: path and query
	Authority             optional[string] // likewise: host and port
	MaxRequestID          uint64           // exclusive; with Profile.MaxRequestID
	Tokens                []token
	MaxAuthTokenCacheSize uint64 // bytes
	MaxFilterRanges       uint64
	MaxRequestUpdates     uint64 // of one stream, unanswered; 0: any number
	Implementation        string
	RelayHops             optional[uint64] // the id of the node
	RelayCost             optional[uint64] // of what it sends
	Unknown               []moq.Property
}

// A clientSetup opens the control stream of drafts that have one.
type clientSetup struct {
	Versions []uint64 // with VersionList; the preferred one first
	Options  setupOptions
}

func (m *clientSetup) append(b []byte, p *Profile) []byte {
	b, start := begin(b, p, typeClientSetup)
	if p.VersionList {
		b = p.Varint.Append(b, uint64(len(m.Versions)))
		for _, version := range m.Versions {
			b = p.Varint.Append(b, version)
		}
	}
	b = m.Options.append(b, p)
	return end(b, start)
}

func (m *clientSetup) read(r *wire.Reader, p *Profile) {
	m.Versions = nil
	if p.VersionList {
		for range r.Count("number of versions", maxVersions) {
			m.Versions = append(m.Versions, r.Varint())
		}
	}
	m.Options.read(r, p)
}

// A serverSetup answers a clientSetup.
type serverSetup struct {
	Version uint64 // with VersionList
	Options setupOptions
}

func (m *serverSetup) append(b []byte, p *Profile) []byte {
	b, start := begin(b, p, typeServerSetup)
	if p.VersionList {
		b = p.Varint.Append(b, m.Version)
	}
	b = m.Options.append(b, p)
	return end(b, start)
}

func (m *serverSetup) read(r *wire.Reader, p *Profile) {
	if p.VersionList {
		m.Version = r.Varint()
	}
	m.Options.read(r, p)
}

// A setup opens the control stream of each side in drafts with SetupOnUni. Its
// type is the type of that stream.
type setup struct {
	Options setupOptions
}

func (m *setup) append(b []byte, p *Profile) []byte {
	b, start := begin(b, p, typeSetup)
	b = m.Options.append(b, p)
	return end(b, start)
}

func (m *setup) read(r *wire.Reader, p *Profile) { m.Options.read(r, p) }

func (m *setupOptions) append(b []byte, p *Profile) []byte {
	var pairs []moq.Property
	text := func(t uint64, s string) { pairs = append(pairs, moq.Property{Type: t, Bytes: []byte(s)}) }
	number := func(t, x uint64) {
		if x != 0 {
			pairs = append(pairs, moq.Property{Type: t, Int: x})
		}
	}
	if m.Path.has {
		text(optionPath, m.Path.v)
	}
	number(optionMaxRequestID, m.MaxRequestID)
	for i := range m.Tokens {
		text(optionAuthorizationToken, string(m.Tokens[i].append(nil, p)))
	}
	number(optionMaxAuthTokenCacheSize, m.MaxAuthTokenCacheSize)
	if m.Authority.has {
		text(optionAuthority, m.Authority.v)
	}
	number(optionMaxFilterRanges, m.MaxFilterRanges)
	if m.Implementation != "" {
		text(optionImplementation, m.Implementation)
	}
	number(optionMaxRequestUpdates, m.MaxRequestUpdates)
	if m.RelayHops.has {
		text(optionRelayHops, string(p.Varint.Append(nil, m.RelayHops.v)))
	}
	if m.RelayCost.has {
		pairs = append(pairs, moq.Property{Type: optionRelayCost, Int: m.RelayCost.v})
	}
	pairs = append(pairs, m.Unknown...)
	if p.SetupCount {
		b = p.Varint.Append(b, uint64(len(pairs)))
	}
	return appendPairs(b, p, pairs)
}

func (m *setupOptions) read(r *wire.Reader, p *Profile) {
	*m = setupOptions{}
	var pairs []moq.Property
	if p.SetupCount {
		pairs = readCountedPairs(r, p)
	} else {
		pairs = readPairs(r, p)
	}
	var seen uint64
	for _, pair := range pairs {
		known := pair.Type >= optionPath && pair.Type <= optionMaxRequestUpdates ||
			pair.Type == optionRelayHops || pair.Type == optionRelayCost
		if known && pair.Type != optionAuthorizationToken {
			bit := uint64(1) << (pair.Type % 64) // all known ones differ in it
			if seen&bit != 0 {
				r.Fail(invalid("set-up option %#x is there twice", pair.Type))
			}
			seen |= bit
		}
		m.take(r, p, pair)
	}
}

func (m *setupOptions) take(r *wire.Reader, p *Profile, pair moq.Property) {
	switch pair.Type {
	case optionPath:
		m.Path = some(string(pair.Bytes))
	case optionMaxRequestID:
		m.MaxRequestID = pair.Int
	case optionAuthorizationToken:
		t, err := parseToken(pair.Bytes, p)
		switch {
		case err != nil:
			r.Fail(err)
		case t.AliasType == aliasDelete || t.AliasType == aliasUse:
			r.Fail(invalid("token alias in a set-up"))
		}
		m.Tokens = append(m.Tokens, t)
	case optionMaxAuthTokenCacheSize:
		m.MaxAuthTokenCacheSize = pair.Int
	case optionAuthority:
		m.Authority = some(string(pair.Bytes))
	case optionMaxFilterRanges:
		m.MaxFilterRanges = pair.Int
	case optionImplementation:
		m.Implementation = string(pair.Bytes)
	case optionMaxRequestUpdates:
		m.MaxRequestUpdates = pair.Int
	case optionRelayHops:
		m.RelayHops = some(readHop(r, p, pair.Bytes))
	case optionRelayCost:
		m.RelayCost = some(pair.Int)
	default:
		m.Unknown = append(m.Unknown, pair)
	}
}
