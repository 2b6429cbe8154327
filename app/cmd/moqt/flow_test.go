package main

import (
	"io"
	"sync/atomic"
	"time"

	"github.com/moqtgo/moqt/adapters/memnet"
)

type countingReader struct {
	r io.Reader
	n atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// linkOf returns a link of so many bytes a second; 0 is unlimited.
func linkOf(rate int64) memnet.Link {
	return memnet.Link{Latency: 10 * time.Millisecond, Rate: rate}
}
