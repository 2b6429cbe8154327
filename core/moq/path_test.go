package moq

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestParsePath(t *testing.T) {
	for in, want := range map[string][]string{
		"": nil, "/": nil, "///": nil, "a": {"a"}, "/a/": {"a"}, "a//b": {"a", "b"}, "//a///b//": {"a", "b"},
		".": {"."}, "a/../b": {"a", "..", "b"}, "%2F/b": {"%2F", "b"}, `a\b/c`: {`a\b`, "c"}, `\e`: {`\e`}, "a b": {"a b"},
	} {
		require.Equal(t, want, ParsePath(in).Fields(), "%q", in)
		slashed, ok := ParsePath(in).Slashed()
		require.True(t, ok)
		require.Equal(t, strings.Join(want, "/"), slashed)
	}
}

var fields = rapid.SliceOf(rapid.OneOf(rapid.StringOf(rapid.RuneFrom([]rune(`/\eab.`))), rapid.Just("")))

// TestPathIsATuple: whatever bytes the fields hold, a Path is their tuple.
func TestPathIsATuple(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := fields.Draw(t, "a"), fields.Draw(t, "b")
		p, q := PathOf(a...), PathOf(b...)
		joined := append(append([]string{}, a...), b...)
		require.Len(t, p.Fields(), len(a))
		for i, f := range p.Fields() {
			require.Equal(t, a[i], f)
		}
		require.Equal(t, len(a), p.Len())
		require.Equal(t, PathOf(joined...), p.Join(q))
		rest, ok := p.Join(q).Under(p)
		require.True(t, ok)
		require.Equal(t, q, rest)
		prefix := len(b) <= len(a) && PathOf(a[:len(b)]...) == q
		rest, ok = p.Under(q)
		require.Equal(t, prefix, ok)
		if ok {
			require.Equal(t, PathOf(a[len(b):]...), rest)
		}
		if len(a) > 0 {
			require.Equal(t, PathOf(a[:len(a)-1]...), p.Parent())
		}
		slashed, ok := p.Slashed()
		plain := true
		for _, f := range a {
			plain = plain && f != "" && !strings.Contains(f, "/")
		}
		require.Equal(t, plain, ok)
		if ok {
			require.Equal(t, p, ParsePath(slashed))
		}
	})
}

func TestPrefixesEndAtFields(t *testing.T) {
	_, ok := Path("foobar").Under("foo")
	require.False(t, ok)
	_, ok = PathOf("foo/bar").Under("foo")
	require.False(t, ok, "one field with a slash in it")
}

func TestCompareNames(t *testing.T) {
	a, b := FullTrackName{"a", "y"}, FullTrackName{"b", "x"}
	require.Negative(t, a.Compare(b))
	require.Positive(t, b.Compare(a))
	require.Negative(t, FullTrackName{"a", "x"}.Compare(a))
	require.Zero(t, a.Compare(FullTrackName{"a", "y"}))
	require.Equal(t, "a:y", a.String())
}
