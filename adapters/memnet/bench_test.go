package memnet_test

import (
	"io"
	"testing"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/ports/quic"
)

// pingPong sends b.N times one byte there and back.
func pingPong(b *testing.B, client, server quic.Connection) {
	s, err := client.OpenStream(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		r, err := server.AcceptStream(b.Context())
		if err == nil {
			_, _ = io.Copy(struct{ io.Writer }{r}, struct{ io.Reader }{r})
		}
	}()
	buf := make([]byte, 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(s, buf); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPingPongRealTime(b *testing.B) {
	client, server, stop := memnet.Pipe(memnet.Config{}, nil)
	defer stop()
	pingPong(b, client, server)
}

func BenchmarkTransferRealTime(b *testing.B) {
	client, server, stop := memnet.Pipe(memnet.Config{}, nil)
	defer stop()
	transfer(b, client, server)
}

func transfer(b *testing.B, client, server quic.Connection) {
	s, err := client.OpenUniStream(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		r, err := server.AcceptUniStream(b.Context())
		if err == nil {
			_, _ = io.Copy(io.Discard, r)
		}
	}()
	buf := make([]byte, 8<<10)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Write(buf); err != nil {
			b.Fatal(err)
		}
	}
}
