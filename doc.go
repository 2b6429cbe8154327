// Package moqtgo is the root of a Media over QUIC stack and holds no code.
//
// Programs import [github.com/moqtgo/moqt/app/moqt]. The picture of the whole
// is in DESIGN.md; law_test.go keeps the packages to it.
package moqtgo
