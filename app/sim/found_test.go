package sim

import (
	"strings"
	"testing"
)

// TestFound plays stories that the swarm has found, with the versions that they
// were found with.
func TestFound(t *testing.T) {
	for _, test := range []struct{ name, dialects, story string }{
		{"a broadcast is announced again while it is read", "moqt-14 moqt-16 moqt-18", `
			relay r
			publish p r room video
			subscribe a r room video
			advance 2s
			unannounce p
			reannounce p
			advance 1s
			subscribe b r room video
			advance 10s
			expect b frames>90
			expect a frames>70 age<1s
			expect p readers=1`},
	} {
		t.Run(test.name, func(t *testing.T) {
			Test(t, "dialects "+test.dialects+"\n"+strings.TrimSpace(test.story), nil)
		})
	}
}
