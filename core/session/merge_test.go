package session

import (
	"io"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
)

// Groups of several subgroups reach a subscriber of moq-transport as they are,
// and one of moq-lite as one group in the order of object ids.
func TestSubgroups(t *testing.T) {
	for _, from := range drafts {
		for _, to := range slices.Concat(versions, drafts) {
			bubble(t, from+" to "+to, func(t *testing.T, w *world) {
				mux, tw, _ := publish("room/alice", "video")
				track := tw.Track()
				w.dial("publisher", from, mux)
				s := w.dial("watcher", to, nil)
				r := subscribeTo(t, s, aliceVideo, moq.Subscription{})
				w.sleep(time.Second)
				for g := range uint64(3) {
					var ws []*moq.SubgroupWriter
					for id := range uint64(2) {
						sw, err := track.OpenSubgroup(g, moq.SubgroupHeader{ID: id, FirstKnown: true, EndOfGroup: id == 1}, time.Now())
						require.Nil(t, err)
						ws = append(ws, sw)
					}
					for id := range uint64(6) { // even objects in subgroup 0, odd ones in 1
						require.Nil(t, ws[id%2].Append(moq.ObjectHeader{ID: id}, []byte{byte(g), byte(id)}, time.Now()))
						w.sleep(20 * time.Millisecond)
					}
					require.Nil(t, ws[0].Finish(false))
					require.Nil(t, ws[1].Finish(true))
				}
				if slices.Contains(drafts, to) {
					for g := range byte(3) {
						got := map[uint64][]byte{}
						for range 2 {
							sg := nextGroup(t, r)
							require.EqualValues(t, g, sg.Sequence())
							for {
								o, err := sg.ReadObject(t.Context())
								if err == io.EOF {
									break
								}
								require.NoError(t, err)
								got[o.ID] = o.Payload()
							}
						}
						require.Len(t, got, 6)
						for id := range byte(6) {
							require.Equal(t, []byte{g, id}, got[uint64(id)])
						}
					}
					return
				}
				for g := range byte(3) {
					in := nextGroup(t, r)
					require.EqualValues(t, g, in.Sequence())
					for id := range byte(6) {
						f, err := in.ReadFrame(t.Context())
						require.NoError(t, err)
						require.Equal(t, []byte{g, id}, f.Payload)
					}
					_, err := in.ReadFrame(t.Context())
					require.ErrorIs(t, err, io.EOF)
				}
			})
		}
	}
}
