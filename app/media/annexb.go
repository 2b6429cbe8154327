package media

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// H.264 comes from browsers as a stream of bytes (annex B of ISO/IEC 14496-10):
// units between start codes, with the parameter sets in front of key frames. In
// MP4 each unit has its length in front of it, and the parameter sets are in the
// configuration too.

// Types of units.
const (
	nalSPS = 7
	nalPPS = 8
)

// nals returns the units of a byte stream.
func nals(b []byte) [][]byte {
	var units [][]byte
	start := -1
	for i := 0; i+2 < len(b); {
		switch {
		case b[i+2] > 1: // no start code can be here
			i += 3
		case b[i] == 0 && b[i+1] == 0 && b[i+2] == 1:
			if start >= 0 {
				units = appendNAL(units, b[start:i])
			}
			start = i + 3
			i += 3
		default:
			i++
		}
	}
	if start >= 0 {
		units = appendNAL(units, b[start:])
	}
	return units
}

// appendNAL appends a unit without the zeros that may follow it.
func appendNAL(units [][]byte, u []byte) [][]byte {
	for len(u) > 0 && u[len(u)-1] == 0 {
		u = u[:len(u)-1]
	}
	if len(u) == 0 {
		return units
	}
	return append(units, u)
}

// isAnnexB reports whether a sample begins with a start code. The length 1
// cannot be meant: there is no such unit.
func isAnnexB(b []byte) bool {
	return len(b) >= 4 && b[0] == 0 && b[1] == 0 && (b[2] == 1 || b[2] == 0 && b[3] == 1)
}

// withLengths returns a sample with lengths of four bytes for start codes.
func withLengths(b []byte) []byte {
	out := make([]byte, 0, len(b)+16)
	for _, u := range nals(b) {
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(u))), u...)
	}
	return out
}

// avcConfig returns the avcC record for a key frame of a byte stream.
func avcConfig(key []byte) ([]byte, error) {
	var sps, pps [][]byte
	for _, u := range nals(key) {
		switch u[0] & 0x1f {
		case nalSPS:
			sps = append(sps, u)
		case nalPPS:
			pps = append(pps, u)
		}
	}
	if len(sps) == 0 || len(pps) == 0 || len(sps[0]) < 4 {
		return nil, errors.New("media: a key frame without parameter sets")
	}
	if len(sps) > 31 || len(pps) > 255 {
		return nil, fmt.Errorf("media: %d sequence and %d picture parameter sets", len(sps), len(pps))
	}
	config := []byte{1, sps[0][1], sps[0][2], sps[0][3], 0xff, 0xe0 | byte(len(sps))}
	for _, u := range sps {
		config = append(binary.BigEndian.AppendUint16(config, uint16(len(u))), u...)
	}
	config = append(config, byte(len(pps)))
	for _, u := range pps {
		config = append(binary.BigEndian.AppendUint16(config, uint16(len(u))), u...)
	}
	if profile := sps[0][1]; profile == 100 || profile == 110 || profile == 122 || profile == 144 {
		config = append(config, 0xfd, 0xf8, 0xf8, 0) // 4:2:0, eight bits
	}
	return config, nil
}
