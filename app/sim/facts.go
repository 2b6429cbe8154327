package sim

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A fact is one thing that can be said of an actor, and that a story can
// expect.
type fact struct {
	key   string
	text  string
	value float64
	kind  factKind
	quiet bool // not in the log: it may be another with another seed
}

type factKind uint8

const (
	isText factKind = iota
	isNumber
	isTime // value is in seconds
)

func text(key, s string) fact { return fact{key: key, text: s} }
func number[T int | int64](key string, n T) fact {
	return fact{key: key, text: fmt.Sprint(n), value: float64(n), kind: isNumber}
}
func span_(key string, d time.Duration) fact {
	return fact{key: key, text: d.String(), value: d.Seconds(), kind: isTime}
}

func yes(key string, is bool) fact {
	if is {
		return text(key, "yes").silent() // the log has what is not as usual
	}
	return text(key, "no")
}

func (f fact) silent() fact {
	f.quiet = true
	return f
}

// describe returns the facts for the log.
func describe(facts []fact) string {
	var words []string
	for _, f := range facts {
		if !f.quiet && f.text != "" && f.text != "0" {
			words = append(words, f.key+"="+f.text)
		}
	}
	return strings.Join(words, " ")
}

// holds reports whether a condition holds, or why it cannot be told.
func (c Cond) holds(facts []fact) (bool, error) {
	for _, f := range facts {
		if f.key != c.Key {
			continue
		}
		if f.kind == isText {
			switch c.Op {
			case "=":
				return f.text == c.Value, nil
			case "!=":
				return f.text != c.Value, nil
			}
			return false, fmt.Errorf("%s is no number", c.Key)
		}
		want, err := strconv.ParseFloat(c.Value, 64)
		if f.kind == isTime {
			var d time.Duration
			d, err = time.ParseDuration(c.Value)
			want = d.Seconds()
		}
		if err != nil {
			return false, fmt.Errorf("%q is nothing that %s could be", c.Value, c.Key)
		}
		switch c.Op {
		case "=":
			return f.value == want, nil
		case "!=":
			return f.value != want, nil
		case "<":
			return f.value < want, nil
		case "<=":
			return f.value <= want, nil
		case ">":
			return f.value > want, nil
		default:
			return f.value >= want, nil
		}
	}
	var keys []string
	for _, f := range facts {
		keys = append(keys, f.key)
	}
	return false, fmt.Errorf("nothing is known of %q: there are %s", c.Key, strings.Join(keys, ", "))
}
