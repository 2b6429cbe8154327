package relay_test

import (
	"crypto/tls"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/ports/quic"
)

// listenFunc listens on a node, and says when it does.
func listenFunc(node *memnet.Node, ready chan<- struct{}) quic.ListenAddrFunc {
	return func(addr string, tlsConf *tls.Config, conf *quic.Config) (quic.Listener, error) {
		defer close(ready)
		return node.Listen(addr, tlsConf, conf)
	}
}
