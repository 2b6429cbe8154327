// Package sim plays stories in a network in memory and in virtual time: relays,
// publishers and subscribers, and what goes wrong between them. The seed
// decides everything that is left to chance, so a run can be repeated to the
// byte. What never may be is looked for after every event, whatever a story
// expects: see check.go.
//
// docs/simulation.md says how to write a story. Test plays one in a test of
// yours; Run gives a World to a test that has its own servers and clients.
package sim
