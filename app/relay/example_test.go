package relay_test

import (
	"context"
	"crypto/tls"
	"fmt"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/app/relay"
)

// Any Server becomes a relay: it is its handler.
func Example() {
	world := memnet.New(memnet.Config{})
	defer world.Close()

	r := &relay.Relay{}
	server := serve(world.Node("relay"), r)
	defer server.Close()

	publish(world.Node("alice"), "moqt://relay:4443/", "greeting", "hello over a relay")
	fmt.Println(newest(world.Node("bob"), "moqt://relay:4443/", "greeting"))
	// Output: hello over a relay
}

// Two relays: what is published at one is there at the other.
func ExampleRelay_Connect() {
	world := memnet.New(memnet.Config{})
	defer world.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	origin := serve(world.Node("origin"), &relay.Relay{})
	defer origin.Close()
	node := world.Node("edge")
	r := &relay.Relay{Client: &moqt.Client{DialQUICFunc: node.Dial}}
	edge := serve(node, r)
	defer edge.Close()
	go r.Connect(ctx, "moqt://origin:4443/")

	publish(world.Node("alice"), "moqt://origin:4443/", "greeting", "hello over two relays")
	fmt.Println(newest(world.Node("bob"), "moqt://edge:4443/", "greeting"))
	// Output: hello over two relays
}

func serve(node *memnet.Node, r *relay.Relay) *moqt.Server {
	ready := make(chan struct{})
	server := &moqt.Server{Addr: ":4443", TLSConfig: &tls.Config{}, Handler: r}
	server.ListenFunc = listenFunc(node, ready)
	go server.ListenAndServe()
	<-ready
	return server
}

func publish(node *memnet.Node, url, path, text string) {
	mux := moqt.NewTrackMux(nil)
	_ = mux.PublishFunc(context.Background(), moqt.Path(path), func(w *moqt.TrackWriter) {
		g, err := w.AppendGroup()
		if err != nil {
			return
		}
		_, _ = g.Write([]byte(text))
		_ = g.Close()
	})
	client := &moqt.Client{DialQUICFunc: node.Dial}
	if _, err := client.Dial(context.Background(), url, mux); err != nil {
		fmt.Println(err)
	}
}

// newest waits for a broadcast and returns the first frame of its newest group.
func newest(node *memnet.Node, url string, path moqt.Path) string {
	ctx := context.Background()
	client := &moqt.Client{DialQUICFunc: node.Dial}
	s, err := client.Dial(ctx, url, moqt.NewTrackMux(nil))
	if err != nil {
		return err.Error()
	}
	defer s.CloseWithError(moqt.SessionNoError, "")
	announced, err := s.Announced(ctx, path)
	if err != nil {
		return err.Error()
	}
	defer announced.Close()
	if _, err := announced.Next(ctx); err != nil {
		return err.Error()
	}
	track, err := s.Subscribe(ctx, path, "data", nil)
	if err != nil {
		return err.Error()
	}
	defer track.Close()
	group, err := track.NextGroup(ctx)
	if err != nil {
		return err.Error()
	}
	frame, err := group.ReadFrame(ctx)
	if err != nil {
		return err.Error()
	}
	return string(frame.Payload)
}
