package web

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func get(t *testing.T, h http.Handler, path string, head ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// plain is the page of a binary that was built without npm.
func plain(t *testing.T) http.Handler {
	files, err := read("site")
	require.NoError(t, err)
	return &handler{files: map[string]*file{"plain.html": files["plain.html"]}}
}

// with runs f with what this test binary embeds and without the built page.
func with(t *testing.T, f func(t *testing.T, h http.Handler)) {
	t.Run("as built", func(t *testing.T) { f(t, Handler()) })
	t.Run("plain", func(t *testing.T) { f(t, plain(t)) })
}

func TestPages(t *testing.T) {
	with(t, func(t *testing.T, h http.Handler) {
		for path, ancestors := range map[string]string{
			"/":                     "'self'",
			"/watch/demo":           "'self'",
			"/watch/a/b%2Fc/d.hang": "'self'",
			"/embed/demo?muted=1":   "*",
			"/publish":              "'self'",
			"/publish/?name=x":      "'self'",
		} {
			w := get(t, h, path)
			assert.Equal(t, http.StatusOK, w.Code, path)
			assert.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"), path)
			assert.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none';", path)
			assert.True(t, strings.HasSuffix(w.Header().Get("Content-Security-Policy"), "frame-ancestors "+ancestors), path)
			assert.Contains(t, w.Body.String(), "<title>", path)
		}
		for _, path := range []string{"/watch", "/watch/", "/embed/", "/publish/x", "/assets/", "/assets/none.js", "/assets/../index.html", "/dist/index.html", "/index.html", "/favicon.ico"} {
			assert.Equal(t, http.StatusNotFound, get(t, h, path).Code, path)
		}
	})
}

func TestPlainSaysHow(t *testing.T) {
	assert.Contains(t, get(t, plain(t), "/").Body.String(), "make web build")
}

func TestHead(t *testing.T) {
	with(t, func(t *testing.T, h http.Handler) {
		whole := get(t, h, "/")
		r := httptest.NewRequest(http.MethodHead, "/", nil)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		assert.Equal(t, whole.Header(), w.Header())
		assert.Empty(t, w.Body.String())
	})
}

func TestCached(t *testing.T) {
	with(t, func(t *testing.T, h http.Handler) {
		tag := get(t, h, "/").Header().Get("ETag")
		require.NotEmpty(t, tag)
		w := get(t, h, "/", "If-None-Match", tag)
		assert.Equal(t, http.StatusNotModified, w.Code)
		assert.Empty(t, w.Body.String())
		assert.Equal(t, http.StatusOK, get(t, h, "/", "If-None-Match", `W/"other"`).Code)
	})
}

func TestCompressed(t *testing.T) {
	with(t, func(t *testing.T, h http.Handler) {
		w := get(t, h, "/", "Accept-Encoding", "br, gzip")
		require.Equal(t, "gzip", w.Header().Get("Content-Encoding"))
		r, err := gzip.NewReader(w.Body)
		require.NoError(t, err)
		body, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.Equal(t, get(t, h, "/").Body.String(), string(body))
	})
}

// Everything that the pages name is there, is of its type and is ours: another
// host would be refused by the policy.
func TestAssets(t *testing.T) {
	if !Built() {
		t.Skip("the page is not built")
	}
	h := Handler()
	link := regexp.MustCompile(`(?:src|href)="([^"#]+)"`)
	kinds := map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
	seen := 0
	for _, page := range []string{"/", "/watch/x", "/publish"} {
		body := get(t, h, page).Body.String()
		assert.NotContains(t, body, "<style")
		assert.NotRegexp(t, `<script[^>]*>[^<]`, body, "%s: the policy refuses inline scripts", page)
		for _, m := range link.FindAllStringSubmatch(body, -1) {
			if strings.HasPrefix(m[1], "https://") {
				continue // a link to follow, not to load
			}
			w := get(t, h, m[1])
			assert.Equal(t, http.StatusOK, w.Code, m[1])
			for ext, kind := range kinds {
				if strings.HasSuffix(m[1], ext) {
					seen++
					assert.Equal(t, kind, w.Header().Get("Content-Type"), m[1])
				}
			}
		}
	}
	assert.GreaterOrEqual(t, seen, 9, "a script, a style and an icon a page")
}
