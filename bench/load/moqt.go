package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"strings"

	"github.com/moqtgo/moqt/app/moqt"
	"github.com/moqtgo/moqt/bench/source"
)

// webSubscribe is moqtSubscribe over WebTransport.
func webSubscribe(ctx context.Context, url string, r *reception) error {
	return moqtSubscribe(ctx, strings.Replace(url, "moqt://", "https://", 1), r)
}

// moqtSubscribe reads from bench/server and bench/relay over raw QUIC.
func moqtSubscribe(ctx context.Context, url string, r *reception) error {
	client := &moqt.Client{TLSConfig: &tls.Config{InsecureSkipVerify: true}}
	session, err := client.Dial(ctx, url, moqt.NewTrackMux(nil))
	if err != nil {
		return err
	}
	defer func() { _ = session.CloseWithError(moqt.SessionNoError, "") }()
	track, err := session.Subscribe(ctx, source.Path, source.Track, nil)
	if err != nil {
		return err
	}
	defer track.Close()
	r.joined()
	for {
		group, err := track.NextGroup(ctx)
		if err != nil {
			return err
		}
		go func() {
			for {
				f, err := group.ReadFrame(ctx)
				if err == nil {
					err = r.frame(f.Payload)
				}
				if err == io.EOF || errors.Is(err, moqt.ErrOld) { // late groups are cut short
					return
				}
				if err != nil {
					_ = session.CloseWithError(moqt.SessionInternal, err.Error())
					return
				}
			}
		}()
	}
}
