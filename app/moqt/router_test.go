package moqt

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// rejected is a SetupResponseWriter that notes the refusal.
type rejected struct{ code ErrorCode }

func (r *rejected) Reject(code ErrorCode, reason string) error {
	r.code = code
	return nil
}

func TestRouter(t *testing.T) {
	rt := NewRouter()
	var got, x string
	for _, p := range []string{
		"/", "/live", "/live/", "/live/{x}", "/live/{x}/end", "/files/{x...}", "/exact/{$}", "example.com/live", "/dir/", "example.com/host/",
		"/%41/{x}",
	} {
		rt.HandleFunc(p, func(_ SetupResponseWriter, r *SetupRequest) { got, x = p, r.PathValue("x") })
	}
	for _, c := range []struct{ host, path, pattern, x string }{
		{"", "", "/", ""},
		{"", "/", "/", ""},
		{"", "/other", "/", ""},
		{"", "other", "/", ""},
		{"", "/live", "/live", ""},
		{"", "/live/", "/live/", ""},
		{"", "/live/a", "/live/{x}", "a"},
		{"", "/live/a%b c", "/live/{x}", "a%b c"},
		{"", "/live/..", "/live/{x}", ".."},
		{"", "/live/a/b", "/live/", ""},
		{"", "/live/a/end", "/live/{x}/end", "a"},
		{"", "/live//end", "/live/{x}/end", ""},
		{"", "//live", "/", ""},
		{"", "//", "/", ""},
		{"", "/live//", "/live/", ""},
		{"", "/live/\x00/end", "/live/{x}/end", "\x00"},
		{"", "/files//\x00a//", "/files/{x...}", "/\x00a//"},
		{"example.com", "/host", "example.com/host/", ""},
		{"", "/files/a//../b", "/files/{x...}", "a//../b"},
		{"", "/exact/", "/exact/{$}", ""},
		{"", "/exact/a", "/", ""},
		{"", "/dir", "/dir/", ""},
		{"", "/A/q", "/%41/{x}", "q"},
		{"example.com", "/live", "example.com/live", ""},
		{"EXAMPLE.com:4443", "/live", "example.com/live", ""},
		{"example.com:4443", "/live/a", "/live/{x}", "a"},
		{"other.com", "/live", "/live", ""},
		{"[::1]:443", "/live", "/live", ""},
	} {
		got, x = "", ""
		rt.ServeMOQ(&rejected{}, &SetupRequest{Host: c.host, Path: c.path})
		require.Equal(t, c.pattern, got, "%q %q", c.host, c.path)
		require.Equal(t, c.x, x, "%q %q", c.host, c.path)
	}
}

func TestRouterRefuses(t *testing.T) {
	rt := NewRouter()
	rt.HandleFunc("/a/{x}", func(SetupResponseWriter, *SetupRequest) { t.Error("called") })
	for _, p := range []string{"", "/", "/a", "/a/", "/a/b/c", "/b"} {
		var w rejected
		rt.ServeMOQ(&w, &SetupRequest{Path: p})
		require.Equal(t, SessionNotFound, w.code, "%q", p)
	}
	nop := func(SetupResponseWriter, *SetupRequest) {}
	require.Panics(t, func() { rt.HandleFunc("/a/{y}", nop) }, "a conflict")
	require.Panics(t, func() { rt.HandleFunc("GET /b", nop) })
	require.Panics(t, func() { rt.HandleFunc("", nop) })
	require.Panics(t, func() { rt.HandleFunc("/c", nil) })
	require.Panics(t, func() { rt.Handle("/c", nil) })
	require.Panics(t, func() { rt.HandleFunc("/{x}/b", nop) }, "neither is more specific")
}

func TestPathValue(t *testing.T) {
	r := &SetupRequest{}
	require.Empty(t, r.PathValue("x"))
	r.SetPathValue("x", "1")
	require.Equal(t, "1", r.PathValue("x"))
	require.NotNil(t, r.Context())
	_, err := Accept(&rejected{}, r, nil)
	require.Error(t, err)
}

// No path makes a Router panic, and wildcards give back what they stand for.
func FuzzRouter(f *testing.F) {
	for _, p := range []string{"/", "", "//", "/a//end", "/a/\x00/end", "/%2f/../end", "/a/more/b/c", "/a/more/", "a/b"} {
		f.Add("host:1", p)
	}
	rt := NewRouter()
	var all string
	found := false
	rt.HandleFunc("/{x}/end", func(_ SetupResponseWriter, r *SetupRequest) { all, found = "/"+r.PathValue("x")+"/end", true })
	rt.HandleFunc("/{x}/more/{y...}", func(_ SetupResponseWriter, r *SetupRequest) {
		all, found = "/"+r.PathValue("x")+"/more/"+r.PathValue("y"), true
	})
	f.Fuzz(func(t *testing.T, host, path string) {
		found = false
		r := &SetupRequest{Host: host, Path: path}
		rt.ServeMOQ(&rejected{}, r)
		if found && path != "" && path[0] == '/' && all != path && all != path+"/" {
			t.Errorf("%q was matched as %q", path, all)
		}
	})
}
