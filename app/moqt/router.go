package moqt

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// A Router is a SetupHandler that routes requests by their path and host, with
// the patterns of net/http.ServeMux, without methods:
//
//	/live                 this path
//	/live/                this path and what is below it
//	/live/{room}          one more segment, see SetupRequest.PathValue
//	/live/{rest...}       all that follows
//	/live/{$}             the path /live/ alone
//	example.com/live/     on this host only, whatever the port
//
// The most specific pattern wins, one with a host before one without. A
// request that no pattern matches is refused with SessionNotFound. Requests
// without a path are for "/". Paths are not cleaned: "..", "." and empty
// segments are ordinary.
type Router struct {
	mux *http.ServeMux
}

// NewRouter returns a Router without patterns.
func NewRouter() *Router { return &Router{mux: http.NewServeMux()} }

// DefaultRouter is the handler of a Server that has none.
var DefaultRouter = NewRouter()

// Handle registers a handler. It panics where the pattern is malformed, has a
// method, or conflicts with another one: neither is the more specific one.
func (rt *Router) Handle(pattern string, h SetupHandler) {
	if strings.ContainsAny(pattern, " \t") {
		panic("moqt: a pattern has no method: " + pattern)
	}
	if h == nil {
		panic("moqt: nil handler")
	}
	rt.mux.Handle(pattern, routed{h})
}

// HandleFunc registers a function as Handle does.
func (rt *Router) HandleFunc(pattern string, f func(SetupResponseWriter, *SetupRequest)) {
	if f == nil {
		panic("moqt: nil handler")
	}
	rt.Handle(pattern, SetupHandlerFunc(f))
}

// ServeMOQ routes a request.
func (rt *Router) ServeMOQ(w SetupResponseWriter, r *SetupRequest) {
	m := rt.find(r)
	if m.handler == nil {
		_ = w.Reject(SessionNotFound, "nothing at this path")
		return
	}
	r.match = m.request
	m.handler.ServeMOQ(w, r)
}

// find asks the ServeMux with a request of ours. It is a CONNECT, whose path
// is not cleaned; where the answer is a redirection, there is a pattern with a
// slash at its end.
func (rt *Router) find(r *SetupRequest) *matched {
	host := strings.ToLower(r.Host)
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	path := r.Path
	if path == "" || path[0] != '/' {
		path = "/" + path
	}
	path = mark(path)
	m := &matched{}
	for _, p := range []string{path, path + "/"} {
		rt.mux.ServeHTTP(m, &http.Request{Method: http.MethodConnect, Host: host, URL: &url.URL{Host: host, Path: p}})
		if m.handler != nil || !m.redirected {
			break
		}
	}
	return m
}

// mark makes empty segments, at which the ServeMux would match a wildcard
// without a value, visible: as a NUL, which a segment of the path that starts
// with one gets too.
func mark(path string) string {
	if !strings.Contains(path, "//") && !strings.ContainsRune(path, 0) {
		return path
	}
	segments := strings.Split(path, "/")
	for i := 1; i < len(segments); i++ {
		empty := segments[i] == "" && i < len(segments)-1
		if empty || strings.HasPrefix(segments[i], "\x00") {
			segments[i] = "\x00" + segments[i]
		}
	}
	return strings.Join(segments, "/")
}

// unmark undoes mark for the value of a wildcard.
func unmark(value string) string {
	if !strings.ContainsRune(value, 0) {
		return value
	}
	segments := strings.Split(value, "/")
	for i := range segments {
		segments[i] = strings.TrimPrefix(segments[i], "\x00")
	}
	return strings.Join(segments, "/")
}

// A routed is a SetupHandler in a ServeMux: it only says that it was found.
type routed struct{ h SetupHandler }

func (rt routed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m := w.(*matched)
	m.handler, m.request = rt.h, r
}

// matched takes the answer of a ServeMux.
type matched struct {
	handler    SetupHandler
	request    *http.Request
	redirected bool
}

func (m *matched) Header() http.Header         { return http.Header{} }
func (m *matched) Write(p []byte) (int, error) { return len(p), nil }
func (m *matched) WriteHeader(status int)      { m.redirected = status >= 300 && status < 400 }

// Handle registers a handler in DefaultRouter.
func Handle(pattern string, h SetupHandler) { DefaultRouter.Handle(pattern, h) }

// HandleFunc registers a function in DefaultRouter.
func HandleFunc(pattern string, f func(SetupResponseWriter, *SetupRequest)) {
	DefaultRouter.HandleFunc(pattern, f)
}
