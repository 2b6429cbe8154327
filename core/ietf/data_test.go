package ietf

import (
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
)

// Every number from 0 on, as the type of a stream: legal ones are read and
// written again as they were, others refused.
func TestEverySubgroupType(t *testing.T) {
	for _, draft := range drafts {
		p := profileOf(draft)
		for typ := range uint64(0x180) {
			b := append(p.Varint.Append(nil, typ), 1, 2)
			if typ&subgroupIDPresent != 0 {
				b = append(b, 3)
			}
			if typ&subgroupDefaultPriority == 0 {
				b = append(b, 200)
			}
			b = append(b, 4) // object 4
			if typ&subgroupProperties != 0 {
				b = append(b, 2, 0x10, 7)
			}
			b = append(b, 1, 'x')
			got, err := uniUnit(p, b, moq.Ascending)
			if !slices.Contains(legalTypes[draft].subgroups, typ) {
				m, ok := got.(*subgroupStream)
				assert.False(t, ok, "%s: type %#x is %v", draft, typ, m)
				continue
			}
			require.NoError(t, err, "%s: type %#x", draft, typ)
			assert.Equal(t, b, appendUnit(t, nil, p, got), "%s: type %#x", draft, typ)
			h := got.(*subgroupStream).header
			assert.Equal(t, typ, h.typ(p))
			assert.Equal(t, uint64(1), h.TrackAlias)
			assert.Equal(t, uint64(2), h.Group)
			assert.Equal(t, h.Mode == modeExplicit, h.Subgroup == 3)
			assert.Equal(t, h.DefaultPriority, h.Priority == 0)
		}
	}
}

func TestEveryDatagramType(t *testing.T) {
	for _, draft := range drafts {
		p := profileOf(draft)
		for typ := range uint64(0x180) {
			b := append(p.Varint.Append(nil, typ), 1, 2)
			if typ&datagramZeroObjectID == 0 {
				b = append(b, 3)
			}
			if typ&datagramDefaultPriority == 0 {
				b = append(b, 200)
			}
			if typ&datagramProperties != 0 {
				b = append(b, 2, 0x10, 7)
			}
			if typ&datagramStatus != 0 {
				b = append(b, 3)
			} else {
				b = append(b, 'd', 'g')
			}
			kind, m, err := parseDatagram(b, p)
			switch {
			case !slices.Contains(legalTypes[draft].datagrams, typ):
				assert.Error(t, err, "%s: type %#x", draft, typ)
				assert.Equal(t, dataUnknown, kind)
			case typ&datagramStatus != 0 && typ&datagramProperties != 0 && !p.StatusProperties:
				assert.ErrorContains(t, err, "properties of an object of status 3", "%s: type %#x", draft, typ)
			default:
				require.NoError(t, err, "%s: type %#x", draft, typ)
				assert.Equal(t, b, m.append(nil, p), "%s: type %#x", draft, typ)
				assert.Equal(t, typ, m.typ(p))
			}
		}
	}
}

// What a draft cannot say is left out, and what it then needs is written.
func TestOlderDataHeaders(t *testing.T) {
	h := subgroupHeader{EndOfGroup: true, DefaultPriority: true, FirstObject: true, TrackAlias: 1, Group: 2, Priority: 9}
	d := objectDatagram{DefaultPriority: true, TrackAlias: 1, Group: 2, Status: moq.StatusEndOfGroup, Priority: 9}
	for draft, want := range map[string]struct{ header, datagram string }{
		"14": {"18 01 02 09", "20 01 02 00 09 03"},
		"16": {"38 01 02", "2c 01 02 03"},
		"18": {"78 01 02", "2c 01 02 03"},
	} {
		p := profileOf(draft)
		assert.Equal(t, unhex(t, want.header), h.append(nil, p), draft)
		assert.Equal(t, unhex(t, want.datagram), d.append(nil, p), draft)
	}
}

// Properties that a status may not have stay at home.
func TestPropertiesOfAStatus(t *testing.T) {
	props := []moq.Property{numeric(propTimestamp, 7)}
	for _, draft := range drafts {
		p := profileOf(draft)
		h := subgroupHeader{Properties: true}
		for status, ok := range map[moq.Status]bool{moq.StatusNormal: true, moq.StatusEndOfGroup: p.StatusProperties, moq.StatusEndOfTrack: p.StatusProperties} {
			m := &subgroupStream{h, []subgroupObject{{objectHeader{Properties: props, Status: status}, ""}}}
			got, err := readUnit(p, m, appendUnit(t, nil, p, m))
			require.NoError(t, err, "%s: status %d", draft, status)
			assert.Equal(t, ok, len(got.(*subgroupStream).objects[0].Properties) == 1, "%s: status %d", draft, status)
			d := objectDatagram{Properties: props, Status: status, Priority: 1}
			_, e, err := parseDatagram(d.append(nil, p), p)
			require.NoError(t, err, "%s: status %d", draft, status)
			assert.Equal(t, ok, len(e.Properties) == 1, "%s: status %d", draft, status)
		}
	}
}

func TestObjectIDs(t *testing.T) {
	ids := []uint64{3, 4, 9, 1<<64 - 2, 1<<64 - 1}
	deltas := []uint64{3, 0, 4, 1<<64 - 2 - 10, 0}
	var out, in objectIDs
	for i, id := range ids {
		assert.Equal(t, deltas[i], out.delta(id))
		got, err := in.id(deltas[i])
		require.NoError(t, err)
		assert.Equal(t, id, got)
	}
	_, err := in.id(0)
	assert.Error(t, err, "there is no id above 64 bits")
	in = objectIDs{}
	_, err = in.id(1<<64 - 1)
	assert.NoError(t, err, "one object may have the largest id")
}

func TestMissingObject(t *testing.T) {
	p := profileOf("14")
	m := &subgroupStream{
		subgroupHeader{Properties: true},
		[]subgroupObject{
			{objectHeader{Status: moq.StatusDoesNotExist}, ""},
			{objectHeader{ID: 1, Status: moq.StatusEndOfTrack, Properties: []moq.Property{numeric(0x10, 1)}}, ""},
		},
	}
	got, err := readUnit(p, m, appendUnit(t, nil, p, m))
	require.NoError(t, err)
	assert.Equal(t, m, got)
}

// Fetch streams, with the flags that others may write.
func TestFetchForms(t *testing.T) {
	object := func(group, object, subgroup uint64, priority uint8, payload string) fetchFrame {
		return fetchFrame{fetchObject{Group: group, Object: object, Subgroup: subgroup, Priority: priority, Size: uint64(len(payload))}, payload}
	}
	datagram := func(o fetchFrame) fetchFrame { o.Datagram = true; return o }
	marker := func(end fetchEnd, group, object uint64) fetchFrame {
		return fetchFrame{fetchObject{End: end, Group: group, Object: object}, ""}
	}
	for _, row := range []struct {
		name   string
		drafts []string
		order  moq.Order
		hex    string
		want   []fetchFrame
		loose  bool
	}{
		{"descending", []string{"18", "19", "20"}, moq.Descending, "1c 05 02 80 01 61 00 00 0c 00 00 01 62 0c 03 07 00",
			[]fetchFrame{object(5, 2, 0, 128, "a"), object(5, 3, 0, 128, ""), object(4, 0, 0, 128, "b"), object(0, 7, 0, 128, "")}, false},
		{"descending, whole ids", []string{"16"}, moq.Descending, "1c 05 02 80 01 61 00 00 0c 04 00 01 62",
			[]fetchFrame{object(5, 2, 0, 128, "a"), object(5, 3, 0, 128, ""), object(4, 0, 0, 128, "b")}, false},
		{"gap", []string{"18"}, moq.Ascending, "1c 05 02 80 01 61 04 03 01 62",
			[]fetchFrame{object(5, 2, 0, 128, "a"), object(5, 5, 0, 128, "b")}, false},
		{"gap, whole ids", []string{"16"}, moq.Ascending, "1c 05 02 80 01 61 04 05 01 62",
			[]fetchFrame{object(5, 2, 0, 128, "a"), object(5, 5, 0, 128, "b")}, false},
		{"next subgroup", []string{"16", "18"}, moq.Ascending, "1f 05 07 02 80 01 61 02 01 62",
			[]fetchFrame{object(5, 2, 7, 128, "a"), object(5, 3, 8, 128, "b")}, true},
		{"group without object id", []string{"18"}, moq.Ascending, "1c 05 02 80 01 61 08 00 01 62",
			[]fetchFrame{object(5, 2, 0, 128, "a"), object(6, 3, 0, 128, "b")}, true},
		{"priorities", []string{"18"}, moq.Ascending, "1c 05 02 80 01 61 10 07 01 62 00 01 63",
			[]fetchFrame{object(5, 2, 0, 128, "a"), object(5, 3, 0, 7, "b"), object(5, 4, 0, 7, "c")}, false},
		{"datagram", []string{"16"}, moq.Ascending, "405c 05 02 80 01 61 4040 01 62",
			[]fetchFrame{datagram(object(5, 2, 0, 128, "a")), datagram(object(5, 3, 0, 128, "b"))}, false},
		{"datagram", []string{"18"}, moq.Ascending, "5c 05 02 80 01 61 40 01 62",
			[]fetchFrame{datagram(object(5, 2, 0, 128, "a")), datagram(object(5, 3, 0, 128, "b"))}, false},
		{"datagram with bits to ignore", []string{"18"}, moq.Ascending, "5f 05 02 80 01 61 42 01 62",
			[]fetchFrame{datagram(object(5, 2, 0, 128, "a")), datagram(object(5, 3, 0, 128, "b"))}, true},
		{"a subgroup behind a datagram", []string{"18"}, moq.Ascending, "5c 05 02 80 01 61 03 00 01 62",
			[]fetchFrame{datagram(object(5, 2, 0, 128, "a")), object(5, 3, 0, 128, "b")}, true},
		{"marker first", []string{"18"}, moq.Ascending, "808c 05 09 10 80 01 61",
			[]fetchFrame{marker(fetchEndNonExistent, 5, 9), object(5, 10, 0, 128, "a")}, false},
		{"marker between", []string{"18"}, moq.Ascending, "1f 05 03 02 80 01 61 810c 07 09 0d 01 00 01 62 01 01 63",
			[]fetchFrame{object(5, 2, 3, 128, "a"), marker(fetchEndUnknown, 7, 9), object(9, 0, 3, 128, "b"), object(9, 1, 3, 128, "c")}, false},
		{"marker between, whole ids", []string{"16"}, moq.Ascending, "1f 05 03 02 80 01 61 410c 07 09 0d 09 00 01 62",
			[]fetchFrame{object(5, 2, 3, 128, "a"), marker(fetchEndUnknown, 7, 9), object(9, 0, 3, 128, "b")}, false},
		{"marker between, descending", []string{"18"}, moq.Descending, "1c 05 02 80 01 61 808c 03 09 0c 01 00 01 62",
			[]fetchFrame{object(5, 2, 0, 128, "a"), marker(fetchEndNonExistent, 3, 9), object(1, 0, 0, 128, "b")}, false},
		{"timed out", []string{"20"}, moq.Ascending, "820c 05 09", []fetchFrame{marker(fetchEndTimedOut, 5, 9)}, false},
	} {
		for _, draft := range row.drafts {
			t.Run(draft+"/"+row.name, func(t *testing.T) {
				p := profileOf(draft)
				b := unhex(t, "05 04"+row.hex)
				got, err := uniUnit(p, b, row.order)
				require.NoError(t, err)
				want := &fetchStream{fetchHeader{4}, row.want}
				assert.Equal(t, want, got)
				again := appendFetch(t, p, want, row.order)
				if !row.loose {
					assert.Equal(t, b, again)
				}
				got, err = uniUnit(p, again, row.order)
				require.NoError(t, err)
				assert.Equal(t, want, got)
			})
		}
	}
}

// Objects that do not grow make a track malformed, which is no fault of the
// session.
func TestFetchOutOfOrder(t *testing.T) {
	for _, row := range []struct{ draft, hex string }{
		{"14", "05 00 02 80 00 01 61 05 00 02 80 00 01 61"},
		{"16", "1c 05 02 80 01 61 04 02 01 61"},
		{"16", "1c 05 02 80 01 61 04 01 01 61"},
		{"18", "1c 05 02 80 01 61 04 00 01 61"},
		{"18", "1c 05 02 80 01 61 808c 05 02"},
		{"18", "1c 05 02 80 01 61 808c 04 00"},
	} {
		_, err := uniUnit(profileOf(row.draft), unhex(t, "05 04"+row.hex), moq.Ascending)
		assert.Equal(t, errOrder, err, "%s: %s", row.draft, row.hex)
		_, ok := decodeCode(err)
		assert.False(t, ok)
		assert.ErrorIs(t, err, moq.ErrMalformed)
	}
}

func TestFetchUnsaid(t *testing.T) {
	for _, row := range []struct {
		draft string
		m     fetchObject
		want  error
	}{
		{"14", fetchObject{End: fetchEndUnknown}, errUnsaid},
		{"14", fetchObject{Status: moq.StatusEndOfGroup}, nil},
		{"16", fetchObject{Status: moq.StatusEndOfGroup}, errUnsaid},
		{"18", fetchObject{Status: moq.StatusEndOfGroup}, errUnsaid},
		{"18", fetchObject{End: fetchEndTimedOut}, nil}, // as unknown
	} {
		var c fetchCursor
		b, err := c.append([]byte{1}, profileOf(row.draft), &row.m)
		assert.Equal(t, row.want, err)
		if err != nil {
			assert.Equal(t, []byte{1}, b)
			continue
		}
		assert.Greater(t, len(b), 1)
		_, err = c.append(b, profileOf(row.draft), &row.m)
		assert.Equal(t, errOrder, err)
	}
	var c fetchCursor
	b, err := c.append(nil, profileOf("18"), &fetchObject{End: fetchEndTimedOut, Group: 1})
	require.NoError(t, err)
	assert.Equal(t, unhex(t, "810c 01 00"), b)
}

// In 14 a datagram has its object id as its subgroup.
func TestFetchDatagram14(t *testing.T) {
	var c fetchCursor
	b, err := c.append(nil, profileOf("14"), &fetchObject{Group: 1, Object: 7, Datagram: true, Size: 1})
	require.NoError(t, err)
	assert.Equal(t, unhex(t, "01 07 07 00 00 01"), b)
}

func TestStreamKinds(t *testing.T) {
	for draft, setup := range map[string]dataKind{"14": dataUnknown, "16": dataUnknown, "18": dataControl, "20": dataControl} {
		p := profileOf(draft)
		assert.Equal(t, setup, p.streamKind(typeSetup), draft)
		assert.Equal(t, dataFetch, p.streamKind(typeFetchHeader), draft)
		assert.Equal(t, dataSubgroup, p.streamKind(0x10), draft)
		assert.Equal(t, dataUnknown, p.streamKind(0x20), draft)
		assert.Equal(t, dataUnknown, p.datagramKind(0x10), draft)
	}
	m, err := uniUnit(profileOf("18"), unhex(t, "af00 0000"), moq.Ascending)
	require.NoError(t, err)
	assert.Equal(t, &setup{}, m)
}

func TestPadding(t *testing.T) {
	p := profileOf("18")
	s := streamOf(p, unhex(t, "f0132b3e28 00000000"))
	_, kind, err := readStreamType(s, p)
	require.NoError(t, err)
	assert.Equal(t, dataPadding, kind)
	require.NoError(t, skipPadding(s))
	_, err = s.Byte()
	assert.Equal(t, io.EOF, err)
}

// A stream or message type may be longer than it needs to be.
func TestLongTypes(t *testing.T) {
	p := profileOf("18")
	got, err := uniUnit(p, unhex(t, "8005 04"), moq.Ascending)
	require.NoError(t, err)
	assert.Equal(t, &fetchStream{header: fetchHeader{4}}, got)
	m, err := readMessage(streamOf(p, unhex(t, "c0000b 0005 8002 8000 00")), p)
	require.NoError(t, err)
	assert.Equal(t, &publishDone{Status: 2}, m)
}
