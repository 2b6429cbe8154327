package interop

import (
	"slices"
	"time"
)

// A Case is one exchange with a relay that must go as the drafts say.
type Case struct {
	// ID is the runner's name of the case, and Aliases are what other clients
	// call it.
	ID      string
	Aliases []string
	// Extra cases are none of the runner's: they are played only when asked
	// for.
	Extra bool
	// Limit bounds the case from the first connection to the last answer.
	Limit time.Duration

	play func(*attempt) error
}

const (
	// setupTime and answerTime bound the steps that the runner bounds.
	setupTime  = 2 * time.Second
	answerTime = 2 * time.Second
	// otherwise is the limit of cases for which the runner names none.
	otherwise = 5 * time.Second
)

var cases = []Case{
	{ID: "setup-only", Limit: setupTime, play: setupOnly},
	{ID: "announce-only", Aliases: []string{"publish-namespace-only"}, Limit: setupTime + answerTime, play: announceOnly},
	{ID: "publish-namespace-done", Limit: setupTime + answerTime + settleTime, play: publishNamespaceDone},
	{ID: "subscribe-error", Limit: setupTime + answerTime, play: subscribeError},
	{ID: "announce-subscribe", Aliases: []string{"publish-namespace-subscribe"}, Limit: 3 * time.Second, play: announceSubscribe},
	{ID: "subscribe-before-announce", Aliases: []string{"subscribe-before-publish-namespace"}, Limit: 3500 * time.Millisecond, play: subscribeBeforeAnnounce},

	{ID: "publish-track-only", Extra: true, Limit: otherwise, play: publishTrackOnly},
	{ID: "publish-track-subscribe", Extra: true, Limit: otherwise, play: publishTrackSubscribe},
	{ID: "subscribe-tracks", Extra: true, Limit: otherwise, play: subscribeTracks},
	{ID: "single-object", Extra: true, Limit: otherwise, play: singleObject},
	{ID: "single-group", Extra: true, Limit: otherwise, play: singleGroup},
	{ID: "multiple-groups", Extra: true, Limit: otherwise, play: multipleGroups},
	{ID: "late-subscriber", Extra: true, Limit: otherwise, play: lateSubscriber},
	{ID: "track-status", Extra: true, Limit: otherwise, play: trackStatus},
	{ID: "subscribe-namespace", Extra: true, Limit: otherwise, play: subscribeNamespace},
	{ID: "fetch", Extra: true, Limit: otherwise, play: fetchGroup},
}

// Cases returns all cases, those of the runner first.
func Cases() []Case { return slices.Clone(cases) }

// Find returns the case with this ID or alias.
func Find(name string) (Case, bool) {
	i := slices.IndexFunc(cases, func(c Case) bool { return c.ID == name || slices.Contains(c.Aliases, name) })
	if i < 0 {
		return Case{}, false
	}
	return cases[i], true
}
