package sim

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// A Story is a script for a World: one verb a line.
type Story struct {
	Name string
	// Dialects are the combinations that the story is told for; each is one
	// version or several that the clients speak in turn, "moq-lite-04+moqt-18".
	// Empty is all of them.
	Dialects []string
	Lines    []Line
}

// A Line is one verb with what it is said of.
type Line struct {
	Number  int // in the text it was parsed from
	Verb    string
	Args    []string
	Options []Option
	Conds   []Cond // of expect
}

// An Option is a key and its value.
type Option struct{ Key, Value string }

// A Cond is one condition of an expect line.
type Cond struct{ Key, Op, Value string }

// Limits of a story, so that none can ask for the moon by mistake.
const (
	maxLines  = 10_000
	maxLine   = 4096
	maxCopies = 10_000
)

// Parse parses a story. Every mistake that can be seen without playing it is
// an error that names the line.
func Parse(name, text string) (*Story, error) {
	s := &Story{Name: name}
	for i, raw := range strings.Split(text, "\n") {
		if i >= maxLines || len(raw) > maxLine {
			return nil, fmt.Errorf("%s:%d: a story has at most %d lines of %d bytes", name, i+1, maxLines, maxLine)
		}
		l, err := parseLine(raw)
		if err == nil && l == nil {
			continue
		}
		if err == nil && l.Verb == "dialects" {
			if len(s.Lines) > 0 || s.Dialects != nil {
				err = fmt.Errorf("dialects comes once, before every other verb")
			}
			for _, d := range l.Args {
				full, bad := fullDialect(d)
				if err == nil {
					err = bad
				}
				s.Dialects = append(s.Dialects, full)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, i+1, err)
		}
		if l.Verb != "dialects" {
			l.Number = i + 1
			s.Lines = append(s.Lines, *l)
		}
	}
	return s, nil
}

// parseLine returns nil for a line without a verb.
func parseLine(raw string) (*Line, error) {
	words := strings.Fields(raw)
	for i, w := range words {
		if w[0] == '#' {
			words = words[:i]
			break
		}
	}
	if len(words) == 0 {
		return nil, nil
	}
	v := verbs[words[0]]
	if v == nil {
		return nil, fmt.Errorf("unknown verb %q: want one of %s", words[0], strings.Join(slices.Sorted(maps.Keys(verbs)), ", "))
	}
	l := &Line{Verb: words[0]}
	for _, w := range words[1:] {
		if v.conds && len(l.Args) > 0 {
			c, err := parseCond(w)
			if err != nil {
				return nil, err
			}
			l.Conds = append(l.Conds, c)
			continue
		}
		key, value, option := strings.Cut(w, "=")
		if !option {
			if len(l.Options) > 0 {
				return nil, fmt.Errorf("%q after an option", w)
			}
			l.Args = append(l.Args, w)
			continue
		}
		kind, known := v.options[key]
		if !known {
			return nil, fmt.Errorf("%s has no option %q: usage: %s %s", l.Verb, key, l.Verb, v.usage)
		}
		if slices.ContainsFunc(l.Options, func(o Option) bool { return o.Key == key }) {
			return nil, fmt.Errorf("%s was given twice", key)
		}
		if err := kind.check(value); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		l.Options = append(l.Options, Option{key, value})
	}
	if len(l.Args) < v.least || v.most >= 0 && len(l.Args) > v.most || v.conds && len(l.Conds) == 0 {
		return nil, fmt.Errorf("usage: %s %s", l.Verb, v.usage)
	}
	for i, a := range l.Args {
		if i >= len(v.kinds) && len(v.kinds) == 0 {
			break
		}
		if err := v.kinds[min(i, len(v.kinds)-1)].check(a); err != nil {
			return nil, fmt.Errorf("%q: %w", a, err)
		}
	}
	return l, nil
}

var ops = []string{">=", "<=", "!=", "=", "<", ">"}

func parseCond(w string) (Cond, error) {
	at := strings.IndexAny(w, "<>!=")
	if at > 0 {
		for _, op := range ops {
			if strings.HasPrefix(w[at:], op) {
				return Cond{w[:at], op, w[at+len(op):]}, nil
			}
		}
	}
	return Cond{}, fmt.Errorf("%q is no condition: want KEY=VALUE, or one of != < > <= >=", w)
}

// String returns the line as Parse reads it.
func (l Line) String() string {
	words := append([]string{l.Verb}, l.Args...)
	for _, o := range l.Options {
		words = append(words, o.Key+"="+o.Value)
	}
	for _, c := range l.Conds {
		words = append(words, c.Key+c.Op+c.Value)
	}
	return strings.Join(words, " ")
}

// String returns the story as Parse reads it, without its comments.
func (s *Story) String() string {
	var b strings.Builder
	if len(s.Dialects) > 0 {
		fmt.Fprintf(&b, "dialects %s\n", strings.Join(s.Dialects, " "))
	}
	for _, l := range s.Lines {
		fmt.Fprintln(&b, l)
	}
	return b.String()
}

func (l *Line) option(key string) (string, bool) {
	for _, o := range l.Options {
		if o.Key == key {
			return o.Value, true
		}
	}
	return "", false
}

// names expands NAME*N to NAME1 … NAMEN.
func names(pattern string) []string {
	base, n, many := strings.Cut(pattern, "*")
	if !many {
		return []string{pattern}
	}
	count, _ := count.number(n)
	all := make([]string, 0, int(count))
	for i := range int(count) {
		all = append(all, fmt.Sprintf("%s%d", base, i+1))
	}
	return all
}

// matches reports whether a pattern with * in it, or a name, covers name.
func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

// Mixes returns the combinations of versions that the story is told for.
func (s *Story) Mixes() []string {
	if len(s.Dialects) > 0 {
		return s.Dialects
	}
	return slices.Concat(Dialects, Mixes)
}
