package quicgo

import "context"

// A Turn lets one caller in at a time, like a mutex that honours a context.
type Turn chan struct{}

// NewTurn returns a Turn that nobody has taken.
func NewTurn() Turn { return make(Turn, 1) }

// Take waits for the turn, or returns the error of ctx.
func (t Turn) Take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	default:
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Pass gives the turn back.
func (t Turn) Pass() { <-t }
