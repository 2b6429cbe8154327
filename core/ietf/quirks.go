package ietf

import "slices"

// A quirk makes a peer understand us, and us it, where it differs from the
// draft. Peers are told by MOQT_IMPLEMENTATION; no other part of the session
// knows who they are.
type quirk struct {
	peer  string              // MOQT_IMPLEMENTATION
	seen  string              // the version that was tried or read
	in    func(*Profile) bool // the drafts concerned
	apply func(*Profile)      // changes a copy of the row
}

var quirks = []quirk{
	// It puts a length in front of every parameter of an odd type and expects
	// one: LARGEST_OBJECT, INCLUDE_PROPERTIES.
	{
		peer: "moq-lite-js", seen: "@moq/net 0.3.4",
		in:    func(p *Profile) bool { return p.TypedParams },
		apply: func(p *Profile) { p.OddLengths = true },
	},
	// Its older versions, which @moq/watch 0.4.6 and @moq/publish 0.2.17 bring,
	// call themselves the same and write numbers of one byte as varints.
	{
		peer: "moq-lite-js", seen: "@moq/net 0.1.9, 0.2.8",
		in:    func(p *Profile) bool { return p.TypedParams },
		apply: func(p *Profile) { p.VarintBytes = true },
	},
	// The oldest says GROUP_ORDER in SUBSCRIBE_OK.
	{
		peer: "moq-lite-js", seen: "@moq/net 0.1.9",
		in:    func(p *Profile) bool { return p.TypedParams },
		apply: func(p *Profile) { p.MisplacedParams = true },
	},
	// It never reads PUBLISH_DONE, and does not see the FIN behind unread bytes.
	{
		peer: "moq-lite-js", seen: "@moq/net 0.3.4",
		in:    func(p *Profile) bool { return p.RequestStreams },
		apply: func(p *Profile) { p.SilentDone = true },
	},
	// It reads no Request ID in GOAWAY and fails on the bytes left over.
	{
		peer: "moq-lite-js", seen: "@moq/net 0.3.4",
		in:    func(p *Profile) bool { return p.GoawayID },
		apply: func(p *Profile) { p.GoawayID = false },
	},
	// They start with the current group's first object whatever is asked for,
	// and number the groups of each broadcast from 0, whoever had the name before.
	{
		peer: "moq-lite-js", seen: "@moq/net 0.3.4",
		in:    func(*Profile) bool { return true },
		apply: func(p *Profile) { p.Replays, p.Broadcasts = true, true },
	},
	{
		peer: "moq-lite-rs", seen: "moq-net at c867f208",
		in:    func(*Profile) bool { return true },
		apply: func(p *Profile) { p.Replays, p.Broadcasts = true, true },
	},
	{
		peer: implementation, seen: "all versions",
		in:    func(*Profile) bool { return true },
		apply: func(p *Profile) { p.Replays = true },
	},
	{
		peer: ourRelay, seen: "all versions",
		in:    func(*Profile) bool { return true },
		apply: func(p *Profile) { p.Replays = true },
	},
	// It subscribes to a broadcast that is published anew while its subscription
	// of the one before still stands.
	{
		peer: "moq-lite-js", seen: "@moq/net 0.3.4",
		in:    func(p *Profile) bool { return !p.MultiSubscription },
		apply: func(p *Profile) { p.MultiSubscription = true },
	},
	// It gives up a subscription whose SUBSCRIBE_OK has a LARGEST_OBJECT. Later
	// versions do not, but call themselves the same.
	{
		peer: "moq-lite-rs", seen: "moq-net at c867f208",
		in:    func(p *Profile) bool { return p.TypedParams },
		apply: func(p *Profile) { p.HideLargest = true },
	},
}

// towards returns the row for a peer: p itself unless there are quirks.
func (p *Profile) towards(implementation string) *Profile {
	applies := func(q quirk) bool { return q.peer == implementation && q.in(p) }
	if !slices.ContainsFunc(quirks, applies) {
		return p
	}
	row := *p
	for _, q := range quirks {
		if applies(q) {
			q.apply(&row)
		}
	}
	return &row
}
