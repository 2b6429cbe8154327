package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	neturl "net/url"

	"github.com/quic-go/quic-go"
)

// rawSubscribe reads from bench/floor.
func rawSubscribe(ctx context.Context, url string, r *reception) error {
	u, err := neturl.Parse(url)
	if err != nil {
		return err
	}
	tlsConf := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"rawfan"}}
	conn, err := quic.DialAddr(ctx, u.Host, tlsConf, &quic.Config{
		EnableStreamResetPartialDelivery: true,
		MaxIncomingUniStreams:            1024,
	})
	if err != nil {
		return err
	}
	defer conn.CloseWithError(0, "")
	r.joined()
	for {
		stream, err := conn.AcceptUniStream(ctx)
		if err != nil {
			return err
		}
		go func() {
			if err := readGroup(stream, r); err != nil {
				conn.CloseWithError(1, err.Error())
			}
		}()
	}
}

func readGroup(stream io.Reader, r *reception) error {
	frame := make([]byte, r.tally.size)
	for {
		if _, err := io.ReadFull(stream, frame); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := r.frame(frame); err != nil {
			return err
		}
	}
}
