package session

import (
	"context"
	"slices"
	"time"

	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/lite"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
	"github.com/moqtgo/moqt/ports/quic"
)

// typeClientSetup opens the exchange of clients that negotiated no protocol,
// in the encoding of moq-transport 14.
const typeClientSetup = 0x20

// maxInBandVersions is how many versions a client may list.
const maxInBandVersions = 64

// askInBand reads CLIENT_SETUP from the client's first bidirectional stream
// and picks the first of our versions that it lists.
func askInBand(ctx context.Context, c quic.Connection, all []choice, conf *Config) (*choice, *dialect.InBand, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, conf.SetupTimeout, moq.Errorf(moq.CodeTimeout, "no CLIENT_SETUP in time"))
	defer cancel()
	st, err := c.AcceptStream(ctx)
	if err != nil {
		return nil, nil, err
	}
	timer := time.AfterFunc(conf.SetupTimeout, func() { st.CancelRead(lite.CodeTimeout) })
	defer timer.Stop()
	in, err := readClientSetup(st)
	if err != nil {
		return nil, nil, err
	}
	for i := range all {
		if all[i].row.Code != 0 && slices.Contains(in.Versions, all[i].row.Code) {
			return &all[i], in, nil
		}
	}
	return nil, nil, moq.Errorf(moq.CodeUnsupported, "no version in common with the client's %#x", in.Versions)
}

func readClientSetup(st quic.Stream) (*dialect.InBand, error) {
	ws := wire.NewStream(wire.RFC9000, st)
	t, err := ws.Varint()
	if err != nil {
		return nil, wire.UnexpectedEOF(err)
	}
	if t != typeClientSetup {
		return nil, moq.Errorf(moq.CodeMalformed, "the first stream has type %#x instead of CLIENT_SETUP", t)
	}
	n, err := ws.Uint16()
	if err != nil {
		return nil, wire.UnexpectedEOF(err)
	}
	body, err := ws.Body(int(n), nil)
	if err != nil {
		return nil, err
	}
	r := wire.NewReader(wire.RFC9000, body)
	in := &dialect.InBand{Stream: st, In: ws}
	for range r.Count("number of versions", maxInBandVersions) {
		in.Versions = append(in.Versions, r.Varint())
	}
	in.Params = slices.Clone(r.Rest())
	return in, r.Close()
}
