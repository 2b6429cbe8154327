package memnet

import (
	"bytes"
	"context"

	"github.com/moqtgo/moqt/ports/quic"
)

const (
	// maxOutbox and maxInbox are how many datagrams wait at either end.
	maxOutbox, maxInbox = 128, 128
	// datagramHeader is what WebTransport takes of a datagram.
	datagramHeader = 8
)

func (c *conn) SendDatagram(p []byte) error {
	c.net.mu.Lock()
	defer c.net.release()
	if c.err != nil {
		return c.err
	}
	if !c.hasDatagrams {
		return quic.ErrNoDatagrams
	}
	most := c.link.MTU
	if c.web.session {
		most -= datagramHeader
	}
	if len(p) > most {
		return &quic.DatagramTooLargeError{Max: most}
	}
	room := maxOutbox
	if c.link.Rate > 0 {
		room = c.link.Queue
	}
	if len(c.datagrams) >= room || c.link.Rate > 0 && c.link.queued >= c.link.Queue {
		c.stats.DatagramsDroppedSend++
		return quic.ErrWouldBlock
	}
	c.datagrams = append(c.datagrams, bytes.Clone(p))
	c.wantSend()
	return nil
}

func (c *conn) receiveDatagram(data []byte) {
	if len(c.inbox) >= maxInbox {
		c.stats.DatagramsDroppedIn++
		return
	}
	c.inbox = append(c.inbox, data)
	c.inboxWake.fire()
}

func (c *conn) ReceiveDatagram(ctx context.Context) ([]byte, error) {
	c.net.mu.Lock()
	defer c.net.release()
	for {
		if c.err != nil {
			return nil, c.err
		}
		if !c.hasDatagrams {
			return nil, quic.ErrNoDatagrams
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(c.inbox) > 0 {
			data := c.inbox[0]
			c.inbox[0] = nil
			c.inbox = c.inbox[1:]
			return data, nil
		}
		if err := c.sleep(ctx, &c.inboxWake); err != nil {
			return nil, err
		}
	}
}
