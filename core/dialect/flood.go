package dialect

import (
	"sync"
	"time"

	"github.com/moqtgo/moqt/core/moq"
)

// A Bucket limits how fast a peer may ask for something: Burst at once, Rate a
// second after that.
type Bucket struct {
	Rate, Burst int

	mu    sync.Mutex
	spent float64 // tokens that are missing; more than Burst: owed
	at    time.Time
}

// Take takes one token and returns how long the caller has to wait for it.
func (b *Bucket) Take(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.spent > 0 {
		b.spent = max(0, b.spent-now.Sub(b.at).Seconds()*float64(b.Rate))
	}
	b.at = now
	b.spent++
	owed := b.spent - float64(b.Burst)
	if owed <= 0 {
		return 0
	}
	return time.Duration(owed / float64(b.Rate) * float64(time.Second))
}

// Try takes one token if there is one.
func (b *Bucket) Try(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent = max(0, b.spent-now.Sub(b.at).Seconds()*float64(b.Rate))
	b.at = now
	if b.spent+1 > float64(b.Burst) {
		return false
	}
	b.spent++
	return true
}

// A Churn finds peers that begin things only to abort them.
type Churn struct {
	Limit int // aborted a second

	mu             sync.Mutex
	since          time.Time
	ended, aborted int
}

// Ended notes the end of one thing. It reports whether the peer has aborted
// too many: more than Limit and more than half of them, within a second.
func (c *Churn) Ended(aborted bool, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.since) >= time.Second {
		c.since, c.ended, c.aborted = now, 0, 0
	}
	c.ended++
	if aborted {
		c.aborted++
	}
	return c.aborted > c.Limit && 2*c.aborted > c.ended
}

// Check is Ended, with an error for the session of who has aborted too many.
func (c *Churn) Check(aborted bool, now time.Time) error {
	if c.Ended(aborted, now) {
		return moq.Errorf(moq.CodeTooMany, "more than %d streams aborted in a second", c.Limit)
	}
	return nil
}
