package ietf

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
	"github.com/moqtgo/moqt/core/wire/wiretest"
)

// Control is a control or request stream, or the stream of a SETUP.
func FuzzControlRFC9000(f *testing.F)     { fuzzControl(f, wire.RFC9000) }
func FuzzControlLeadingOnes(f *testing.F) { fuzzControl(f, wire.LeadingOnes) }

func FuzzSubgroupRFC9000(f *testing.F)     { fuzzUni(f, wire.RFC9000, &subgroupStream{}) }
func FuzzSubgroupLeadingOnes(f *testing.F) { fuzzUni(f, wire.LeadingOnes, &subgroupStream{}) }

func FuzzFetchRFC9000(f *testing.F)     { fuzzUni(f, wire.RFC9000, &fetchStream{}) }
func FuzzFetchLeadingOnes(f *testing.F) { fuzzUni(f, wire.LeadingOnes, &fetchStream{}) }

func FuzzDatagramRFC9000(f *testing.F)     { fuzzDatagram(f, wire.RFC9000) }
func FuzzDatagramLeadingOnes(f *testing.F) { fuzzDatagram(f, wire.LeadingOnes) }

// inMemory is what a byte may become: two can be a property.
const inMemory = 128

// flavoured are the drafts with a flavour of integers.
func flavoured(v wire.Varint) (all []*Profile) {
	for _, p := range Profiles {
		if p.Varint == v {
			all = append(all, p)
		}
	}
	for _, p := range all {
		all = append(all, named(p))
	}
	return all
}

// seed adds the vectors that wanted lets pass.
func seedVectors(f *testing.F, v wire.Varint, wanted func(m any) bool) {
	for i, p := range flavoured(v) {
		for _, vector := range vectors[draftOf(p)] {
			if wanted(vector.m) {
				f.Add(uint8(i), unhex(f, vector.hex))
			}
		}
		for _, bad := range badVectors {
			if bad.in(p) && wanted(bad.kind) {
				f.Add(uint8(i), unhex(f, bad.hex))
			}
		}
	}
}

func fuzzControl(f *testing.F, v wire.Varint) {
	seedVectors(f, v, func(m any) bool { _, ok := m.(message); return ok })
	f.Fuzz(func(t *testing.T, draft uint8, data []byte) {
		drafts := flavoured(v)
		p := drafts[int(draft)%len(drafts)]
		var all []message
		var err error
		wiretest.CheckAllocation(t, inMemory*len(data)+64<<10, func() { all, err = readMessages(p, data) })
		if err != nil && err != io.EOF {
			requireCode(t, err)
		}
		for _, m := range all {
			b, err := encode(nil, p, m)
			require.NoError(t, err)
			again, err := readMessage(streamOf(p, b), p)
			require.NoError(t, err)
			require.Equal(t, m, again)
			checkValues(t, p, m)
		}
	})
}

// readMessages reads 64 messages, or fewer and what comes after them.
func readMessages(p *Profile, data []byte) (all []message, err error) {
	s := streamOf(p, data)
	for len(all) < 64 {
		m, err := readMessage(s, p)
		if err != nil {
			return all, err
		}
		all = append(all, m)
	}
	return all, nil
}

// checkValues runs what handlers ask of values that are kept as they came.
func checkValues(t *testing.T, p *Profile, m message) {
	var params parameters
	switch m := m.(type) {
	case *subscribe:
		params = m.Params
	case *fetch:
		params = m.Params
	case *subscribeTracks:
		params = m.Params
	case *subscribeOK:
		_, _ = lookup(m.Properties, propTimescale)
	case *requestOK:
		for m.To = range requestKinds {
			_ = m.check(p)
		}
	case *requestUpdate:
		params = m.Params
		for m.Of = range requestKinds {
			_ = m.check(p)
		}
	}
	for i := range params.RangeFilters {
		filter := &params.RangeFilters[i]
		got, err := filter.parse(p)
		if err != nil {
			var r *refusal
			require.ErrorAs(t, err, &r)
			continue
		}
		again := rangeFilter{Type: filter.Type, Value: got.append(nil, p, filter.Type)}
		same, err := again.parse(p)
		require.NoError(t, err)
		require.Equal(t, got, same)
	}
}

func fuzzUni(f *testing.F, v wire.Varint, kind any) {
	seedVectors(f, v, func(m any) bool {
		switch m.(type) {
		case *subgroupStream:
			_, ok := kind.(*subgroupStream)
			return ok
		case *fetchStream:
			_, ok := kind.(*fetchStream)
			return ok
		}
		return false
	})
	f.Fuzz(func(t *testing.T, draft uint8, data []byte) {
		all := flavoured(v)
		p := all[int(draft/2)%len(all)]
		order := moq.Order(draft % 2)
		var m any
		var err error
		wiretest.CheckAllocation(t, inMemory*len(data)+64<<10, func() { m, err = uniUnit(p, data, order) })
		if err == io.EOF {
			return
		}
		if err != nil && err != errOrder {
			requireCode(t, err)
		}
		var b []byte
		switch m := m.(type) {
		case *subgroupStream:
			b = appendUnit(t, nil, p, m)
		case *fetchStream:
			b = appendFetch(t, p, m, order)
		default:
			return
		}
		again, err := uniUnit(p, b, order)
		require.NoError(t, err)
		require.Equal(t, m, again)
	})
}

func fuzzDatagram(f *testing.F, v wire.Varint) {
	seedVectors(f, v, func(m any) bool {
		switch m := m.(type) {
		case *objectDatagram:
			return true
		case *paddingUnit:
			return !m.stream
		}
		return false
	})
	f.Fuzz(func(t *testing.T, draft uint8, data []byte) {
		all := flavoured(v)
		p := all[int(draft)%len(all)]
		var kind dataKind
		var m objectDatagram
		var err error
		wiretest.CheckAllocation(t, inMemory*len(data)+64<<10, func() { kind, m, err = parseDatagram(data, p) })
		if err != nil {
			requireCode(t, err)
			return
		}
		if kind == dataPadding {
			return
		}
		again, n, err := parseDatagram(m.append(nil, p), p)
		require.NoError(t, err)
		require.Equal(t, kind, again)
		require.Equal(t, m, n)
	})
}

func requireCode(t *testing.T, err error) {
	_, ok := decodeCode(err)
	require.True(t, ok, "no code for %v", err)
}
