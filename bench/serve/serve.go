// Package serve is what the benchmark's servers have in common.
package serve

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"runtime/pprof"

	"github.com/moqtgo/moqt/adapters/quicgo"
	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/bench/cert"
	"github.com/moqtgo/moqt/bench/control"
	"github.com/moqtgo/moqt/bench/workload"
	"github.com/moqtgo/moqt/ports/quic"
)

// Main runs a program that sends the workload of its flags: run prepares it
// and returns the URL to report.
func Main(name string, flags func(), run func(ctx context.Context, work *workload.Workload) (url string, err error)) {
	log.SetFlags(0)
	log.SetPrefix(name + ": ")
	work := workload.All[0]
	flag.Var(&work, "w", "the workload")
	idle := flag.Bool("idle", false, "send nothing")
	profile := flag.String("cpuprofile", "", "write a CPU profile to this file")
	if flags != nil {
		flags()
	}
	flag.Parse()
	if *idle {
		work.Rate = 0
	}
	if *profile != "" {
		file, err := os.Create(*profile)
		if err != nil {
			log.Fatal(err)
		}
		if err := pprof.StartCPUProfile(file); err != nil {
			log.Fatal(err)
		}
		defer pprof.StopCPUProfile()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	url, err := run(ctx, &work)
	if err == nil {
		err = control.Serve(ctx, os.Stdin, os.Stdout, control.Ready{URL: url}, nil)
	}
	stop()
	if err != nil {
		log.Print(err)
	}
}

// Listen serves sessions with h on a free port, raw QUIC and WebTransport.
func Listen(h moqt.SetupHandler) (url string, err error) {
	tlsConf, err := cert.SelfSigned()
	if err != nil {
		return "", err
	}
	s := &moqt.Server{TLSConfig: tlsConf, SetupHandler: h}
	listener, err := quicgo.Listen("127.0.0.1:0", protocols(tlsConf), &quic.Config{EnableDatagrams: true})
	if err != nil {
		return "", err
	}
	go func() { log.Print(s.ServeQUICListener(listener)) }()
	return fmt.Sprintf("moqt://%s/", listener.Addr()), nil
}

func protocols(c *tls.Config) *tls.Config {
	c = c.Clone()
	c.NextProtos = append(moqt.Versions(), "h3")
	return c
}
