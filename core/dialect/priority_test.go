package dialect

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/core/moq"
)

func TestUrgency(t *testing.T) {
	for _, c := range []struct {
		level  uint8
		order  moq.Order
		newest bool
		want   uint8
	}{
		{0, moq.Descending, true, 4},
		{0, moq.Descending, false, 5},
		{0, moq.Ascending, true, 4},
		{0, moq.Ascending, false, 4},
		{1, moq.Descending, true, 5},
		{2, moq.Descending, true, 6},
		{2, moq.Descending, false, 7},
		{2, moq.Ascending, false, 6},
		{200, moq.Descending, false, 7},
	} {
		require.Equal(t, c.want, urgency(c.level, c.order, c.newest), "%+v", c)
	}
}

func TestLevels(t *testing.T) {
	type p = [2]uint8
	for _, c := range []struct {
		prios []p
		want  []uint8
	}{
		{nil, []uint8{}},
		{[]p{{1, 1}}, []uint8{0}},
		{[]p{{1, 1}, {9, 0}, {1, 1}}, []uint8{1, 0, 1}},
		{[]p{{5, 1}, {5, 2}, {5, 3}, {5, 0}}, []uint8{2, 1, 0, 2}},
		{[]p{{0, 255}, {255, 0}}, []uint8{1, 0}},
	} {
		require.Equal(t, c.want, levels(c.prios), "%v", c.prios)
	}
}

func TestBefore(t *testing.T) {
	require.Negative(t, before(moq.Descending, 2, 1))
	require.Positive(t, before(moq.Descending, 1, 2))
	require.Negative(t, before(moq.Ascending, 1, 2))
	require.Zero(t, before(moq.Ascending, 2, 2))
	require.Negative(t, before(moq.Descending, 1<<63, 1), "no overflow")
}
