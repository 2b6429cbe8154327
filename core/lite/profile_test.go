package lite

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestProfiles(t *testing.T) {
	var tokens []string
	for _, p := range Profiles {
		tokens = append(tokens, p.Token)
		assert.Equal(t, p.InBandSetup, p.Code != 0, "%s: a code is for the set-up in band", p.Token)
		assert.False(t, p.InBandSetup && p.SetupOnUni, "%s: two kinds of set-up", p.Token)
		assert.False(t, p.AnnounceInit && p.AnnounceOK, "%s: two first replies", p.Token)
		assert.Equal(t, p.AnnounceOK, p.Hops == HopsWithoutSender, "%s: ANNOUNCE_OK has the last hop", p.Token)
		assert.Equal(t, p.TrackStream, p.Timestamps, "%s: TRACK_INFO has the timescale", p.Token)
		assert.False(t, p.StartEnd && !p.TypedResponses, "%s: START and END have a type", p.Token)
		assert.False(t, p.ProbeRTT && !p.Probe, "%s: no PROBE to hold a round-trip time", p.Token)
	}
	assert.Equal(t, []string{"moq-lite-05", "moq-lite-04", "moq-lite-03", "moql"}, tokens)
}
