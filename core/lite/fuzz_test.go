package lite

import (
	"bytes"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/wire/wiretest"
)

// kinds says which message is the i-th that one side sends on a kind of
// stream, behind the stream's type: the opener, or the other side (reply).
type kinds func(p *Profile, reply bool, i int) message

func once(m message, i int) message {
	if i > 0 {
		return nil
	}
	return m
}

func announceKinds(p *Profile, reply bool, i int) message {
	switch {
	case !reply:
		return once(&announceRequest{}, i)
	case i == 0 && p.AnnounceInit:
		return &announceInit{}
	case i == 0 && p.AnnounceOK:
		return &announceOK{}
	}
	return &announce{}
}

func subscribeKinds(_ *Profile, reply bool, i int) message {
	switch {
	case reply:
		return &subscribeOK{} // or any other response
	case i == 0:
		return &subscribe{}
	}
	return &subscribeUpdate{}
}

func trackKinds(_ *Profile, reply bool, i int) message {
	if reply {
		return once(&trackInfo{}, i)
	}
	return once(&track{}, i)
}

func inBandKinds(_ *Profile, reply bool, i int) message {
	switch {
	case i > 0:
		return &sessionInfo{}
	case reply:
		return &serverSetup{}
	}
	return &clientSetup{}
}

func FuzzAnnounceStream(f *testing.F)  { fuzzStream(f, announceKinds) }
func FuzzSubscribeStream(f *testing.F) { fuzzStream(f, subscribeKinds) }
func FuzzTrackStream(f *testing.F)     { fuzzStream(f, trackKinds) }
func FuzzInBandStream(f *testing.F)    { fuzzStream(f, inBandKinds) }

func FuzzFetchStream(f *testing.F) {
	fuzzStream(f, func(_ *Profile, _ bool, i int) message { return once(&fetch{}, i) })
}

func FuzzProbeStream(f *testing.F) {
	fuzzStream(f, func(*Profile, bool, int) message { return &probe{} })
}

func FuzzGoawayStream(f *testing.F) {
	fuzzStream(f, func(_ *Profile, _ bool, i int) message { return once(&goaway{}, i) })
}

func FuzzSetupStream(f *testing.F) {
	fuzzStream(f, func(_ *Profile, _ bool, i int) message { return once(&setup{}, i) })
}

func FuzzDatagram(f *testing.F) {
	fuzzStream(f, func(_ *Profile, _ bool, i int) message { return once(&datagram{}, i) })
}

// fuzzStream decodes one side of a stream, and every message of it again after
// encoding it.
func fuzzStream(f *testing.F, next kinds) {
	for i, p := range Profiles {
		for _, reply := range []bool{false, true} {
			for _, seed := range seeds(f, p, reply, next) {
				f.Add(uint8(i), reply, seed)
			}
		}
	}
	f.Fuzz(func(t *testing.T, draft uint8, reply bool, data []byte) {
		p := Profiles[int(draft)%len(Profiles)]
		var all []message
		var err error
		wiretest.CheckAllocation(t, 2*len(data)+64<<10, func() { all, err = receiveMessages(p, data, reply, next) })
		if err != nil && err != io.EOF {
			_, ok := decodeCode(err)
			require.True(t, ok, "no code for %v", err)
		}
		for i, m := range all {
			again, err := receiveMessage(streamOf(m.append(nil, p)), p, next(p, reply, i))
			require.NoError(t, err)
			require.Equal(t, m, again)
		}
	})
}

// receiveMessages reads what one side may send, 64 messages at most, or fewer
// and what comes after them.
func receiveMessages(p *Profile, data []byte, reply bool, next kinds) (all []message, err error) {
	s := streamOf(data)
	for i := range 64 {
		kind := next(p, reply, i)
		if kind == nil {
			break
		}
		m, err := receiveMessage(s, p, kind)
		if err != nil {
			return all, err
		}
		all = append(all, m)
	}
	return all, nil
}

// seeds are the vectors that one side may send as its first or second message.
func seeds(f *testing.F, p *Profile, reply bool, next kinds) (seeds [][]byte) {
	var before []byte
	for i := range 2 {
		kind := next(p, reply, i)
		if kind == nil {
			break
		}
		for _, v := range append(vectors, looseVectors...) {
			for name := range strings.FieldsSeq(v.drafts) {
				if profileOf(name) == p && sameKind(kind, v.m) {
					seeds = append(seeds, append(bytes.Clone(before), unhex(f, v.hex)...))
				}
			}
		}
		before = kind.append(nil, p)
	}
	for _, v := range badVectors {
		if kind := next(p, reply, 0); kind != nil && sameKind(kind, v.m) {
			seeds = append(seeds, unhex(f, v.hex))
		}
	}
	return seeds
}

func sameKind(a, b message) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) || isResponse(a) && isResponse(b)
}

func isResponse(m message) bool {
	switch m.(type) {
	case *subscribeOK, *subscribeStart, *subscribeEnd, *subscribeDrop:
		return true
	}
	return false
}

// FuzzGroupStream is also what comes back on a Fetch stream, behind a GROUP.
func FuzzGroupStream(f *testing.F) {
	for i := range Profiles {
		for _, v := range frameVectors {
			f.Add(uint8(i), unhex(f, "02 05 00"+v.hex))
		}
		f.Add(uint8(i), unhex(f, "03 4040 29 ffffffffffffffff ffffffffffffffff"))
	}
	f.Fuzz(func(t *testing.T, draft uint8, data []byte) {
		p := Profiles[int(draft)%len(Profiles)]
		wiretest.CheckAllocation(t, 2*len(data)+64<<10, func() { skipGroup(data, p) })

		s := streamOf(data)
		group, err := readGroupHeader(s, p)
		if err != nil {
			_, ok := decodeCode(err)
			require.True(t, ok, "no code for %v", err)
			return
		}
		frames, err := groupFrames(s, p)
		if err != nil {
			require.Equal(t, io.ErrUnexpectedEOF, err)
		}
		s = streamOf(appendGroup(group.append(nil, p), p, frames))
		groupAgain, err := readGroupHeader(s, p)
		require.NoError(t, err)
		require.Equal(t, group, groupAgain)
		framesAgain, err := groupFrames(s, p)
		require.NoError(t, err)
		require.Equal(t, frames, framesAgain)
	})
}

// skipGroup reads a group without keeping payloads.
func skipGroup(data []byte, p *Profile) {
	s := streamOf(data)
	if _, err := readGroupHeader(s, p); err != nil {
		return
	}
	var payload [256]byte
	for {
		h, err := readFrameHeader(s, p)
		if err != nil {
			return
		}
		for h.Size > 0 {
			n, err := s.Read(payload[:min(h.Size, uint64(len(payload)))])
			h.Size -= uint64(n)
			if err != nil {
				return
			}
		}
	}
}
