package sim

import (
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moqtgo/moqt/app/moqt"
)

// A kind is what a word of a story may be.
type kind uint8

const (
	word     kind = iota // no further rule
	name                 // of a node
	names_               // a name, or NAME*N for several
	pattern              // a name with * for anything
	place                // a name, or * for every node
	arrow                // NAME, or FROM>TO
	span                 // a time: 250ms
	count                // a number: 0, 30
	bytesize             // a number of bytes: 300, 64k, 2M
	share                // a part of all: 0.05
	yesno                // yes or no
	order                // ascending or descending
	start                // latest, next, largest or a group
	via                  // quic or webtransport
)

func (k kind) check(s string) error {
	bad := func(want string) error { return fmt.Errorf("want %s, not %q", want, s) }
	switch k {
	case name:
		return checkName(s)
	case names_:
		base, n, many := strings.Cut(s, "*")
		if many {
			if c, err := count.number(n); err != nil || c < 1 || c > maxCopies {
				return bad("NAME*N, N up to 10000")
			}
		}
		return checkName(base)
	case pattern:
		if _, err := path.Match(s, "x"); err != nil {
			return bad("a name with * for anything")
		}
		return checkName(strings.ReplaceAll(s, "*", "x"))
	case place:
		if s == "*" {
			return nil
		}
		return checkName(s)
	case arrow:
		from, to, ok := strings.Cut(s, ">")
		if ok {
			return errors.Join(checkName(from), checkName(to))
		}
		return place.check(s)
	case span:
		if d, err := time.ParseDuration(s); err != nil || d < 0 || d > 24*time.Hour {
			return bad("a time up to 24h, such as 250ms")
		}
	case count, bytesize, share:
		_, err := k.number(s)
		return err
	case yesno:
		if s != "yes" && s != "no" {
			return bad("yes or no")
		}
	case order:
		if s != "ascending" && s != "descending" {
			return bad("ascending or descending")
		}
	case start:
		if !slices.Contains([]string{"latest", "next", "largest"}, s) {
			if _, err := count.number(s); err != nil {
				return bad("latest, next, largest or a group")
			}
		}
	case via:
		if s != "quic" && s != "webtransport" {
			return bad("quic or webtransport")
		}
	}
	return nil
}

func checkName(s string) error {
	if s == "" || len(s) > 64 {
		return fmt.Errorf("a name has 1 to 64 letters, digits and -_., not %q", s)
	}
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return fmt.Errorf("a name has letters, digits and -_., not %q", s)
		}
	}
	return nil
}

// number returns the value of a count, a size or a share.
func (k kind) number(s string) (float64, error) {
	digits, unit := s, 1.0
	if k == bytesize {
		switch {
		case strings.HasSuffix(s, "k"):
			digits, unit = s[:len(s)-1], 1<<10
		case strings.HasSuffix(s, "M"):
			digits, unit = s[:len(s)-1], 1<<20
		}
	}
	if k == share {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(f) || f < 0 || f > 1 {
			return 0, fmt.Errorf("want a share from 0 to 1, not %q", s)
		}
		return f, nil
	}
	n, err := strconv.ParseUint(digits, 10, 40)
	if err != nil {
		return 0, fmt.Errorf("want a number, not %q", s)
	}
	return float64(n) * unit, nil
}

// The values of options; parsing has checked them.

func (l *Line) span(key string, otherwise time.Duration) time.Duration {
	if s, ok := l.option(key); ok {
		d, _ := time.ParseDuration(s)
		return d
	}
	return otherwise
}

func (l *Line) number(key string, k kind, otherwise float64) float64 {
	if s, ok := l.option(key); ok {
		n, _ := k.number(s)
		return n
	}
	return otherwise
}

func (l *Line) word(key, otherwise string) string {
	if s, ok := l.option(key); ok {
		return s
	}
	return otherwise
}

// Dialects are the versions that stories are told for, the preferred one first.
var Dialects = []string{
	"moq-lite-05", "moq-lite-04", "moq-lite-03", "moqt-19", "moqt-18", "moqt-16", "moq-00", "moqt-20",
}

// Mixes are the combinations of versions that stories are told for besides.
var Mixes = []string{
	"moq-lite-05+moq-lite-04", "moq-lite-03+moq-lite-05", "moq-lite-05+moqt-18", "moqt-16+moqt-19", "moq-00+moq-lite-04+moqt-20",
}

// ParseDialects spells combinations of versions out: lite-05 is moq-lite-05,
// and moqt-14 is moq-00, whose ALPN it has.
func ParseDialects(mixes []string) ([]string, error) {
	all := make([]string, len(mixes))
	for i, m := range mixes {
		var err error
		if all[i], err = fullDialect(m); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// fullDialect spells a combination out: lite-05 is moq-lite-05, and moqt-14 is
// moq-00, whose ALPN it has.
func fullDialect(mix string) (string, error) {
	all := strings.Split(mix, "+")
	for i, d := range all {
		switch {
		case strings.HasPrefix(d, "lite-"):
			d = "moq-" + d
		case d == "moqt-14":
			d = "moq-00"
		}
		if !slices.Contains(moqt.Versions(), d) {
			return "", fmt.Errorf("%q is no version that is spoken here: those are %s", all[i], strings.Join(moqt.Versions(), ", "))
		}
		all[i] = d
	}
	return strings.Join(all, "+"), nil
}
