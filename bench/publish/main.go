// Command publish sends a workload to a relay.
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"log"

	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/bench/serve"
	"github.com/moqtgo/moqt/bench/source"
	"github.com/moqtgo/moqt/bench/workload"
)

func main() {
	var url string
	flags := func() { flag.StringVar(&url, "url", "", "where to publish") }
	serve.Main("publish", flags, func(ctx context.Context, work *workload.Workload) (string, error) {
		mux := moqt.NewTrackMux(nil)
		client := &moqt.Client{TLSConfig: &tls.Config{InsecureSkipVerify: true}}
		if _, err := client.Dial(ctx, url, mux); err != nil {
			return "", err
		}
		go func() { log.Print(source.Run(ctx, work, mux)) }()
		return "", nil
	})
}
