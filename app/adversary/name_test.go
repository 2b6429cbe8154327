package adversary

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Row 40: a path that looks like a line of the log, and one that clears the
// screen of who reads it, stay inside their own line.
func TestLogInjection(t *testing.T) {
	eachFamily(t, nil, func(a *arena, v string) {
		a.log.take()
		paths := []string{"/a\nlevel=ERROR msg=forged", "/\x1b[2J", "/\r\n\r\n", "/\u2028x"}
		for _, path := range paths {
			a.evilAt("evil", v, path).leave()
		}
		a.pass(latency)
		a.within(budget{heap: mib, goroutines: 20})
		log := a.log.take()
		lines := strings.Split(strings.TrimSuffix(log, "\n"), "\n")
		require.Len(a, lines, 2*len(paths), "accepted and ended: %s", log)
		require.Contains(a, log, "forged")
		for _, line := range lines {
			require.True(a, strings.HasPrefix(line, "time="), "%q", line)
			require.NotContains(a, line, "\x1b")
			require.NotContains(a, line, "\r")
		}
	})
}
