package ietf

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/ports/quic"
)

// A bad vector must end the session with its code.
type badVector struct {
	name   string
	drafts string
	kind   any // of what it looks like
	hex    string
	code   quic.ErrorCode
	why    string // part of the error
}

func (v *badVector) in(p *Profile) bool { return strings.Contains(v.drafts, draftOf(p)) }

var (
	anyMessage  = &requestsBlocked{}
	anySubgroup = &subgroupStream{}
	anyFetch    = &fetchStream{}
	anyDatagram = &objectDatagram{}
)

var badVectors = []badVector{
	{"unknown stream type", "14 16 18 19 20", anySubgroup, "04", CodeProtocolViolation, "unknown type 0x4 of a unidirectional stream"},
	{"subgroup mode 11", "18 19 20", anySubgroup, "56 00 00 00", CodeProtocolViolation, "unknown type 0x56 of a unidirectional stream"},
	{"a type that has two bytes here", "14 16", anySubgroup, "50 00 00 00 00", CodeProtocolViolation, "unknown type 0x1000 of a unidirectional stream"},
	{"default priority", "14", anySubgroup, "30 00 00", CodeProtocolViolation, "unknown type 0x30 of a unidirectional stream"},
	{"padding", "14 16", anySubgroup, "932b3e28 00", CodeProtocolViolation, "unknown type 0x132b3e28 of a unidirectional stream"},
	{"SETUP on a stream of its own", "14 16", anySubgroup, "6f00 0000", CodeProtocolViolation, "unknown type 0x2f00 of a unidirectional stream"},
	{"object id overflow", "18 19 20", anySubgroup, "10 00 00 80 ffffffffffffffffff 01 61 00 01 61", CodeProtocolViolation, "object id above 64 bits"},
	{"object id overflow by delta", "18 19 20", anySubgroup, "10 00 00 80 01 01 61 ffffffffffffffffff 01 61", CodeProtocolViolation, "object id above 64 bits"},
	{"object status 1", "16 18 19 20", anySubgroup, "10 00 00 80 00 00 01", CodeProtocolViolation, "object status 1"},
	{"object status 2", "14 16 18 19 20", anySubgroup, "10 00 00 80 00 00 02", CodeProtocolViolation, "object status 2"},
	{"properties of a status", "16 18 19 20", anySubgroup, "11 00 00 80 00 02 10 05 00 03", CodeProtocolViolation, "properties of an object of status 3"},
	{"properties of a missing object", "14", anySubgroup, "11 00 00 80 00 02 10 05 00 01", CodeProtocolViolation, "properties of an object that does not exist"},
	{"properties above their limit", "18 19 20", anySubgroup, "11 00 00 80 00 ffffffffffffffffff", CodeProtocolViolation, "exceeds the limit of 65536"},
	{"property cut off", "14 16 18 19 20", anySubgroup, "11 00 00 80 00 02 0b 05 01 61", CodeProtocolViolation, "message ends inside a field"},
	{"FIN inside an object", "14 16 18 19 20", anySubgroup, "10 00 00 80 00 04 61", CodeProtocolViolation, "unexpected EOF"},

	{"first object without ids", "16 18 19 20", anyFetch, "05 04 04", CodeProtocolViolation, "flags 0x4 of the first fetch object"},
	{"first object without priority", "16 18 19 20", anyFetch, "05 04 0c 00 00 01 61", CodeProtocolViolation, "fetch object with the priority of none before"},
	{"first object with the prior subgroup", "16 18 19 20", anyFetch, "05 04 1d 00 00 80 01 61", CodeProtocolViolation, "fetch object with the subgroup of none before"},
	{"first object with the prior subgroup plus one", "16 18 19 20", anyFetch, "05 04 1e 00 00 80 01 61", CodeProtocolViolation, "fetch object with the subgroup of none before"},
	{"priority of none before a marker", "18 19 20", anyFetch, "05 04 808c 00 05 00 01 61", CodeProtocolViolation, "fetch object with the priority of none before"},
	{"subgroup of a datagram", "18 19 20", anyFetch, "05 04 5c 00 00 80 01 61 01 01 61", CodeProtocolViolation, "fetch object with the subgroup of none before"},
	{"flags 128", "18 19 20", anyFetch, "05 04 8080", CodeProtocolViolation, "flags 0x80 of a fetch object"},
	{"flags 128", "16", anyFetch, "05 04 4080", CodeProtocolViolation, "flags 0x80 of a fetch object"},
	{"timed-out range", "18 19", anyFetch, "05 04 820c 00 00", CodeProtocolViolation, "flags 0x20c of a fetch object"},
	{"group id overflow", "18 19 20", anyFetch, "05 04 1c ffffffffffffffffff 00 80 01 61 0c 00 00 01 61", CodeProtocolViolation, "group id outside of 64 bits"},
	{"group id overflow by delta", "18 19 20", anyFetch, "05 04 1c 05 00 80 01 61 0c ffffffffffffffffff 00 01 61", CodeProtocolViolation, "group id outside of 64 bits"},
	{"fetch object id overflow", "18 19 20", anyFetch, "05 04 1c 00 ffffffffffffffffff 80 01 61 00 01 61", CodeProtocolViolation, "object id above 64 bits"},
	{"fetch object id overflow by delta", "18 19 20", anyFetch, "05 04 1c 00 05 80 01 61 04 ffffffffffffffffff 01 61", CodeProtocolViolation, "object id above 64 bits"},
	{"subgroup id overflow", "18 19 20", anyFetch, "05 04 1f 00 ffffffffffffffffff 00 80 01 61 02 01 61", CodeProtocolViolation, "subgroup id above 64 bits"},

	{"end of group and status", "14 16 18 19 20", anyDatagram, "22 00 00 00 80 03", CodeProtocolViolation, "unknown type 0x22 of a datagram"},
	{"datagram type 0x10", "14 16 18 19 20", anyDatagram, "10 00 00 00 80", CodeProtocolViolation, "unknown type 0x10 of a datagram"},
	{"default priority", "14", anyDatagram, "08 00 00 00", CodeProtocolViolation, "unknown type 0x8 of a datagram"},
	{"no properties", "14 16 18 19 20", anyDatagram, "01 00 05 02 80 00", CodeProtocolViolation, "datagram with properties that are none"},
	{"status 2", "14 16 18 19 20", anyDatagram, "20 00 05 02 80 02", CodeProtocolViolation, "object status 2"},
	{"bytes behind a status", "14 16 18 19 20", anyDatagram, "20 00 05 02 80 03 00", CodeProtocolViolation, "bytes left after the last field"},
	{"properties of a status", "16 18 19 20", anyDatagram, "21 00 05 02 80 02 10 05 03", CodeProtocolViolation, "properties of an object of status 3"},
	{"padding", "14 16", anyDatagram, "932b3e29", CodeProtocolViolation, "unknown type 0x132b3e29 of a datagram"},
	{"empty", "14 16 18 19 20", anyDatagram, "", CodeProtocolViolation, "message ends inside a field"},

	{"option cut off", "18 19 20", anyMessage, "af00 0002 0702", CodeProtocolViolation, "message ends inside a field"},
	{"option twice", "18 19 20", anyMessage, "af00 0006 0701610001 62", CodeProtocolViolation, "set-up option 0x7 is there twice"},
	{"option type above 64 bits", "18 19 20", anyMessage, "af00 000c 0200 ffffffffffffffffff 00", CodeProtocolViolation, "type above 64 bits"},
	{"token that uses an alias in a set-up", "18 19 20", anyMessage, "af00 0004 03020205", CodeProtocolViolation, "token alias in a set-up"},
	{"token that deletes an alias in a set-up", "16", anyMessage, "20 0005 01 03020005", CodeProtocolViolation, "token alias in a set-up"},
	{"token that cannot be read", "18 19 20", anyMessage, "af00 0003 030104", CodeKeyValueFormattingError, "alias type 4"},
	{"empty token", "14", anyMessage, "20 0005 01 00 01 0300", CodeKeyValueFormattingError, "message ends inside a field"},
	{"unknown message", "14 16 18 19 20", anyMessage, "3f 0000", CodeProtocolViolation, "unknown message type 0x3f"},
	{"SUBSCRIBE_TRACKS", "14 16", anyMessage, "4051 0003 00 00 00", CodeProtocolViolation, "unknown message type 0x51"},
	{"a message of 20", "14 16 18 19", anyMessage, "22 0001 00", CodeProtocolViolation, "unknown message type 0x22"},
	{"UNSUBSCRIBE", "18 19 20", anyMessage, "0a 0001 00", CodeProtocolViolation, "unknown message type 0xa"},
	{"PUBLISH_OK", "19 20", anyMessage, "1e 0001 00", CodeProtocolViolation, "unknown message type 0x1e"},
	{"bytes left", "18 19 20", anyMessage, "0b 0004 02 00 00 00", CodeProtocolViolation, "bytes left after the last field"},
	{"fields missing", "18 19 20", anyMessage, "0b 0002 02 00", CodeProtocolViolation, "message ends inside a field"},
	{"parameter twice", "18 19 20", anyMessage, "03 000b 00 01 0161 0176 02 2001 0001", CodeProtocolViolation, "parameter 0x20 is there twice"},
	{"parameter twice", "16", anyMessage, "03 000b 00 01 0161 0176 02 2001 0001", CodeProtocolViolation, "parameter 0x20 is there twice"},
	{"unknown parameter 5", "16 18 19 20", anyMessage, "03 000a 00 01 0161 0176 01 05 01 61", CodeProtocolViolation, "unknown parameter 0x5"},
	{"parameter without a place", "18 19 20", anyMessage, "03 0009 00 01 0161 0176 01 0a 05", CodeProtocolViolation, "parameter 0xa has no place here"},
	{"range filter", "16 18", anyMessage, "03 000b 00 01 0161 0176 01 25 02 00 01", CodeProtocolViolation, "unknown parameter 0x25"},
	{"more parameters than bytes", "18 19 20", anyMessage, "03 0007 00 01 0161 0176 09", CodeProtocolViolation, "message ends inside a field"},
	{"parameter type above 64 bits", "18 19 20", anyMessage, "03 0012 00 01 0161 0176 02 2001 ffffffffffffffffff 00", CodeProtocolViolation, "type above 64 bits"},
	{"forward 2", "16 18 19 20", anyMessage, "03 0009 00 01 0161 0176 01 10 02", CodeProtocolViolation, "parameter 0x10 is 2"},
	{"forward 2", "14", anyMessage, "03 000b 00 01 0161 0176 80 01 02 02 00", CodeProtocolViolation, "boolean is neither 0 nor 1"},
	{"group order 0", "16 18 19 20", anyMessage, "03 0009 00 01 0161 0176 01 22 00", CodeProtocolViolation, "group order 0"},
	{"group order 3", "14 ", anyMessage, "03 000b 00 01 0161 0176 80 03 01 02 00", CodeProtocolViolation, "group order 3"},
	{"group order 0 of an answer", "14", anyMessage, "04 0006 00 00 00 00 00 00", CodeProtocolViolation, "group order 0"},
	{"priority 256", "16", anyMessage, "03 000a 00 01 0161 0176 01 20 4100", CodeProtocolViolation, "parameter of 256, which is no byte"},
	{"delivery timeout 0", "16", anyMessage, "03 0009 00 01 0161 0176 01 02 00", CodeProtocolViolation, "delivery timeout 0"},
	{"filter of type 5", "16 18 19", anyMessage, "03 000a 00 01 0161 0176 01 21 01 05", CodeProtocolViolation, "location filter of type 0x5"},
	{"filter of type 0", "14", anyMessage, "03 000b 00 01 0161 0176 80 01 01 00 00", CodeProtocolViolation, "location filter of type 0x0"},
	{"filter that does not fill its length", "16 18 19", anyMessage, "03 000b 00 01 0161 0176 01 21 02 02 00", CodeProtocolViolation, "bytes left after the last field"},
	{"filter that exceeds its length", "16 18 19", anyMessage, "03 000b 00 01 0161 0176 01 21 02 03 00", CodeProtocolViolation, "message ends inside a field"},
	{"filter of five fields", "20", anyMessage, "03 000e 00 01 0161 0176 01 21 05 01 01 01 01 01", CodeProtocolViolation, "bytes left after the last field"},
	{"end group above 64 bits", "18 19", anyMessage, "03 0015 00 01 0161 0176 01 21 0c 04 01 00 ffffffffffffffffff", CodeProtocolViolation, "a number above 64 bits"},
	{"end group above 64 bits", "20", anyMessage, "03 0014 00 01 0161 0176 01 21 0b 01 00 ffffffffffffffffff", CodeProtocolViolation, "a number above 64 bits"},
	{"parameter of a fill", "20", anyMessage, "03 000c 00 01 0161 0176 01 23 03 01 10 01", CodeProtocolViolation, "parameter 0x10 has no place here"},
	{"token of type 4", "16 18 19 20", anyMessage, "03 000b 00 01 0161 0176 01 03 02 04 00", CodeKeyValueFormattingError, "alias type 4"},
	{"namespace without fields", "14 16", anyMessage, "06 0003 00 00 00", CodeProtocolViolation, "namespace without fields"},
	{"empty field of a namespace", "16 18 19 20", anyMessage, "06 0004 00 01 00 00", CodeProtocolViolation, "empty field of a namespace"},
	{"options 3", "16", anyMessage, "11 0006 02 01 0161 03 00", CodeProtocolViolation, "subscribe options 3"},
	{"fetch type 4", "16 18 19 20", anyMessage, "16 0005 00 04 00 00 00", CodeProtocolViolation, "fetch type 4"},
	{"fetch type 0", "14", anyMessage, "16 0007 00 80 01 00 00 00 00", CodeProtocolViolation, "fetch type 0"},
	{"end of track 2", "18 19 20", anyMessage, "18 0004 02 00 00 00", CodeProtocolViolation, "boolean is neither 0 nor 1"},
	{"reason not UTF-8", "18 19 20", anyMessage, "0b 0004 00 00 01 ff", CodeProtocolViolation, "string is not UTF-8"},
	{"GOAWAY with a Request ID", "19 20", anyMessage, "10 0003 00 00 00", CodeProtocolViolation, "bytes left after the last field"},
}

func TestBadVectors(t *testing.T) {
	for _, v := range badVectors {
		for draft := range strings.FieldsSeq(v.drafts) {
			t.Run(draft+"/"+v.name, func(t *testing.T) {
				_, err := readUnit(profileOf(draft), v.kind, unhex(t, v.hex))
				require.Error(t, err)
				code, ok := decodeCode(err)
				assert.True(t, ok, "no code for %v", err)
				assert.Equal(t, v.code, code, "code for %v", err)
				assert.ErrorContains(t, err, v.why)
			})
		}
	}
}
