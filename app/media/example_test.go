package media_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/app/media"
	"github.com/moqtgo/moqt/app/media/fmp4"
	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/app/relay"
)

// A program publishes what its encoder makes, and another one reads it back,
// over a relay: here all of them on a network in memory.
func Example() {
	net := memnet.New(memnet.Config{})
	defer net.Close()
	ctx := context.Background()
	listener, err := net.Node("relay").Listen(":4443", &tls.Config{NextProtos: moqt.Versions()}, nil)
	if err != nil {
		log.Fatal(err)
	}
	server := &moqt.Server{Handler: &relay.Relay{}}
	go server.ServeQUICListener(listener)
	defer server.Close()

	// The publisher: one track of Opus, 20 ms a frame, in units of its sample
	// rate.
	broadcast := moqt.NewBroadcast()
	publisher, err := media.NewPublisher(broadcast, nil)
	if err != nil {
		log.Fatal(err)
	}
	err = publisher.Add(media.Track{Name: "voice", Track: fmp4.Track{
		Kind: media.Audio, Codec: "opus", Timescale: 48000, SampleRate: 48000, Channels: 1,
	}})
	if err != nil {
		log.Fatal(err)
	}
	if err := publisher.PublishCatalog(); err != nil {
		log.Fatal(err)
	}
	for i := range 5 {
		sample := media.Sample{DTS: int64(i) * 960, Duration: 960, Key: true, Data: fmt.Appendf(nil, "frame %d", i)}
		if err := publisher.Write("voice", sample); err != nil {
			log.Fatal(err)
		}
	}
	if err := publisher.Close(); err != nil {
		log.Fatal(err)
	}
	mux := moqt.NewTrackMux(nil)
	_ = mux.Announce(ctx, "radio", broadcast)
	client := &moqt.Client{DialQUICFunc: net.Node("studio").Dial}
	if _, err := client.Dial(ctx, "moqt://relay:4443/", mux); err != nil {
		log.Fatal(err)
	}

	// The player: it reads the catalog, then a track that this describes.
	client = &moqt.Client{DialQUICFunc: net.Node("kitchen").Dial}
	session, err := client.Dial(ctx, "moqt://relay:4443/", moqt.NewTrackMux(nil))
	if err != nil {
		log.Fatal(err)
	}
	defer session.CloseWithError(moqt.SessionNoError, "")
	catalogs, err := media.OpenCatalog(ctx, session, "radio")
	if err != nil {
		log.Fatal(err)
	}
	defer catalogs.Close()
	catalog, _, err := catalogs.Next(ctx)
	if err != nil {
		log.Fatal(err)
	}
	track := catalog.Tracks[0]
	fmt.Println(track.Name, track.Kind, track.Codec, track.SampleRate)
	reader, err := media.Subscribe(ctx, session, "radio", track, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer reader.Close()
	for {
		sample, err := reader.Read(ctx)
		if err != nil {
			break // io.EOF: the track has ended
		}
		fmt.Println(fmp4.Time(sample.PTS(), track.Timescale), string(sample.Data))
	}
	// Output:
	// voice audio opus 48000
	// 0s frame 0
	// 20ms frame 1
	// 40ms frame 2
	// 60ms frame 3
	// 80ms frame 4
}
