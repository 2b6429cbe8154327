// Package web is the page that a relay shows to browsers: what is live, a
// player and a studio. Its source is in src; `make web` bundles that into
// site/dist, which is embedded if it is there. Without it there is a plain page
// that says how to get it.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed all:site
var site embed.FS

// Built says whether the page is there, and not only the plain one.
func Built() bool {
	_, err := fs.Stat(site, "site/dist/index.html")
	return err == nil
}

// Handler serves the page:
//
//	/               what is live
//	/watch/NAME     the player; a name may have slashes
//	/embed/NAME     the player alone, for an iframe of any site
//	/publish        the studio
//	/assets/FILE    what they load
//
// and 404 for everything else. Nothing is loaded from other hosts, which a
// Content-Security-Policy holds the page to.
func Handler() http.Handler {
	dir := "site/dist"
	if !Built() {
		dir = "site"
	}
	files, err := read(dir)
	if err != nil {
		panic(err) // of files in the binary
	}
	return &handler{files: files}
}

// kinds are the media types of what is embedded, whatever the system's tables
// say.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".svg":  "image/svg+xml",
	".txt":  "text/plain; charset=utf-8",
}

// A file as it is sent.
type file struct {
	kind   string // media type
	tag    string // ETag
	body   []byte
	zipped []byte // nil where that would not be smaller
}

func read(dir string) (map[string]*file, error) {
	files := map[string]*file{}
	err := fs.WalkDir(site, dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := site.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		f := &file{kind: kinds[path.Ext(name)], tag: `W/"` + hex.EncodeToString(sum[:8]) + `"`, body: body}
		if f.zipped = zip(body); len(f.zipped) >= len(body) {
			f.zipped = nil
		}
		files[strings.TrimPrefix(name, dir+"/")] = f
		return nil
	})
	return files, err
}

func zip(body []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(body) // into memory
	_ = w.Close()
	return b.Bytes()
}

type handler struct {
	files map[string]*file
}

// policy allows what the page does and nothing else: its own files, sessions
// with its own relay, the audio worklets of the player and the studio, which
// are blobs, and files that the user chose.
const policy = "default-src 'none'; script-src 'self' blob:; worker-src 'self' blob:; style-src 'self'; img-src 'self' data: blob:; " +
	"media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors "

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	first, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	var page string
	ancestors := "'self'"
	switch {
	case first == "" && rest == "":
		page = "index.html"
	case first == "watch" && rest != "":
		page = "watch.html"
	case first == "embed" && rest != "":
		page, ancestors = "watch.html", "*"
	case first == "publish" && rest == "":
		page = "publish.html"
	case first == "assets":
		h.send(w, r, h.files["assets/"+rest])
		return
	default:
		http.NotFound(w, r)
		return
	}
	head := w.Header()
	head.Set("Content-Security-Policy", policy+ancestors)
	// Isolated, a page may share memory with its audio worklet.
	head.Set("Cross-Origin-Opener-Policy", "same-origin")
	head.Set("Cross-Origin-Embedder-Policy", "require-corp")
	head.Set("Cross-Origin-Resource-Policy", "cross-origin")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Permissions-Policy", "camera=(self), microphone=(self), display-capture=(self), geolocation=()")
	head.Del("Access-Control-Allow-Origin") // a page is not data
	f := h.files[page]
	if f == nil {
		f = h.files["plain.html"]
	}
	h.send(w, r, f)
}

func (h *handler) send(w http.ResponseWriter, r *http.Request, f *file) {
	if f == nil {
		http.NotFound(w, r)
		return
	}
	head := w.Header()
	head.Set("Content-Type", f.kind)
	head.Set("Cache-Control", "no-cache")
	head.Set("ETag", f.tag)
	head.Set("Vary", "Accept-Encoding")
	head.Set("X-Content-Type-Options", "nosniff")
	if strings.Contains(r.Header.Get("If-None-Match"), f.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := f.body
	if f.zipped != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		head.Set("Content-Encoding", "gzip")
		body = f.zipped
	}
	head.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = io.Copy(w, bytes.NewReader(body))
	}
}
