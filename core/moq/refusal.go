package moq

import (
	"fmt"
	"strings"
	"time"
)

// A RefusalError is what a peer says of a request beside why it refuses it. It is the
// cause of the Error: find it with errors.As. moq-transport has it, from 16 on.
type RefusalError struct {
	// Retry says that the request may be made again, and After how much later.
	Retry bool
	After time.Duration
	// Redirect says where the request may be made instead; nil: nowhere.
	Redirect *Redirect
}

// A Redirect is where else a request may succeed. Nobody follows it unasked:
// whether URI is to be trusted is the caller's to decide.
type Redirect struct {
	URI string // empty: the session at hand
	// Name is what to ask for there. The zero value is what was asked for.
	Name FullTrackName
}

func (r *RefusalError) Error() string {
	var says []string
	if r.Retry {
		says = append(says, fmt.Sprintf("to be tried again after %v", r.After))
	}
	if to := r.Redirect; to != nil {
		says = append(says, fmt.Sprintf("redirected to %q, %q", to.URI, to.Name.String()))
	}
	return strings.Join(says, ", ")
}
