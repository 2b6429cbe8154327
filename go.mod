module github.com/moqtgo/moqt

go 1.26.0

require (
	github.com/Eyevinn/mp4ff v0.52.0
	github.com/alecthomas/kong v1.17.0
	github.com/dunglas/httpsfv v1.1.1
	// A pair: webtransport-go v0.13.0 compiles with quic-go v0.62.0 to v0.64.1,
	// not with v0.65.0. Move both together.
	github.com/quic-go/quic-go v0.64.1
	github.com/quic-go/webtransport-go v0.13.0
	github.com/stretchr/testify v1.12.1
	go.uber.org/goleak v1.3.0
	go.uber.org/mock v0.6.0
	pgregory.net/rapid v1.3.0
)

require (
	github.com/quic-go/qpack v0.6.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/crypto v0.54.0 // indirect
	golang.org/x/net v0.56.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
	golang.org/x/text v0.40.0 // indirect
)
