package quictest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"

	"github.com/moqtgo/moqt/ports/quic"
)

var withDatagrams = quic.Config{EnableDatagrams: true}

// datagramChecks are about datagrams. They expect that few are lost where
// nothing competes, and none to be there where they were not negotiated.
var datagramChecks = []check{
	{name: "datagram echo", conf: withDatagrams, run: datagramEcho},
	{name: "datagram size", conf: withDatagrams, run: datagramSize},
	{name: "datagram burst", conf: withDatagrams, run: datagramBurst},
	{name: "datagrams off", run: datagramsOff},
}

// exchange sends data until one of it arrives.
func (p *pipe) exchange(data []byte, from, to quic.Connection) {
	for range 20 {
		buf := bytes.Clone(data)
		err := from.SendDatagram(buf)
		clear(buf)
		if errors.Is(err, quic.ErrWouldBlock) {
			p.settle()
			continue
		}
		p.must(err, "SendDatagram")
		var got []byte
		ctx, cancel := context.WithTimeout(p.ctx, failSafe/40)
		receive := p.start("ReceiveDatagram", func() (err error) {
			got, err = to.ReceiveDatagram(ctx)
			return err
		})
		err = receive.result()
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			continue // lost
		}
		p.must(err, "ReceiveDatagram")
		if !bytes.Equal(got, data) {
			p.fatalf("received another datagram than was sent: %d bytes, want %d", len(got), len(data))
		}
		return
	}
	p.fatalf("20 datagrams were lost")
}

func datagramEcho(p *pipe) {
	if !p.a.State().Datagrams || !p.b.State().Datagrams {
		p.fatalf("State().Datagrams is false")
	}
	p.exchange([]byte("there"), p.a, p.b)
	p.exchange([]byte("and back"), p.b, p.a)
	p.exchange([]byte{}, p.a, p.b)
}

func datagramSize(p *pipe) {
	err := p.a.SendDatagram(make([]byte, 100_000))
	var large *quic.DatagramTooLargeError
	if !errors.As(err, &large) {
		p.fatalf("SendDatagram of 100,000 bytes: %v; want a *quic.DatagramTooLargeError", err)
	}
	if large.Max < 1000 {
		p.fatalf("a datagram may have only %d bytes", large.Max)
	}
	err = p.a.SendDatagram(make([]byte, large.Max+1))
	if again := (*quic.DatagramTooLargeError)(nil); !errors.As(err, &again) || again.Max < large.Max {
		p.fatalf("SendDatagram of %d bytes: %v; the limit was %d", large.Max+1, err, large.Max)
	}
	p.exchange(pattern(11, large.Max), p.a, p.b)
}

// datagramBurst: what arrives was sent, once.
func datagramBurst(p *pipe) {
	const n = 500
	var sent, got [n]bool
	some := make(chan struct{})
	first := true
	receive := p.start("ReceiveDatagram", func() error {
		for {
			data, err := p.b.ReceiveDatagram(p.ctx)
			if err != nil {
				return nil
			}
			i := uint32(n)
			if len(data) >= 4 {
				i = binary.BigEndian.Uint32(data)
			}
			if i >= n || got[i] || !bytes.Equal(data[4:], pattern(int(i), 96)) {
				return errors.New("received a datagram that was not sent, or twice")
			}
			if got[i] = true; first {
				first = false
				close(some)
			}
		}
	})
	for i := range n {
		err := p.a.SendDatagram(append(binary.BigEndian.AppendUint32(nil, uint32(i)), pattern(i, 96)...))
		if err != nil && !errors.Is(err, quic.ErrWouldBlock) {
			p.fatalf("SendDatagram: %v", err)
		}
		sent[i] = err == nil
	}
	soon, cancel := p.soon()
	defer cancel()
	select {
	case <-some:
	case <-receive.done:
	case <-soon.Done():
		p.fatalf("none of %d datagrams arrived", n)
	}
	p.settle()
	p.cancel()
	receive.ok()
	for i := range n {
		if got[i] && !sent[i] {
			p.fatalf("a datagram that SendDatagram dropped arrived")
		}
	}
}

func datagramsOff(p *pipe) {
	if p.a.State().Datagrams {
		return // WebTransport always has them
	}
	if err := p.a.SendDatagram([]byte("x")); !errors.Is(err, quic.ErrNoDatagrams) {
		p.fatalf("SendDatagram: %v; want ErrNoDatagrams", err)
	}
	receive := p.start("ReceiveDatagram", func() error { _, err := p.b.ReceiveDatagram(p.ctx); return err })
	if err := receive.result(); !errors.Is(err, quic.ErrNoDatagrams) {
		p.fatalf("ReceiveDatagram: %v; want ErrNoDatagrams", err)
	}
}
