package moq

import (
	"bytes"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A naiveReader reads like a session does: only when it has been woken, Next
// until there is no more, and then each subgroup until there is no more.
type naiveReader struct {
	t       *rapid.T
	r       *TrackReader
	woken   bool
	start   uint64
	bounded bool // an end or a pause was ever asked for
	got     []any
	cursors []*naiveCursor
	err     error
}

type naiveCursor struct {
	r     *SubgroupReader
	whole int    // objects read
	part  []byte // of the object after them
	done  bool
	err   error
}

func (n *naiveReader) run() {
	n.woken = false
	for n.err == nil {
		sg, dg, err := n.r.Next()
		n.err = err
		if sg == nil && dg == nil {
			break
		}
		if dg != nil {
			require.NotContains(n.t, n.got, any(dg), "a datagram came twice")
			require.Equal(n.t, payload(dg.Sequence(), 1<<20, dg.ID, dg.Size()), dg.Payload())
			n.got = append(n.got, dg)
			continue
		}
		require.NotContains(n.t, n.got, any(sg.Subgroup), "a subgroup came twice")
		n.got = append(n.got, sg.Subgroup)
		n.cursors = append(n.cursors, &naiveCursor{r: sg})
	}
	for _, c := range n.cursors {
		c.read(n.t)
	}
}

func (c *naiveCursor) read(t *rapid.T) {
	for !c.done {
		p, ok, err := c.r.Next()
		if err != nil {
			c.done, c.err = true, err
			return
		}
		if !ok {
			return
		}
		require.EqualValues(t, c.whole, p.ID, "objects come in order, each once")
		require.Equal(t, len(c.part) == 0, p.First)
		if !p.Last {
			at := uint64(len(c.part) + len(p.Data))
			chunkEnd := at == FirstChunk || at > FirstChunk && (at-FirstChunk)%laterChunk == 0
			require.True(t, len(p.Data) >= wakeBytes || chunkEnd, "a piece of %d bytes before %d", len(p.Data), at)
		}
		c.part = append(c.part, p.Data...)
		if p.Last {
			want := payload(c.r.Group(), c.r.ID, p.ID, p.Size())
			require.True(t, bytes.Equal(want, c.part), "bytes of object %d differ", p.ID)
			c.whole, c.part = c.whole+1, nil
		}
	}
}
