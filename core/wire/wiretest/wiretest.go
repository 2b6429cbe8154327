// Package wiretest is what the tests of decoders share.
package wiretest

import "runtime"

// T is what CheckAllocation needs of a *testing.T.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
}

// CheckAllocation fails where f allocates more than most bytes. The whole process
// is counted, so f is run again, up to five times: the least is what it takes.
func CheckAllocation(t T, most int, f func()) {
	t.Helper()
	var got uint64
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		if got = after.TotalAlloc - before.TotalAlloc; got <= uint64(most) {
			return
		}
	}
	t.Fatalf("%d bytes allocated, of %d", got, most)
}
