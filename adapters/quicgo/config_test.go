package quicgo

import (
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"
	"github.com/stretchr/testify/require"

	"github.com/moqtgo/moqt/ports/quic"
)

func TestQUICConfig(t *testing.T) {
	zero := quicgo.Config{
		HandshakeIdleTimeout: 5 * time.Second, MaxIdleTimeout: 30 * time.Second, KeepAlivePeriod: 5 * time.Second,
		MaxIncomingStreams: 1024, MaxIncomingUniStreams: 1024,
		InitialStreamReceiveWindow: 512 << 10, MaxStreamReceiveWindow: 6 << 20,
		InitialConnectionReceiveWindow: 768 << 10, MaxConnectionReceiveWindow: 15 << 20,
		EnableStreamResetPartialDelivery: true,
	}
	require.Equal(t, zero, *quicConfig(nil, []string{"moq"}))
	withDatagrams := zero
	withDatagrams.EnableDatagrams = true
	require.Equal(t, withDatagrams, *quicConfig(nil, []string{"moq", "h3"}))
	require.Equal(t, withDatagrams, *quicConfig(&quic.Config{EnableDatagrams: true}, nil))

	require.Equal(t, quicgo.Config{
		Allow0RTT: true, HandshakeIdleTimeout: 1, MaxIdleTimeout: 2, MaxIncomingStreams: -1, MaxIncomingUniStreams: 7,
		InitialStreamReceiveWindow: 8, MaxStreamReceiveWindow: 9,
		InitialConnectionReceiveWindow: 10, MaxConnectionReceiveWindow: 11,
		EnableStreamResetPartialDelivery: true,
	}, *quicConfig(&quic.Config{
		Allow0RTT: true, HandshakeIdleTimeout: 1, MaxIdleTimeout: 2, KeepAlivePeriod: -1, MaxIncomingStreams: -1,
		MaxIncomingUniStreams: 7, InitialStreamReceiveWindow: 8, MaxStreamReceiveWindow: 9,
		InitialConnectionReceiveWindow: 10, MaxConnectionReceiveWindow: 11,
	}, nil))
}

func TestClientTLS(t *testing.T) {
	conf := clientConf(alpn)
	got, err := clientTLS(conf, "example.com:443")
	require.NoError(t, err)
	require.Equal(t, "example.com", got.ServerName)
	require.Empty(t, conf.ServerName, "the caller's config was changed")
	conf.ServerName = "other"
	got, err = clientTLS(conf, "[::1]:443")
	require.NoError(t, err)
	require.Equal(t, "other", got.ServerName)
}
