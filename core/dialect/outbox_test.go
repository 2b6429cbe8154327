package dialect

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// What waits leaves by rank; messages of one rank keep their order.
func TestRanks(t *testing.T) {
	for _, c := range []struct {
		ranks string // of messages a, b, c ...
		want  string
	}{
		{"", ""}, {"1", "a"}, {"123", "abc"}, {"111", "abc"}, {"321", "cba"}, {"2121", "bdac"}, {"9009", "bcad"},
	} {
		var o Outbox
		for i, r := range c.ranks {
			b := []byte{byte('a' + i)}
			o.queue = append(o.queue, b...)
			o.parts = append(o.parts, part{uint64(r), len(b)})
		}
		assert.Equal(t, c.want, string(o.ordered()), c.ranks)
	}
}
