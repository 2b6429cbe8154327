package moq

import (
	"strings"
	"sync/atomic"
)

// A Loss is a way in which something of a track does not cross from one
// version of a protocol to another.
type Loss uint8

const (
	LossSubgroup  Loss = iota // a subgroup came inside of its group
	LossNumber                // an object had another id
	LossStatus                // an object that only carries a status was left out
	LossProperty              // properties were left out
	LossTimestamp             // a timestamp was left out, or made up
	LossDatagram              // a datagram came on a stream, or not at all
	LossRange                 // a number was too large: the rest of a stream was left out
	LossStart                 // a group whose start is not there was left out
	LossTrack                 // a track was refused: it has a property that must be understood
	LossName                  // a track or broadcast was left out: its name cannot be written
	numLosses
)

var lossText = [numLosses]string{
	"subgroup", "number", "status", "property", "timestamp", "datagram", "range", "start", "track", "name",
}

func (l Loss) String() string { return lossText[l] }

// Losses is a set of them.
type Losses uint16

// Of returns the set of one loss.
func (l Loss) Of() Losses { return 1 << l }

// Has reports whether the set has l.
func (s Losses) Has(l Loss) bool { return s&l.Of() != 0 }

func (s Losses) String() string {
	var names []string
	for l := range numLosses {
		if s.Has(l) {
			names = append(names, l.String())
		}
	}
	return strings.Join(names, "+")
}

// LossCounts count losses, each once for every subscriber and object,
// subgroup, group or track concerned. It is indexed by Loss.
type LossCounts [numLosses]int64

// A LossCounter counts losses. Its methods may be called concurrently.
type LossCounter struct{ n [numLosses]atomic.Int64 }

// Count counts every loss of s once.
func (c *LossCounter) Count(s Losses) {
	if s == 0 {
		return
	}
	for l := range c.n {
		if s.Has(Loss(l)) {
			c.n[l].Add(1)
		}
	}
}

// Counts returns the figures of now.
func (c *LossCounter) Counts() (n LossCounts) {
	for l := range n {
		n[l] = c.n[l].Load()
	}
	return n
}
