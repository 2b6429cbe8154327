package moq

import "strings"

// A Path is the tuple of byte fields that names a broadcast (moq-lite) or a
// track namespace (moq-transport). It is comparable; its text form joins the
// fields by "/". Inside a field "/" is written `\/`, `\` is written `\\`, and
// an empty field is written `\e`, so ordinary names read as they are. The
// empty Path has no fields.
//
// Names are opaque: ".", ".." and "%" are ordinary.
type Path string

// PathOf returns the Path of the given fields.
func PathOf(fields ...string) Path {
	if len(fields) == 1 && plain(fields[0]) {
		return Path(fields[0])
	}
	var b strings.Builder
	for i, f := range fields {
		if i > 0 {
			b.WriteByte('/')
		}
		switch {
		case f == "":
			b.WriteString(`\e`)
		case plain(f):
			b.WriteString(f)
		default:
			b.WriteString(escaper.Replace(f))
		}
	}
	return Path(b.String())
}

var escaper = strings.NewReplacer(`\`, `\\`, `/`, `\/`)

func plain(field string) bool { return field != "" && !strings.ContainsAny(field, `/\`) }

// ParsePath returns the Path of a slash-separated name as moq-lite and URLs
// carry it: slashes at both ends are dropped and runs of slashes collapse.
func ParsePath(slashed string) Path {
	if !strings.Contains(slashed, "//") && !strings.ContainsRune(slashed, '\\') {
		return Path(strings.Trim(slashed, "/"))
	}
	fields := strings.FieldsFunc(slashed, func(r rune) bool { return r == '/' })
	return PathOf(fields...)
}

// Fields returns the fields of p.
func (p Path) Fields() []string {
	if p == "" {
		return nil
	}
	if !strings.ContainsRune(string(p), '\\') {
		return strings.Split(string(p), "/")
	}
	var fields []string
	var field []byte
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case c == '/':
			fields, field = append(fields, string(field)), field[:0]
		case c == '\\' && i+1 < len(p):
			i++
			if p[i] != 'e' {
				field = append(field, p[i])
			}
		default:
			field = append(field, c)
		}
	}
	return append(fields, string(field))
}

// Slashed returns the slash-separated form of p without escapes. ok is false
// where a field is empty or holds a slash: such a name cannot be carried by
// moq-lite.
func (p Path) Slashed() (slashed string, ok bool) {
	if !strings.ContainsRune(string(p), '\\') {
		return string(p), true
	}
	fields := p.Fields()
	for _, f := range fields {
		if f == "" || strings.ContainsRune(f, '/') {
			return "", false
		}
	}
	return strings.Join(fields, "/"), true
}

// Len returns the number of fields.
func (p Path) Len() int {
	if p == "" {
		return 0
	}
	if !strings.ContainsRune(string(p), '\\') {
		return strings.Count(string(p), "/") + 1
	}
	return len(p.Fields())
}

// Join returns the fields of p followed by those of q.
func (p Path) Join(q Path) Path {
	switch {
	case p == "":
		return q
	case q == "":
		return p
	}
	return p + "/" + q
}

// Under returns what follows prefix in p. ok says whether prefix is a prefix
// of p field by field: "foo" is one of "foo/bar", not of "foobar".
func (p Path) Under(prefix Path) (rest Path, ok bool) {
	switch {
	case prefix == "":
		return p, true
	case p == prefix:
		return "", true
	case len(p) > len(prefix) && p[:len(prefix)] == prefix && p[len(prefix)] == '/':
		return p[len(prefix)+1:], true
	}
	return "", false
}

// Parent returns p without its last field. The parent of the empty Path is
// empty.
func (p Path) Parent() Path {
	for i := len(p) - 1; i > 0; i-- {
		if p[i] != '/' {
			continue
		}
		slashes := 0 // an odd number of backslashes before it escapes it
		for j := i - 1; j >= 0 && p[j] == '\\'; j-- {
			slashes++
		}
		if slashes%2 == 0 {
			return p[:i]
		}
	}
	return ""
}

// A FullTrackName names a track: the Path of its broadcast and its name in it.
// Name may hold any bytes.
type FullTrackName struct {
	Path Path
	Name string
}

func (n FullTrackName) String() string { return string(n.Path) + ":" + n.Name }

// Compare orders names by path, then by name.
func (n FullTrackName) Compare(m FullTrackName) int {
	if c := strings.Compare(string(n.Path), string(m.Path)); c != 0 {
		return c
	}
	return strings.Compare(n.Name, m.Name)
}
