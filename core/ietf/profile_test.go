package ietf

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/moqtgo/moqt/core/wire"
)

func TestProfiles(t *testing.T) {
	var tokens []string
	for _, p := range Profiles {
		tokens = append(tokens, p.Token)
		assert.Equal(t, p.VersionList, p.Code != 0, "%s: a code is for the list", p.Token)
		assert.NotEqual(t, p.ControlStream, p.RequestStreams, "%s: requests go one way", p.Token)
		assert.Equal(t, p.RequestStreams, p.SetupOnUni, "%s: SETUP opens the control streams", p.Token)
		assert.Equal(t, p.ControlStream, p.MaxRequestID, "%s: what limits requests", p.Token)
		assert.Equal(t, p.ControlStream, p.ResponseIDs, "%s: what answers belong to", p.Token)
		assert.Equal(t, p.ControlStream, p.ExistingID, "%s: what updates belong to", p.Token)
		assert.Equal(t, p.ControlStream, p.Varint == wire.RFC9000, "%s: integers", p.Token)
		assert.Equal(t, p.ControlStream, p.SetupCount, "%s: options", p.Token)
		assert.Equal(t, p.ControlStream, p.MisplacedParams, "%s: misplaced parameters", p.Token)
		assert.False(t, p.NamespaceOptions && p.SubscribeTracks, "%s: one way to ask for PUBLISH", p.Token)
		assert.False(t, p.FetchDeltas && !p.FetchFlags, "%s: deltas need flags", p.Token)
		assert.False(t, p.TimedOutRange && !p.FetchFlags, "%s: markers need flags", p.Token)
		assert.False(t, p.OKProperties && !p.TrackProperties, "%s: properties everywhere", p.Token)
		assert.False(t, p.FilterFields && !p.FilterDelta, "%s: fields have a delta", p.Token)
		assert.False(t, p.OddLengths || p.VarintBytes, "%s: a quirk of peers", p.Token)
		_, tracks := p.messages[typeSubscribeTracks]
		assert.Equal(t, p.SubscribeTracks, tracks, p.Token)
		_, limit := p.messages[typeMaxRequestID]
		assert.Equal(t, p.MaxRequestID, limit, p.Token)
		_, ok := p.messages[typePublishOK]
		assert.Equal(t, p.PublishOK || p.FinCancelsNamespace, ok, p.Token) // 18 takes it
		for typ, kind := range p.messages {
			assert.NotNil(t, kind(), "%s: type %#x", p.Token, typ)
		}
	}
	assert.Equal(t, []string{"moqt-19", "moqt-18", "moqt-16", "moq-00", "moqt-20"}, tokens)
	assert.Equal(t, uint64(0xff00000e), profileOf("14").Code)
}

// legalTypes are the legal types of subgroup streams and object datagrams, one by
// one.
var legalTypes = map[string]struct{ subgroups, datagrams []uint64 }{
	"14": {
		[]uint64{0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d},
		[]uint64{0, 1, 2, 3, 4, 5, 6, 7, 0x20, 0x21},
	},
	"16": {
		[]uint64{
			0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d,
			0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d,
		},
		datagramTypes16,
	},
	"18": {everySubgroup, datagramTypes16}, "19": {everySubgroup, datagramTypes16}, "20": {everySubgroup, datagramTypes16},
}

var (
	datagramTypes16 = []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x20, 0x21, 0x24, 0x25, 0x28, 0x29, 0x2c, 0x2d}
	everySubgroup   = []uint64{
		0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d,
		0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d,
		0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x58, 0x59, 0x5a, 0x5b, 0x5c, 0x5d,
		0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x78, 0x79, 0x7a, 0x7b, 0x7c, 0x7d,
	}
)
