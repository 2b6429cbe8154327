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
}

func (v *badVector) in(p *Profile) bool { return strings.Contains(v.drafts, draftOf(p)) }

var (
	anyMessage  = &requestsBlocked{}
	anySubgroup = &subgroupStream{}
	anyFetch    = &fetchStream{}
	anyDatagram = &objectDatagram{}
)

var badVectors = []badVector{
	{"unknown stream type", "14 16 18 19 20", anySubgroup, "04", CodeProtocolViolation},
	{"subgroup mode 11", "18 19 20", anySubgroup, "56 00 00 00", CodeProtocolViolation},
	{"a type that has two bytes here", "14 16", anySubgroup, "50 00 00 00 00", CodeProtocolViolation},
	{"default priority", "14", anySubgroup, "30 00 00", CodeProtocolViolation},
	{"padding", "14 16", anySubgroup, "932b3e28 00", CodeProtocolViolation},
	{"SETUP on a stream of its own", "14 16", anySubgroup, "6f00 0000", CodeProtocolViolation},
	{"object id overflow", "18 19 20", anySubgroup, "10 00 00 80 ffffffffffffffffff 01 61 00 01 61", CodeProtocolViolation},
	{"object id overflow by delta", "18 19 20", anySubgroup, "10 00 00 80 01 01 61 ffffffffffffffffff 01 61", CodeProtocolViolation},
	{"object status 1", "16 18 19 20", anySubgroup, "10 00 00 80 00 00 01", CodeProtocolViolation},
	{"object status 2", "14 16 18 19 20", anySubgroup, "10 00 00 80 00 00 02", CodeProtocolViolation},
	{"properties of a status", "16 18 19 20", anySubgroup, "11 00 00 80 00 02 10 05 00 03", CodeProtocolViolation},
	{"properties of a missing object", "14", anySubgroup, "11 00 00 80 00 02 10 05 00 01", CodeProtocolViolation},
	{"properties above their limit", "18 19 20", anySubgroup, "11 00 00 80 00 ffffffffffffffffff", CodeProtocolViolation},
	{"property cut off", "14 16 18 19 20", anySubgroup, "11 00 00 80 00 02 0b 05 01 61", CodeProtocolViolation},
	{"FIN inside an object", "14 16 18 19 20", anySubgroup, "10 00 00 80 00 04 61", CodeProtocolViolation},

	{"first object without ids", "16 18 19 20", anyFetch, "05 04 04", CodeProtocolViolation},
	{"first object without priority", "16 18 19 20", anyFetch, "05 04 0c 00 00 01 61", CodeProtocolViolation},
	{"first object with the prior subgroup", "16 18 19 20", anyFetch, "05 04 1d 00 00 80 01 61", CodeProtocolViolation},
	{"first object with the prior subgroup plus one", "16 18 19 20", anyFetch, "05 04 1e 00 00 80 01 61", CodeProtocolViolation},
	{"priority of none before a marker", "18 19 20", anyFetch, "05 04 808c 00 05 00 01 61", CodeProtocolViolation},
	{"subgroup of a datagram", "18 19 20", anyFetch, "05 04 5c 00 00 80 01 61 01 01 61", CodeProtocolViolation},
	{"flags 128", "18 19 20", anyFetch, "05 04 8080", CodeProtocolViolation},
	{"flags 128", "16", anyFetch, "05 04 4080", CodeProtocolViolation},
	{"timed-out range", "18 19", anyFetch, "05 04 820c 00 00", CodeProtocolViolation},
	{"group id overflow", "18 19 20", anyFetch, "05 04 1c ffffffffffffffffff 00 80 01 61 0c 00 00 01 61", CodeProtocolViolation},
	{"group id overflow by delta", "18 19 20", anyFetch, "05 04 1c 05 00 80 01 61 0c ffffffffffffffffff 00 01 61", CodeProtocolViolation},
	{"fetch object id overflow", "18 19 20", anyFetch, "05 04 1c 00 ffffffffffffffffff 80 01 61 00 01 61", CodeProtocolViolation},
	{"fetch object id overflow by delta", "18 19 20", anyFetch, "05 04 1c 00 05 80 01 61 04 ffffffffffffffffff 01 61", CodeProtocolViolation},
	{"subgroup id overflow", "18 19 20", anyFetch, "05 04 1f 00 ffffffffffffffffff 00 80 01 61 02 01 61", CodeProtocolViolation},

	{"end of group and status", "14 16 18 19 20", anyDatagram, "22 00 00 00 80 03", CodeProtocolViolation},
	{"datagram type 0x10", "14 16 18 19 20", anyDatagram, "10 00 00 00 80", CodeProtocolViolation},
	{"default priority", "14", anyDatagram, "08 00 00 00", CodeProtocolViolation},
	{"no properties", "14 16 18 19 20", anyDatagram, "01 00 05 02 80 00", CodeProtocolViolation},
	{"status 2", "14 16 18 19 20", anyDatagram, "20 00 05 02 80 02", CodeProtocolViolation},
	{"bytes behind a status", "14 16 18 19 20", anyDatagram, "20 00 05 02 80 03 00", CodeProtocolViolation},
	{"properties of a status", "16 18 19 20", anyDatagram, "21 00 05 02 80 02 10 05 03", CodeProtocolViolation},
	{"padding", "14 16", anyDatagram, "932b3e29", CodeProtocolViolation},
	{"empty", "14 16 18 19 20", anyDatagram, "", CodeProtocolViolation},

	{"option cut off", "18 19 20", anyMessage, "af00 0002 0702", CodeProtocolViolation},
	{"option twice", "18 19 20", anyMessage, "af00 0006 0701610001 62", CodeProtocolViolation},
	{"option type above 64 bits", "18 19 20", anyMessage, "af00 000c 0200 ffffffffffffffffff 00", CodeProtocolViolation},
	{"token that uses an alias in a set-up", "18 19 20", anyMessage, "af00 0004 03020205", CodeProtocolViolation},
	{"token that deletes an alias in a set-up", "16", anyMessage, "20 0005 01 03020005", CodeProtocolViolation},
	{"token that cannot be read", "18 19 20", anyMessage, "af00 0003 030104", CodeKeyValueFormattingError},
	{"empty token", "14", anyMessage, "20 0005 01 00 01 0300", CodeKeyValueFormattingError},
	{"unknown message", "14 16 18 19 20", anyMessage, "3f 0000", CodeProtocolViolation},
	{"SUBSCRIBE_TRACKS", "14 16", anyMessage, "4051 0003 00 00 00", CodeProtocolViolation},
	{"a message of 20", "14 16 18 19", anyMessage, "22 0001 00", CodeProtocolViolation},
	{"UNSUBSCRIBE", "18 19 20", anyMessage, "0a 0001 00", CodeProtocolViolation},
	{"PUBLISH_OK", "19 20", anyMessage, "1e 0001 00", CodeProtocolViolation},
	{"bytes left", "18 19 20", anyMessage, "0b 0004 02 00 00 00", CodeProtocolViolation},
	{"fields missing", "18 19 20", anyMessage, "0b 0002 02 00", CodeProtocolViolation},
	{"parameter twice", "18 19 20", anyMessage, "03 000b 00 01 0161 0176 02 2001 0001", CodeProtocolViolation},
	{"parameter twice", "16", anyMessage, "03 000b 00 01 0161 0176 02 2001 0001", CodeProtocolViolation},
	{"unknown parameter 5", "16 18 19 20", anyMessage, "03 000a 00 01 0161 0176 01 05 01 61", CodeProtocolViolation},
	{"parameter without a place", "18 19 20", anyMessage, "03 0009 00 01 0161 0176 01 0a 05", CodeProtocolViolation},
	{"range filter", "16 18", anyMessage, "03 000b 00 01 0161 0176 01 25 02 00 01", CodeProtocolViolation},
	{"more parameters than bytes", "18 19 20", anyMessage, "03 0007 00 01 0161 0176 09", CodeProtocolViolation},
	{"parameter type above 64 bits", "18 19 20", anyMessage, "03 0012 00 01 0161 0176 02 2001 ffffffffffffffffff 00", CodeProtocolViolation},
	{"forward 2", "16 18 19 20", anyMessage, "03 0009 00 01 0161 0176 01 10 02", CodeProtocolViolation},
	{"forward 2", "14", anyMessage, "03 000b 00 01 0161 0176 80 01 02 02 00", CodeProtocolViolation},
	{"group order 0", "16 18 19 20", anyMessage, "03 0009 00 01 0161 0176 01 22 00", CodeProtocolViolation},
	{"group order 3", "14 ", anyMessage, "03 000b 00 01 0161 0176 80 03 01 02 00", CodeProtocolViolation},
	{"group order 0 of an answer", "14", anyMessage, "04 0006 00 00 00 00 00 00", CodeProtocolViolation},
	{"priority 256", "16", anyMessage, "03 000a 00 01 0161 0176 01 20 4100", CodeProtocolViolation},
	{"delivery timeout 0", "16", anyMessage, "03 0009 00 01 0161 0176 01 02 00", CodeProtocolViolation},
	{"filter of type 5", "16 18 19", anyMessage, "03 000a 00 01 0161 0176 01 21 01 05", CodeProtocolViolation},
	{"filter of type 0", "14", anyMessage, "03 000b 00 01 0161 0176 80 01 01 00 00", CodeProtocolViolation},
	{"filter that does not fill its length", "16 18 19", anyMessage, "03 000b 00 01 0161 0176 01 21 02 02 00", CodeProtocolViolation},
	{"filter that exceeds its length", "16 18 19", anyMessage, "03 000b 00 01 0161 0176 01 21 02 03 00", CodeProtocolViolation},
	{"filter of five fields", "20", anyMessage, "03 000e 00 01 0161 0176 01 21 05 01 01 01 01 01", CodeProtocolViolation},
	{"end group above 64 bits", "18 19", anyMessage, "03 0015 00 01 0161 0176 01 21 0c 04 01 00 ffffffffffffffffff", CodeProtocolViolation},
	{"end group above 64 bits", "20", anyMessage, "03 0014 00 01 0161 0176 01 21 0b 01 00 ffffffffffffffffff", CodeProtocolViolation},
	{"parameter of a fill", "20", anyMessage, "03 000c 00 01 0161 0176 01 23 03 01 10 01", CodeProtocolViolation},
	{"token of type 4", "16 18 19 20", anyMessage, "03 000b 00 01 0161 0176 01 03 02 04 00", CodeKeyValueFormattingError},
	{"namespace without fields", "14 16", anyMessage, "06 0003 00 00 00", CodeProtocolViolation},
	{"empty field of a namespace", "16 18 19 20", anyMessage, "06 0004 00 01 00 00", CodeProtocolViolation},
	{"options 3", "16", anyMessage, "11 0006 02 01 0161 03 00", CodeProtocolViolation},
	{"fetch type 4", "16 18 19 20", anyMessage, "16 0005 00 04 00 00 00", CodeProtocolViolation},
	{"fetch type 0", "14", anyMessage, "16 0007 00 80 01 00 00 00 00", CodeProtocolViolation},
	{"end of track 2", "18 19 20", anyMessage, "18 0004 02 00 00 00", CodeProtocolViolation},
	{"reason not UTF-8", "18 19 20", anyMessage, "0b 0004 00 00 01 ff", CodeProtocolViolation},
	{"GOAWAY with a Request ID", "19 20", anyMessage, "10 0003 00 00 00", CodeProtocolViolation},
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
			})
		}
	}
}
