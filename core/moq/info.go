package moq

import "time"

// Order is the order in which the groups of a track are wanted.
type Order uint8

const (
	Descending Order = iota // newest first
	Ascending               // oldest first
)

// TrackInfo is what a publisher says of a whole track.
type TrackInfo struct {
	Priority uint8 // 255 first
	Order    Order
	// MaxAge is how long the publisher wants a group that is not the newest
	// to be kept; 0 leaves it to the cache.
	MaxAge time.Duration
	// Timescale is the number of timestamp units a second; 0 where objects
	// carry no timestamps.
	Timescale uint64
	// ObjectTimeout is how long after its first byte an object is still worth
	// sending, SubgroupTimeout how long after its end a subgroup is; 0: always.
	// A subscriber may say so too: the shorter one counts.
	ObjectTimeout, SubgroupTimeout time.Duration
	// Properties are the raw track properties in the order of arrival.
	Properties []Property
}

// From says where a subscription starts. FromNext and FromLargest need to know
// what the newest is: from the cache or from a publisher that says so
// (moq-transport). Without that (moq-lite) they start with what arrives first.
type From uint8

const (
	FromLatest   From = iota // the newest group there is, from its first object
	FromNext                 // the group after the newest
	FromLargest              // the object after the largest
	FromAbsolute             // Subscription.Start
)

// A Subscription is what a subscriber wants of a track. The zero value is the
// live edge from the start of its newest group, newest group first.
type Subscription struct {
	From  From
	Start Location // for FromAbsolute
	// End is the last location wanted; Ends says that there is one.
	End  Location
	Ends bool
	// Paused keeps the subscription without delivering (moq-transport
	// forward state 0).
	Paused   bool
	Priority uint8 // 255 first
	Order    Order
	// MaxLatency is how long a group may be delayed once a newer one exists;
	// then the rest of it is dropped.
	MaxLatency time.Duration
	// ObjectTimeout and SubgroupTimeout are those of TrackInfo, as the
	// subscriber has them (moq-transport).
	ObjectTimeout, SubgroupTimeout time.Duration
}

// Demand is what all readers of a track want together.
type Demand struct {
	Readers int // paused ones included
	Subscription
}

func (d *Demand) add(s Subscription) {
	d.Readers++
	if d.Readers == 1 {
		d.Subscription = s
		return
	}
	d.Paused = d.Paused && s.Paused
	d.Priority = max(d.Priority, s.Priority)
	d.MaxLatency = max(d.MaxLatency, s.MaxLatency)
	d.ObjectTimeout, d.SubgroupTimeout = longer(d.ObjectTimeout, s.ObjectTimeout), longer(d.SubgroupTimeout, s.SubgroupTimeout)
	if s.Order == Descending {
		d.Order = Descending
	}
	switch {
	case s.From == FromAbsolute && d.From == FromAbsolute:
		if s.Start.Compare(d.Start) < 0 {
			d.Start = s.Start
		}
	case s.From == FromAbsolute:
		d.From, d.Start = FromAbsolute, s.Start
	case d.From != FromAbsolute:
		d.From = min(d.From, s.From)
	}
	switch {
	case !s.Ends:
		d.Ends, d.End = false, Location{}
	case d.Ends && s.End.Compare(d.End) > 0:
		d.End = s.End
	}
}

// longer returns the longer one of two timeouts, of which 0 is none.
func longer(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return 0
	}
	return max(a, b)
}

// Timeout returns which of two timeouts counts: the shorter one. 0 is none.
func Timeout(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}
