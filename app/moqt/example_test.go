package moqt_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"net/http"
	"strings"
	"sync"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/ports/quic"
	"github.com/moqtgo/moqt/ports/webtransport"
)

// The examples run on a network in memory. A program on the Internet leaves
// ListenFunc, NewWebtransportServerFunc and the dial functions alone, and has a
// certificate in TLSConfig.

// A server reads what a client publishes, and publishes an answer.
func Example_echo() {
	net := memnet.New(memnet.Config{})
	defer net.Close()
	ctx := context.Background()

	router := moqt.NewRouter()
	router.HandleFunc("/echo", func(w moqt.SetupResponseWriter, r *moqt.SetupRequest) {
		answers := moqt.NewTrackMux(nil)
		sess, err := moqt.Accept(w, r, answers)
		if err != nil {
			return
		}
		_ = answers.PublishFunc(sess.Context(), "answer", func(out *moqt.TrackWriter) {
			in, err := sess.Subscribe(out.Context(), "question", out.Name().Name, nil)
			if err != nil {
				out.CloseWithError(err)
				return
			}
			defer in.Close()
			for group := range in.Groups(out.Context()) {
				to, err := out.AppendGroup()
				if err != nil {
					return
				}
				for frame, err := range group.Frames(out.Context()) {
					if err != nil {
						break
					}
					_ = to.WriteFrame(moqt.Frame{Payload: []byte(strings.ToUpper(string(frame.Payload)))})
				}
				_ = to.Close()
			}
		})
	})
	server := &moqt.Server{Handler: router}
	listener, err := net.Node("server").Listen(":4443", &tls.Config{NextProtos: moqt.Versions()}, nil)
	if err != nil {
		log.Fatal(err)
	}
	go server.ServeQUICListener(listener)
	defer server.Close()

	mine := moqt.NewTrackMux(nil)
	question := moqt.NewBroadcast()
	text, _ := question.Track("text", moqt.TrackInfo{})
	_ = mine.Announce(ctx, "question", question)
	client := &moqt.Client{DialQUICFunc: net.Node("client").Dial}
	sess, err := client.Dial(ctx, "moqt://server:4443/echo", mine)
	if err != nil {
		log.Fatal(err)
	}
	defer sess.CloseWithError(moqt.SessionNoError, "")

	answer, err := sess.Subscribe(ctx, "answer", "text", nil)
	if err != nil {
		log.Fatal(err)
	}
	group, _ := text.AppendGroup()
	_, _ = group.Write([]byte("hello"))
	_, _ = group.Write([]byte("world"))
	_ = group.Close()
	_ = text.Close()
	for group := range answer.Groups(ctx) {
		for frame := range group.Frames(ctx) {
			fmt.Println(string(frame.Payload))
		}
	}
	// Output:
	// HELLO
	// WORLD
}

// A frame is written once, however many subscribers there are; they may come by
// raw QUIC and by WebTransport.
func ExampleBroadcast() {
	net := memnet.New(memnet.Config{})
	defer net.Close()
	ctx := context.Background()

	mux := moqt.NewTrackMux(nil)
	clock := moqt.NewBroadcast()
	ticks, _ := clock.Track("ticks", moqt.TrackInfo{Priority: 100})
	_ = mux.Announce(ctx, "clock", clock)

	router := moqt.NewRouter()
	router.HandleFunc("/", func(w moqt.SetupResponseWriter, r *moqt.SetupRequest) {
		_, _ = moqt.Accept(w, r, mux)
	})
	node := net.Node("server")
	listener, err := node.Listen(":443", &tls.Config{NextProtos: append(moqt.Versions(), "h3")}, nil)
	if err != nil {
		log.Fatal(err)
	}
	server := &moqt.Server{Handler: router, NewWebtransportServerFunc: node.NewWebTransportServer}
	go server.ServeQUICListener(listener)
	defer server.Close()

	group, _ := ticks.AppendGroup()
	_, _ = group.Write([]byte("tick"))
	_, _ = group.Write([]byte("tack"))
	_ = group.Close()
	_ = clock.Close()

	var all sync.WaitGroup
	var heard [3][]string
	for i, url := range []string{"moqt://server/", "https://server/", "moqt://server/"} {
		all.Go(func() {
			node := net.Node(fmt.Sprint("client", i))
			client := &moqt.Client{DialQUICFunc: node.Dial, DialWebTransportFunc: node.DialWebTransport}
			sess, err := client.Dial(ctx, url, moqt.NewTrackMux(nil))
			if err != nil {
				log.Fatal(err)
			}
			defer sess.CloseWithError(moqt.SessionNoError, "")
			track, err := sess.Subscribe(ctx, "clock", "ticks", nil)
			if err != nil {
				log.Fatal(err)
			}
			for group := range track.Groups(ctx) {
				for frame := range group.Frames(ctx) {
					heard[i] = append(heard[i], string(frame.Payload))
				}
			}
		})
	}
	all.Wait()
	for i := range heard {
		fmt.Println(heard[i])
	}
	// Output:
	// [tick tack]
	// [tick tack]
	// [tick tack]
}

// counted counts the connections of a listener: a stack of one's own implements
// quic.Listener and quic.Connection, or decorates those of another.
type counted struct {
	quic.Listener
	accepted func(quic.Connection)
}

func (c counted) Accept(ctx context.Context) (quic.Connection, error) {
	conn, err := c.Listener.Accept(ctx)
	if err == nil {
		c.accepted(conn)
	}
	return conn, err
}

// A server runs on any QUIC and WebTransport stack.
func ExampleServer_customStack() {
	net := memnet.New(memnet.Config{})
	defer net.Close()
	node := net.Node("server")

	listening := make(chan struct{})
	protocols := make(chan string, 2)
	server := &moqt.Server{
		Addr:      ":4443",
		TLSConfig: &tls.Config{NextProtos: []string{"h3", "moq-lite-05"}},
		ListenFunc: func(addr string, tlsConf *tls.Config, conf *quic.Config) (quic.Listener, error) {
			ln, err := node.Listen(addr, tlsConf, conf)
			close(listening)
			return counted{ln, func(c quic.Connection) { protocols <- c.State().Protocol }}, err
		},
		NewWebtransportServerFunc: func(checkOrigin func(*http.Request) bool) webtransport.Server {
			return node.NewWebTransportServer(checkOrigin)
		},
		Handler: moqt.SetupHandlerFunc(func(w moqt.SetupResponseWriter, r *moqt.SetupRequest) {
			if sess, err := moqt.Accept(w, r, moqt.NewTrackMux(nil)); err == nil {
				<-sess.Context().Done()
			}
		}),
	}
	go server.ListenAndServe()
	defer server.Close()
	<-listening

	peer := net.Node("client")
	client := &moqt.Client{DialQUICFunc: peer.Dial, DialWebTransportFunc: peer.DialWebTransport}
	for _, url := range []string{"moqt://server:4443/", "https://server:4443/"} {
		sess, err := client.Dial(context.Background(), url, moqt.NewTrackMux(nil))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(<-protocols, "carries", sess.Version())
		_ = sess.CloseWithError(moqt.SessionNoError, "")
	}
	// Output:
	// moq-lite-05 carries moq-lite-05
	// h3 carries moq-lite-05
}

// WebTransport sessions are requests of net/http: anything that has a handler
// can have one that upgrades.
func ExampleServer_HandleWebTransport() {
	net := memnet.New(memnet.Config{})
	defer net.Close()
	node := net.Node("server")

	moqt.HandleFunc("/rooms/{name}", func(w moqt.SetupResponseWriter, r *moqt.SetupRequest) {
		fmt.Println("set-up in room", r.PathValue("name"))
		_, _ = moqt.Accept(w, r, nil)
	})
	server := &moqt.Server{
		NewWebtransportServerFunc: node.NewWebTransportServer,
		CheckHTTPOrigin:           func(r *http.Request) bool { return r.Header.Get("Origin") == "" },
	}
	http.HandleFunc("/rooms/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, r.URL.Path)
		if err := server.HandleWebTransport(w, r); err != nil {
			fmt.Println("no session:", err)
		}
	})
	listener, err := node.Listen(":443", &tls.Config{NextProtos: []string{"h3"}}, nil)
	if err != nil {
		log.Fatal(err)
	}
	go server.ServeQUICListener(listener)
	defer server.Close()

	client := &moqt.Client{DialWebTransportFunc: net.Node("client").DialWebTransport}
	sess, err := client.Dial(context.Background(), "https://server/rooms/blue", moqt.NewTrackMux(nil))
	if err != nil {
		log.Fatal(err)
	}
	watch, err := sess.Announced(context.Background(), "")
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_ = moqt.PublishFunc(ctx, "news", func(w *moqt.TrackWriter) {})
	a, err := watch.Next(context.Background())
	fmt.Println(a.Path, err)
	_ = sess.CloseWithError(moqt.SessionNoError, "")
	// Output:
	// CONNECT /rooms/blue
	// set-up in room blue
	// news <nil>
}

// The whole of a server that serves a live track.
func ExampleServer() {
	cert, err := tls.LoadX509KeyPair("cert.pem", "key.pem")
	if err != nil {
		log.Fatal(err)
	}
	server := &moqt.Server{
		Addr: ":4443",
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{cert},
			NextProtos:   []string{"h3", "moq-lite-05"},
		},
		QUICConfig: &quic.Config{Allow0RTT: true, EnableDatagrams: true},
		CheckHTTPOrigin: func(r *http.Request) bool {
			return r.Header.Get("Origin") == "https://example.com"
		},
	}
	moqt.HandleFunc("/live", func(w moqt.SetupResponseWriter, r *moqt.SetupRequest) {
		sess, err := moqt.Accept(w, r, nil)
		if err != nil {
			return
		}
		log.Print("session of ", sess.RemoteAddr())
	})
	log.Fatal(server.ListenAndServe())
}
