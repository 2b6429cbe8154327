package interop

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Our relay passes every case, in every draft and on both transports.
func TestRelay(t *testing.T) {
	forEach(t, func(w *world, url, version string) {
		w.serve(nil)
		ok, out := w.play(w.runner(url, version), ids()...)
		require.True(w, ok, out)
		require.Equal(w, len(Cases()), strings.Count(out, "\nok "), out)
		require.Equal(w, len(Cases()), strings.Count(out, "draft: \""+Draft(version)+"\""), out)
		require.NotContains(w, out, "SKIP")
	})
}
