// Package mocks holds generated doubles of the ports, for tests that make a
// port fail at call N.
package mocks

//go:generate go tool -modfile=../tools/go.mod mockgen -typed -write_package_comment=false -package mocks -destination quic.go github.com/moqtgo/moqt/ports/quic Connection,Stream,SendStream,ReceiveStream,Listener
//go:generate go tool -modfile=../tools/go.mod mockgen -typed -write_package_comment=false -package mocks -destination webtransport.go github.com/moqtgo/moqt/ports/webtransport Server
