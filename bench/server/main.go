// Command server is a moqt.Server that produces the workload itself: the
// egress alone, without a publisher.
package main

import (
	"context"
	"log"

	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/bench/serve"
	"github.com/moqtgo/moqt/bench/source"
	"github.com/moqtgo/moqt/bench/workload"
)

func main() {
	serve.Main("server", nil, func(ctx context.Context, work *workload.Workload) (string, error) {
		mux := moqt.NewTrackMux(nil)
		go func() { log.Print(source.Run(ctx, work, mux)) }()
		return serve.Listen(moqt.SetupHandlerFunc(func(w moqt.SetupResponseWriter, r *moqt.SetupRequest) {
			if _, err := moqt.Accept(w, r, mux); err != nil {
				log.Print(err)
			}
		}))
	})
}
