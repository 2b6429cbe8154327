// Command relay is a relay.Relay that hands out what bench/publish sends.
package main

import (
	"context"

	"github.com/moqtgo/moqt/app/relay"
	"github.com/moqtgo/moqt/bench/serve"
	"github.com/moqtgo/moqt/bench/workload"
)

func main() {
	serve.Main("relay", nil, func(context.Context, *workload.Workload) (string, error) {
		return serve.Listen(new(relay.Relay))
	})
}
