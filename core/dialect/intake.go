package dialect

import (
	"context"
	"sync"
	"time"
)

// An Intake is the gate of a session: how fast its peer may ask, how many
// requests may wait for their first message, and how much of what it begins it
// may abort.
type Intake struct {
	halves chan struct{} // one for each stream without its first message
	rate   Bucket
	churn  Churn
}

// NewIntake returns the gate that l allows.
func NewIntake(l *Limits) *Intake {
	return &Intake{
		halves: make(chan struct{}, l.Requests),
		rate:   Bucket{Rate: l.RequestRate, Burst: l.RequestBurst},
		churn:  Churn{Limit: l.Resets},
	}
}

// Enter waits until one more stream may be accepted; those beyond wait in the
// transport. false says that ctx has ended; after true call the function that
// it returns once, when the stream's first message is in or will not come.
func (in *Intake) Enter(ctx context.Context) (begun func(), ok bool) {
	select {
	case in.halves <- struct{}{}:
		return sync.OnceFunc(func() { <-in.halves }), true
	case <-ctx.Done():
		return nil, false
	}
}

// Pace holds back a peer that asks too fast: call it for each request and
// update. false says that ctx has ended.
func (in *Intake) Pace(ctx context.Context) bool {
	wait := in.rate.Take(time.Now())
	if wait <= 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// youth is how soon after its beginning a request must be aborted to count as
// churn: later it is one that has been of use.
const youth = time.Second

// Ended notes that a request has ended which began at start, and whether the
// peer has aborted it. The error is for the session: see Churn.Check.
func (in *Intake) Ended(start time.Time, aborted bool) error {
	now := time.Now()
	return in.churn.Check(aborted && now.Sub(start) < youth, now)
}
