// Command floor is raw quic-go sending a workload to whoever connects: what
// the fan-out of a media server cannot cost less than. One frame is shared by
// all connections, each gets one Write per frame and one unidirectional stream
// per group.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/quic-go/quic-go"

	"github.com/moqtgo/moqt/bench/cert"
	"github.com/moqtgo/moqt/bench/control"
	"github.com/moqtgo/moqt/bench/workload"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("floor: ")
	work := workload.All[0]
	flag.Var(&work, "w", "the workload")
	idle := flag.Bool("idle", false, "accept connections and send nothing")
	flag.Parse()
	if *idle {
		work.Rate = 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, &work)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, work *workload.Workload) error {
	tlsConf, err := cert.SelfSigned("rawfan")
	if err != nil {
		return err
	}
	// quic-go opens the socket itself: so it gets GSO and recvmmsg.
	listener, err := quic.ListenAddr("127.0.0.1:0", tlsConf, &quic.Config{EnableStreamResetPartialDelivery: true})
	if err != nil {
		return err
	}
	defer listener.Close()
	f := newFan(work)
	go f.accept(ctx, listener)
	go work.Run(ctx, f.send)
	ready := control.Ready{URL: fmt.Sprintf("rawfan://%s", listener.Addr())}
	return control.Serve(ctx, os.Stdin, os.Stdout, ready, f.fill)
}
