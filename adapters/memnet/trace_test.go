package memnet_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/ports/quic"
)

// story runs a small fan-out with everything in it that could be a race: two
// publishers, a relay that copies every stream to five subscribers, resets,
// stops, datagrams, narrow windows, jitter, loss, a slow link and a partition.
func story(t *testing.T, seed uint64, link memnet.Link) string {
	var trace bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		net := memnet.New(memnet.Config{
			Seed: seed, Settle: synctest.Wait, Trace: &trace, Link: link,
		})
		defer net.Close()
		net.SetLink("relay", "sub0", memnet.Link{Latency: 5 * time.Millisecond, Rate: 50_000, Queue: 4})
		net.SetLink("relay", "sub1", memnet.Link{})
		net.SetLink("sub1", "relay", memnet.Link{})
		conf := &quic.Config{
			EnableDatagrams: true, MaxIncomingUniStreams: 4,
			InitialStreamReceiveWindow: 4000, MaxStreamReceiveWindow: 8000,
			InitialConnectionReceiveWindow: 9000, MaxConnectionReceiveWindow: 16000,
		}
		l, err := net.Node("relay").Listen(":1", nil, conf)
		require.NoError(t, err)
		r := &relay{net: net, subs: make(map[string]quic.Connection)}
		go r.run(l)

		for i := range 5 {
			go subscriber(net, fmt.Sprintf("sub%d", i), conf)
		}
		time.Sleep(200 * time.Millisecond)
		for i := range 2 {
			go publisher(net, fmt.Sprintf("pub%d", i), conf)
		}
		time.Sleep(300 * time.Millisecond)
		net.Partition("relay", "sub2")
		time.Sleep(300 * time.Millisecond)
		net.Heal("relay", "sub2")
		time.Sleep(20 * time.Second)
		net.Wait()
	})
	return trace.String()
}

type relay struct {
	net  *memnet.Network
	subs map[string]quic.Connection
}

// run accepts the subscribers, then serves the publishers.
func (r *relay) run(l quic.Listener) {
	for {
		c, err := l.Accept(context.Background())
		if err != nil {
			return
		}
		name, _, _ := strings.Cut(c.State().RemoteAddr.String(), ":")
		r.net.Trace("relay", "accepted "+name)
		if strings.HasPrefix(name, "sub") {
			r.subs[name] = c
			continue
		}
		go func() {
			for {
				in, err := c.AcceptUniStream(context.Background())
				if err != nil {
					r.net.Trace("relay/"+name, err.Error())
					return
				}
				r.copy(in)
			}
		}()
		go func() {
			for {
				data, err := c.ReceiveDatagram(context.Background())
				if err != nil {
					return
				}
				for _, sub := range r.subs {
					_ = sub.SendDatagram(data)
				}
			}
		}()
	}
}

// copy sends what arrives on in to everybody. Streams to one subscriber are
// opened by one goroutine a hand-over.
func (r *relay) copy(in quic.ReceiveStream) {
	outs := make([]chan []byte, 0, len(r.subs))
	for name, sub := range r.subs {
		out := make(chan []byte, 1000)
		outs = append(outs, out)
		go func() {
			s, err := sub.TryOpenUniStream()
			if err != nil {
				r.net.Trace("relay/"+name, "dropped a stream: "+err.Error())
				return
			}
			for data := range out {
				if s.TryWrite(data) == nil {
					continue
				}
				if _, err := s.Write(data); err != nil {
					r.net.Trace("relay/"+name, err.Error())
					return
				}
			}
			_ = s.Close()
		}()
	}
	go func() {
		for {
			buf := make([]byte, 2000)
			n, err := in.Read(buf)
			for _, out := range outs {
				if n > 0 {
					out <- buf[:n]
				}
				if err != nil {
					close(out)
				}
			}
			if err != nil {
				return
			}
		}
	}()
}

func publisher(net *memnet.Network, name string, conf *quic.Config) {
	c, err := net.Node(name).Dial(context.Background(), "relay:1", nil, conf)
	if err != nil {
		net.Trace(name, err.Error())
		return
	}
	for group := range 12 {
		s, err := c.OpenUniStream(context.Background())
		if err != nil {
			net.Trace(name, err.Error())
			return
		}
		for frame := range 6 {
			if _, err := s.Write(bytes.Repeat([]byte{byte(group), byte(frame)}, 400)); err != nil {
				net.Trace(name, err.Error())
				break
			}
			_ = c.SendDatagram([]byte{byte(group), byte(frame)})
			time.Sleep(10 * time.Millisecond)
		}
		if group%4 == 3 {
			s.CancelWrite(quic.ErrorCode(group))
		}
		_ = s.Close()
	}
	time.Sleep(time.Second)
	_ = c.CloseWithError(1, "the end")
	net.Trace(name, "closed")
}

func subscriber(net *memnet.Network, name string, conf *quic.Config) {
	c, err := net.Node(name).Dial(context.Background(), "relay:1", nil, conf)
	if err != nil {
		net.Trace(name, err.Error())
		return
	}
	for i := 0; ; i++ {
		s, err := c.AcceptUniStream(context.Background())
		if err != nil {
			net.Trace(name, err.Error())
			return
		}
		go func() {
			if i%5 == 4 {
				_, _ = s.Read(make([]byte, 10))
				s.CancelRead(3)
				return
			}
			n, err := io.Copy(io.Discard, s)
			net.Trace(fmt.Sprintf("%s/%d", name, i), fmt.Sprintf("read %d: %v", n, err))
		}()
	}
}

// TestOneSeedOneTrace: the seed is the schedule, whatever the number of cores.
// Without jitter much is due at one instant, and without latency everything.
func TestOneSeedOneTrace(t *testing.T) {
	for name, link := range map[string]memnet.Link{
		"rough":   {Latency: 10 * time.Millisecond, Jitter: 3 * time.Millisecond, Loss: 0.02},
		"even":    {Latency: 10 * time.Millisecond},
		"instant": {},
	} {
		t.Run(name, func(t *testing.T) {
			runs := 100 // for each number of cores
			if name != "rough" {
				runs = 25
			}
			if testing.Short() || raceDetector {
				runs = 5
			}
			want := story(t, 7, link)
			require.Greater(t, strings.Count(want, "\n"), 1000)
			for _, kind := range []string{"data", "reset", "stop", "datagram", "max_data", "max_stream_data", "max_streams_uni", "close", "accepted", "would block"} {
				assert.Contains(t, want, kind)
			}
			for _, procs := range []int{1, 2} {
				t.Run(fmt.Sprintf("GOMAXPROCS=%d", procs), func(t *testing.T) {
					defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
					for i := range runs {
						if got := story(t, 7, link); got != want {
							t.Fatalf("run %d: %s", i, difference(want, got))
						}
					}
				})
			}
			assert.NotEqual(t, want, story(t, 8, link), "another seed is another schedule")
		})
	}
}

// difference shows the first line that differs, and what came before it.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d\nafter %s\n want %s\n  got %s", i+1, strings.Join(w[max(0, i-5):i], "\n      "), w[i], g[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}
