package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moqtgo/moqt/app/moqt"
)

const (
	// fetchTime bounds the answer to /fetch.
	fetchTime = 20 * time.Second
	// fetchQuiet is how long an open newest group may be silent before it is
	// taken for what there is.
	fetchQuiet = 500 * time.Millisecond
)

// HTTPHandler returns what a relay serves over plain HTTP, beside its sessions:
//
//	/certificate.sha256              the hash that clients pin, bare hex
//	/health                          200 as long as the process serves
//	/announced/PREFIX                the broadcasts below PREFIX, a path a line
//	/fetch/BROADCAST/TRACK?group=N   the frames of a group, one after the other
//
// and what r.Page has at other paths. Every answer may be read by any web page.
// Names are those of the relay's root; in a URL each segment is %-encoded, and
// the last one of /fetch is the track. Without group, /fetch answers with the
// newest group: if that is still open, with what there is once nothing has come
// for half a second.
//
// Without a certificate, which may be nil, there is no /certificate.sha256.
func (r *Relay) HTTPHandler(cert *Certificate) http.Handler {
	r.init()
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if q.Method != http.MethodGet && q.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
			return
		}
		first, rest, _ := strings.Cut(strings.TrimPrefix(q.URL.EscapedPath(), "/"), "/")
		switch {
		case first == "certificate.sha256" && rest == "" && cert != nil:
			text(w)
			_, _ = io.WriteString(w, cert.SHA256())
		case first == "health" && rest == "":
			text(w)
			_, _ = io.WriteString(w, "ok\n")
		case first == "announced":
			r.serveAnnounced(w, rest)
		case first == "fetch":
			r.serveFetch(w, q, rest)
		case r.Page != nil:
			r.Page.ServeHTTP(w, q)
		default:
			http.Error(w, "404 not found", http.StatusNotFound)
		}
	})
}

func text(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
}

// fields returns the segments of an escaped URL path; empty ones do not count.
func fields(escaped string) ([]string, error) {
	var all []string
	for s := range strings.SplitSeq(escaped, "/") {
		f, err := url.PathUnescape(s)
		if err != nil {
			return nil, err
		}
		if f != "" {
			all = append(all, f)
		}
	}
	return all, nil
}

// line returns a path as one line of text: control characters and the percent
// sign are %-encoded.
func line(p moqt.Path) string {
	var b strings.Builder
	for i := range len(p) {
		if c := p[i]; c < 0x20 || c == 0x7f || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func (r *Relay) serveAnnounced(w http.ResponseWriter, escaped string) {
	names, err := fields(escaped)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	reader, err := r.Mux.Announced(ctx, moqt.PathOf(names...))
	if err != nil {
		refuse(w, err)
		return
	}
	defer reader.Close()
	text(w)
	for batch := range batches(reader) {
		for _, a := range batch {
			_, _ = io.WriteString(w, line(a.Path)+"\n")
		}
	}
}

// batches iterates over what is announced now.
func batches(reader *moqt.AnnounceReader) func(yield func([]moqt.Announcement) bool) {
	const size = 256
	return func(yield func([]moqt.Announcement) bool) {
		for {
			b := reader.Drain(size)
			if len(b) > 0 && !yield(b) || len(b) < size {
				return
			}
		}
	}
}

func (r *Relay) serveFetch(w http.ResponseWriter, q *http.Request, escaped string) {
	names, err := fields(escaped)
	if err != nil || len(names) == 0 {
		http.Error(w, "want /fetch/BROADCAST/TRACK", http.StatusBadRequest)
		return
	}
	last := len(names) - 1
	name := moqt.FullTrackName{Path: moqt.PathOf(names[:last]...), Name: names[last]}
	if !r.published(name.Path) {
		refuse(w, moqt.Errorf(moqt.CodeNotFound, "nobody publishes %q", name.Path))
		return
	}
	ctx, cancel := context.WithTimeout(q.Context(), fetchTime)
	defer cancel()
	var next func() ([]byte, error)
	if group := q.URL.Query().Get("group"); group == "" {
		reader, err := r.Mux.Subscribe(ctx, name.Path, name.Name, nil)
		if err != nil {
			refuse(w, err)
			return
		}
		defer reader.Close()
		next = newest(ctx, reader)
	} else {
		n, err := strconv.ParseUint(group, 10, 64)
		if err != nil {
			http.Error(w, "group is not a number", http.StatusBadRequest)
			return
		}
		reader, err := r.Mux.Fetch(ctx, moqt.GroupFetch(name.Path, name.Name, n, 128))
		if err != nil {
			refuse(w, err)
			return
		}
		defer reader.Close()
		next = payloads(ctx, reader)
	}
	send(w, next)
}

// published reports whether a broadcast is announced: otherwise a request need
// not wait for one.
func (r *Relay) published(path moqt.Path) bool {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	reader, err := r.Mux.Announced(ctx, path)
	if err != nil {
		return false
	}
	defer reader.Close()
	for batch := range batches(reader) {
		if slices.ContainsFunc(batch, func(a moqt.Announcement) bool { return a.Path == path }) {
			return true
		}
	}
	return false
}

// newest returns the frames of the newest group, one a call.
func newest(ctx context.Context, r *moqt.TrackReader) func() ([]byte, error) {
	var g *moqt.GroupReader
	return func() ([]byte, error) {
		if g == nil {
			var err error
			if g, err = r.NextGroup(ctx); err != nil {
				if err == io.EOF {
					err = moqt.Errorf(moqt.CodeNotFound, "the track has no group")
				}
				return nil, err
			}
		}
		quiet, cancel := context.WithTimeout(ctx, fetchQuiet)
		defer cancel()
		f, err := g.ReadFrame(quiet)
		if err != nil && ctx.Err() == nil && quiet.Err() != nil {
			err = io.EOF
		}
		return f.Payload, err
	}
}

// payloads returns what a fetch found, one object a call.
func payloads(ctx context.Context, r *moqt.ObjectReader) func() ([]byte, error) {
	found := false
	return func() ([]byte, error) {
		for {
			f, err := r.Next(ctx)
			switch {
			case err == io.EOF && !found:
				return nil, moqt.Errorf(moqt.CodeNotFound, "no such group")
			case err != nil:
				return nil, err
			case f.Object != nil:
				found = true
				return f.Object.Payload(), nil
			}
		}
	}
}

// send answers with what next returns until io.EOF. An answer that was begun
// and cannot be ended is cut off, so that nobody takes it for whole.
func send(w http.ResponseWriter, next func() ([]byte, error)) {
	begun := false
	for {
		b, err := next()
		if err != nil && err != io.EOF {
			if begun {
				panic(http.ErrAbortHandler)
			}
			refuse(w, err)
			return
		}
		if !begun {
			w.Header().Set("Content-Type", "application/octet-stream")
			w.WriteHeader(http.StatusOK)
			begun = true
		}
		if err == io.EOF {
			return
		}
		if _, err := w.Write(b); err != nil {
			return
		}
	}
}

// refuse answers with the status for an error.
func refuse(w http.ResponseWriter, err error) {
	status := http.StatusBadGateway
	switch {
	case errors.Is(err, moqt.ErrNotFound), errors.Is(err, moqt.ErrOld), errors.Is(err, moqt.ErrEvicted):
		status = http.StatusNotFound
	case errors.Is(err, moqt.ErrUnauthorized):
		status = http.StatusForbidden
	case errors.Is(err, moqt.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		status = http.StatusGatewayTimeout
	case errors.Is(err, moqt.ErrUnsupported):
		status = http.StatusNotImplemented
	}
	http.Error(w, err.Error(), status)
}
