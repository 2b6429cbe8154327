// Command load holds N subscribers in one process and counts what they get.
// It makes no sense of the frames but their size and their age.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/moqtgo/moqt/bench/control"
	"github.com/moqtgo/moqt/bench/workload"
)

// A subscribe connects to url, calls r.joined once what it asked for was
// granted, and then r.frame for each frame, until ctx or the connection ends.
type subscribe func(ctx context.Context, url string, r *reception) error

// kinds are the kinds of subscriber, one file each.
var kinds = map[string]subscribe{
	"raw":  rawSubscribe,
	"moqt": moqtSubscribe,
	"web":  webSubscribe,
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("load: ")
	work := workload.All[0]
	flag.Var(&work, "w", "the workload that is sent")
	kind := flag.String("kind", "raw", "the kind of subscriber")
	url := flag.String("url", "", "where the frames come from")
	n := flag.Int("n", 1, "how many subscribers")
	idle := flag.Bool("idle", false, "nothing will be sent: be ready once all have joined")
	flag.Parse()
	sub, ok := kinds[*kind]
	if !ok {
		log.Fatalf("there is no kind %q", *kind)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, sub, *url, *n, *idle, &work)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

// joins is how many subscribers connect at a time.
const joins = 8

func run(ctx context.Context, sub subscribe, url string, n int, idle bool, work *workload.Workload) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	t := newTally(work.Size)
	slots := make(chan struct{}, joins)
	steps := make(chan struct{}, n)
	for range n {
		go func() {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			r := &reception{tally: t}
			r.onJoin = func() {
				<-slots
				if idle {
					steps <- struct{}{}
				}
			}
			if !idle {
				r.onFirst = func() { steps <- struct{}{} }
			}
			// A run with fewer subscribers than asked for would look cheap.
			err := sub(ctx, url, r)
			fail(fmt.Errorf("a subscriber ended: %w", err))
		}()
	}
	for range n {
		select {
		case <-steps:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	err := control.Serve(ctx, os.Stdin, os.Stdout, control.Ready{}, func(s *control.Stats) {
		t.fill(s)
		s.Connections = n
	})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
