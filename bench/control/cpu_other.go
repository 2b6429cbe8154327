//go:build !unix

package control

import (
	"errors"
	"time"
)

func cpuTime() (time.Duration, error) {
	return 0, errors.New("the CPU time of a process cannot be read on this system")
}
