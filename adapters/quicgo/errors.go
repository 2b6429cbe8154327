package quicgo

import (
	"errors"

	quicgo "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/quicvarint"

	"github.com/moqtgo/moqt/ports/quic"
)

// cap62 caps a code to what QUIC can carry; quic-go panics above.
func cap62(code quic.ErrorCode) quic.ErrorCode { return min(code, quicvarint.Max) }

// ConnError translates an error of quic-go that ended a connection to a
// *quic.ConnError. Other errors, nil among them, are returned as they are.
// Where no application closed the connection, quic-go's error stays reachable
// through errors.As.
func ConnError(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*quic.ConnError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*quicgo.ApplicationError](err); ok {
		return &quic.ConnError{Code: quic.ErrorCode(e.ErrorCode), Remote: e.Remote, Reason: e.ErrorMessage}
	}
	if e, ok := errors.AsType[*quicgo.TransportError](err); ok {
		return &quic.ConnError{Remote: e.Remote, Err: err}
	}
	if isLoss(err) {
		return &quic.ConnError{Err: err}
	}
	return err
}

// connCause is ConnError for an error that is known to be the end of the
// connection.
func connCause(err error) error {
	err = ConnError(err)
	if _, ok := err.(*quic.ConnError); ok {
		return err
	}
	return &quic.ConnError{Err: err}
}

// isLoss says whether err is one of quic-go's ends of a connection without a
// code.
func isLoss(err error) bool {
	var (
		idle      *quicgo.IdleTimeoutError
		handshake *quicgo.HandshakeTimeoutError
		reset     *quicgo.StatelessResetError
		version   *quicgo.VersionNegotiationError
	)
	return errors.As(err, &idle) || errors.As(err, &handshake) || errors.As(err, &reset) ||
		errors.As(err, &version) || errors.Is(err, quicgo.ErrTransportClosed) ||
		errors.Is(err, quicgo.Err0RTTRejected)
}

// streamError translates an error of a stream of quic-go.
func streamError(err error) error {
	if e, ok := errors.AsType[*quicgo.StreamError](err); ok {
		return &quic.StreamError{Code: quic.ErrorCode(e.ErrorCode), Remote: e.Remote, Err: e}
	}
	switch err {
	case quicgo.ErrWouldBlock:
		return quic.ErrWouldBlock
	case quicgo.ErrStreamClosed:
		return quic.ErrFinished
	}
	return ConnError(err)
}

// openError translates an error of opening a stream.
func openError(err error) error {
	if _, ok := errors.AsType[*quicgo.StreamLimitReachedError](err); ok {
		return quic.ErrWouldBlock
	}
	return ConnError(err)
}
