// Package moq holds the nouns of Media over QUIC: tracks of groups of
// subgroups of objects, their cache, and the subscriptions that read them.
//
// The package is passive: a mutex and a wake call, no goroutine, no timer and
// no clock. Whoever appends passes the time; whoever reads is woken after the
// lock is released. Everything that moq-transport carries has a place here;
// moq-lite is the projection in which a group has one subgroup, 0, whose
// objects are numbered without gaps.
package moq
