package ietf

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestQuirks(t *testing.T) {
	for _, q := range quirks {
		assert.NotEmpty(t, q.peer)
		assert.NotEmpty(t, q.seen)
	}
	for _, p := range Profiles {
		assert.Same(t, p, p.towards(""), p.Token)
		assert.Same(t, p, p.towards("moq-lite-js-2"), "only the whole name counts")
		js, rs := p.towards("moq-lite-js"), p.towards("moq-lite-rs")
		assert.Equal(t, p.TypedParams, js.OddLengths, p.Token)
		assert.Equal(t, p.TypedParams, js.VarintBytes, p.Token)
		assert.True(t, js.MisplacedParams, p.Token)
		assert.Equal(t, p.RequestStreams, js.SilentDone, p.Token)
		assert.False(t, js.GoawayID, p.Token)
		assert.False(t, js.HideLargest, p.Token)
		assert.True(t, js.MultiSubscription, p.Token)
		assert.Equal(t, p.MultiSubscription, rs.MultiSubscription, p.Token)
		assert.Equal(t, p.TypedParams, rs.HideLargest, p.Token)
		assert.Equal(t, p.GoawayID, rs.GoawayID, p.Token)
		assert.True(t, js.Replays && rs.Replays && p.towards(implementation).Replays, p.Token)
		assert.True(t, js.Broadcasts && rs.Broadcasts && !p.towards(implementation).Broadcasts, p.Token)
		assert.False(t, p.Broadcasts || p.Replays || p.OddLengths || p.VarintBytes || p.HideLargest || p.SilentDone, "%s: the row of the draft was changed", p.Token)
	}
}
