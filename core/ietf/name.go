package ietf

import (
	"unicode/utf8"

	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
)

func appendNamespace(b []byte, p *Profile, namespace moq.Path) []byte {
	fields := namespace.Fields()
	b = p.Varint.Append(b, uint64(len(fields)))
	for _, field := range fields {
		b = p.Varint.AppendString(b, field)
	}
	return b
}

// readNamespace reads a whole namespace.
func readNamespace(r *wire.Reader, p *Profile) moq.Path {
	namespace, _ := readFields(r, p, maxName)
	if namespace == "" && !p.EmptyNamespace {
		r.Fail(invalid("namespace without fields"))
	}
	return namespace
}

// readPrefix reads the prefix or the suffix of a namespace.
func readPrefix(r *wire.Reader, p *Profile) moq.Path {
	prefix, _ := readFields(r, p, maxName)
	return prefix
}

// readFields reads a namespace of at most limit bytes, and says how many they
// were.
func readFields(r *wire.Reader, p *Profile, limit int) (namespace moq.Path, size int) {
	n := r.Count("number of namespace fields", maxFields)
	if n == 0 {
		return "", 0
	}
	fields := make([]string, n)
	for i := range fields {
		field := r.Bytes(limit - size)
		if len(field) == 0 && !p.EmptyFields {
			r.Fail(invalid("empty field of a namespace"))
		}
		fields[i] = string(field)
		size += len(field)
	}
	if r.Err() != nil {
		return "", 0
	}
	return moq.PathOf(fields...), size
}

func appendTrackName(b []byte, p *Profile, name moq.FullTrackName) []byte {
	b = appendNamespace(b, p, name.Path)
	return p.Varint.AppendString(b, name.Name)
}

// readTrackName reads a namespace and a track name, any bytes.
func readTrackName(r *wire.Reader, p *Profile) moq.FullTrackName {
	namespace, size := readFields(r, p, maxName)
	if namespace == "" && !p.EmptyNamespace {
		r.Fail(invalid("namespace without fields"))
	}
	return moq.FullTrackName{Path: namespace, Name: string(r.Bytes(maxName - size))}
}

// reserved says what the draft reserves a namespace for: one that is never
// published ("."), or the session itself (".session").
func (p *Profile) reserved(namespace moq.Path) bool {
	if !p.ReservedNamespaces || namespace == "" {
		return false
	}
	first := namespace.Fields()[0]
	return first == "." || first == ".session"
}

func appendLocation(b []byte, p *Profile, l moq.Location) []byte {
	b = p.Varint.Append(b, l.Group)
	return p.Varint.Append(b, l.Object)
}

func readLocation(r *wire.Reader) moq.Location {
	group := r.Varint()
	return moq.Location{Group: group, Object: r.Varint()}
}

// appendReason appends a reason phrase, cut to what a phrase may hold.
func appendReason(b []byte, p *Profile, reason string) []byte {
	if len(reason) > maxReason {
		n := maxReason
		for n > maxReason-utf8.UTFMax && !utf8.RuneStart(reason[n]) {
			n--
		}
		reason = reason[:n]
	}
	return p.Varint.AppendString(b, reason)
}

func readReason(r *wire.Reader) string { return r.String(maxReason) }
