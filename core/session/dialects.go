package session

import (
	"slices"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/ietf"
	"github.com/moqtgo/moqt/core/lite"
)

// dialects are the wire families that we speak, the preferred one first.
var dialects = []dialect.Dialect{lite.Dialect{}, ietf.Dialect{}}

// A choice is a row of a dialect.
type choice struct {
	dialect dialect.Dialect
	row     dialect.Row
}

// choices returns the rows with the tokens given, in that order; all for nil.
func choices(versions []string) []choice {
	var all []choice
	for _, d := range dialects {
		for _, row := range d.Rows() {
			all = append(all, choice{d, row})
		}
	}
	if versions == nil {
		return all
	}
	var some []choice
	for _, v := range versions {
		if i := slices.IndexFunc(all, func(c choice) bool { return c.row.Token == v }); i >= 0 {
			some = append(some, all[i])
		}
	}
	return some
}

// Protocols returns the tokens of the versions given that we speak, in that
// order; all that we speak for nil. They are ALPNs and WebTransport
// subprotocols.
func Protocols(versions []string) []string {
	var tokens []string
	for _, c := range choices(versions) {
		tokens = append(tokens, c.row.Token)
	}
	return tokens
}
