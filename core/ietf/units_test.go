package ietf

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
)

// profileOf returns the row of a draft by its number, with an h for the one
// between peers that name nodes.
func profileOf(draft string) *Profile {
	for _, p := range Profiles {
		if draftOf(p) == draft {
			return p
		}
		if row := named(p); draftOf(row) == draft {
			return row
		}
	}
	panic("no draft " + draft)
}

var drafts = []string{"14", "16", "18", "19", "20"}

func draftOf(p *Profile) string {
	draft := strings.TrimPrefix(p.Token, "moqt-")
	if p.VersionList {
		draft = "14"
	}
	if p.Hops {
		draft += "h"
	}
	return draft
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(t, err)
	return b
}

func streamOf(p *Profile, b []byte) *wire.Stream { return wire.NewStream(p.Varint, bytes.NewReader(b)) }

// A subgroupStream is a whole subgroup stream that ends with FIN.
type subgroupStream struct {
	header  subgroupHeader
	objects []subgroupObject
}

type subgroupObject struct {
	objectHeader
	payload string
}

// A fetchStream is a whole fetch stream that ends with FIN.
type fetchStream struct {
	header  fetchHeader
	objects []fetchFrame
}

type fetchFrame struct {
	fetchObject
	payload string
}

// Padding is a padding stream or datagram.
type paddingUnit struct {
	stream bool
	size   int
}

// appendUnit appends what a vector holds.
func appendUnit(t testing.TB, b []byte, p *Profile, m any) []byte {
	switch m := m.(type) {
	case message:
		out, err := encode(b, p, m)
		require.NoError(t, err)
		return out
	case *subgroupStream:
		b = m.header.append(b, p)
		var ids objectIDs
		for _, o := range m.objects {
			b = append(appendObject(b, p, &m.header, &ids, &o.objectHeader), o.payload...)
		}
		return b
	case *fetchStream:
		return append(b, appendFetch(t, p, m, moq.Ascending)...)
	case *objectDatagram:
		return m.append(b, p)
	case *paddingUnit:
		if m.stream {
			return append(p.Varint.Append(b, typePaddingStream), make([]byte, m.size)...)
		}
		return appendPaddingDatagram(b, p, m.size)
	}
	panic(fmt.Sprintf("%T is no unit", m))
}

func appendFetch(t testing.TB, p *Profile, m *fetchStream, order moq.Order) []byte {
	b := m.header.append(nil, p)
	c := fetchCursor{Order: order}
	for _, o := range m.objects {
		var err error
		b, err = c.append(b, p, &o.fetchObject)
		require.NoError(t, err)
		b = append(b, o.payload...)
	}
	return b
}

// readUnit reads what has the shape of kind, whole.
func readUnit(p *Profile, kind any, b []byte) (any, error) {
	switch kind := kind.(type) {
	case message:
		m, err := readMessage(streamOf(p, b), p)
		return m, err
	case *objectDatagram:
		d, err := readDatagramUnit(p, b)
		if m, ok := d.(*objectDatagram); ok || err != nil {
			return m, err
		}
	case *paddingUnit:
		if !kind.stream {
			return readDatagramUnit(p, b)
		}
		return uniUnit(p, b, moq.Ascending)
	default:
		return uniUnit(p, b, moq.Ascending)
	}
	return nil, fmt.Errorf("no %T", kind)
}

func readDatagramUnit(p *Profile, b []byte) (any, error) {
	kind, m, err := parseDatagram(b, p)
	if err == nil && kind == dataPadding {
		_, n, err := p.Varint.Parse(b)
		return &paddingUnit{size: len(b) - n}, err
	}
	return &m, err
}

// errTooBig keeps tests from believing in sizes.
var errTooBig = &wire.TooLargeError{What: "payload", Limit: 1 << 20}

func payloadUnit(s *wire.Stream, size uint64) (string, error) {
	if size > 1<<20 {
		return "", errTooBig
	}
	var b []byte
	for uint64(len(b)) < size {
		part := make([]byte, min(size-uint64(len(b)), 4096))
		n, err := io.ReadFull(s, part)
		if err != nil {
			return "", wire.UnexpectedEOF(err)
		}
		b = append(b, part[:n]...)
	}
	return string(b), nil
}

// readUniStream reads a unidirectional stream as a handler does.
func uniUnit(p *Profile, b []byte, order moq.Order) (any, error) {
	s := streamOf(p, b)
	t, kind, err := readStreamType(s, p)
	if err != nil {
		return nil, err
	}
	switch kind {
	case dataSubgroup:
		return subgroupUnit(p, s, t)
	case dataFetch:
		return fetchUnit(p, s, order)
	case dataPadding:
		rest, err := io.ReadAll(s)
		return &paddingUnit{stream: true, size: len(rest)}, err
	}
	return readBody(s, p, t)
}

func subgroupUnit(p *Profile, s *wire.Stream, t uint64) (any, error) {
	h, err := readSubgroupHeader(s, t)
	if err != nil {
		return nil, err
	}
	m := &subgroupStream{header: h}
	var ids objectIDs
	for {
		var o subgroupObject
		if o.objectHeader, err = readObject(s, p, &h, &ids); err == io.EOF {
			return m, nil
		} else if err != nil {
			return m, err
		}
		if o.payload, err = payloadUnit(s, o.Size); err != nil {
			return m, err
		}
		m.objects = append(m.objects, o)
	}
}

func fetchUnit(p *Profile, s *wire.Stream, order moq.Order) (any, error) {
	h, err := readFetchHeader(s)
	if err != nil {
		return nil, err
	}
	m := &fetchStream{header: h}
	c := fetchCursor{Order: order}
	for {
		var o fetchFrame
		if o.fetchObject, err = c.read(s, p); err == io.EOF {
			return m, nil
		} else if err != nil {
			return m, err
		}
		if o.payload, err = payloadUnit(s, o.Size); err != nil {
			return m, err
		}
		m.objects = append(m.objects, o)
	}
}
