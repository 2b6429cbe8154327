//go:build race

package memnet_test

// raceDetector makes long tests shorter.
const raceDetector = true
