package ietf

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// However many requests overtake one, it is not refused when it comes at last;
// each id counts once.
func TestOvertakenIDs(t *testing.T) {
	require.False(t, Profiles[0].MaxRequestID)
	s := &session{p: Profiles[0], peerIDs: map[uint64]struct{}{}, skipped: map[uint64]struct{}{}}
	const n = 3 * maxAhead
	for id := uint64(10); id < 2*n; id += 2 { // 0 … 8 are late
		require.NoError(t, s.take(id))
	}
	require.Less(t, len(s.peerIDs)+len(s.skipped), maxAhead+10)
	require.NoError(t, s.take(8))
	require.NoError(t, s.take(2))
	require.Error(t, s.take(2), "twice")
	require.Error(t, s.take(12), "twice")
	require.NoError(t, s.take(2*n))
	require.Error(t, s.take(2*n))
	require.Error(t, s.take(2*n+1), "it is ours to draw")

	require.NoError(t, s.take(1<<61)) // far ahead: not all between are remembered
	for id := uint64(1<<61 + 2); len(s.peerIDs) < maxAhead; id += 2 {
		require.NoError(t, s.take(id))
	}
	require.NoError(t, s.take(1<<62))
	require.Len(t, s.skipped, maxAhead)
}
