package adversary

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Row 40: a path that looks like a line of the log, and one that clears the
// screen of who reads it, stay inside their own line.
func TestLogInjection(t *testing.T) {
	attack(t, nil, func(a *arena) {
		a.log.take()
		paths := []string{"/a\nlevel=ERROR msg=forged", "/\x1b[2J", "/\r\n\r\n", "/\u2028x"}
		for _, path := range paths {
			e := a.connect("evil", lite05, nil)
			require.NotNil(a, e)
			body := append([]byte{1, 2, byte(len(path))}, path...)
			e.uni(append([]byte{1, byte(len(body))}, body...))
			a.pass(latency)
			require.NoError(a, e.Context().Err(), "names are opaque")
			e.leave()
		}
		a.pass(latency)
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
