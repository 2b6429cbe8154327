package ietf

import (
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/wire"
)

// A publishNamespace offers every track of a namespace and below. Its answer
// is a requestOK.
type publishNamespace struct {
	RequestID uint64
	Namespace moq.Path
	Params    parameters
}

func (m *publishNamespace) append(b []byte, p *Profile) []byte {
	b, start := begin(b, p, typePublishNamespace)
	b = p.Varint.Append(b, m.RequestID)
	b = appendNamespace(b, p, m.Namespace)
	b = m.Params.append(b, p, inPublishNamespace)
	return end(b, start)
}

func (m *publishNamespace) read(r *wire.Reader, p *Profile) {
	m.RequestID = r.Varint()
	m.Namespace = readNamespace(r, p)
	m.Params.read(r, p, inPublishNamespace)
	m.Params.needHops(r, p)
}

// A publishNamespaceDone withdraws a publishNamespace, in drafts with a
// ControlStream.
type publishNamespaceDone struct {
	RequestID uint64   // with NamespaceRequestID
	Namespace moq.Path // without
}

func (m *publishNamespaceDone) append(b []byte, p *Profile) []byte {
	b, start := begin(b, p, typePublishNamespaceDone)
	if p.NamespaceRequestID {
		b = p.Varint.Append(b, m.RequestID)
	} else {
		b = appendNamespace(b, p, m.Namespace)
	}
	return end(b, start)
}

func (m *publishNamespaceDone) read(r *wire.Reader, p *Profile) {
	if p.NamespaceRequestID {
		m.RequestID = r.Varint()
	} else {
		m.Namespace = readNamespace(r, p)
	}
}

// A publishNamespaceCancel revokes the acceptance of a publishNamespace, in
// drafts with a ControlStream.
type publishNamespaceCancel struct {
	RequestID uint64   // with NamespaceRequestID
	Namespace moq.Path // without
	Code      uint64   // as the draft numbers it
	Reason    string
}

func (m *publishNamespaceCancel) append(b []byte, p *Profile) []byte {
	b, start := begin(b, p, typePublishNamespaceCancel)
	if p.NamespaceRequestID {
		b = p.Varint.Append(b, m.RequestID)
	} else {
		b = appendNamespace(b, p, m.Namespace)
	}
	b = p.Varint.Append(b, m.Code)
	b = appendReason(b, p, m.Reason)
	return end(b, start)
}

func (m *publishNamespaceCancel) read(r *wire.Reader, p *Profile) {
	if p.NamespaceRequestID {
		m.RequestID = r.Varint()
	} else {
		m.Namespace = readNamespace(r, p)
	}
	m.Code = r.Varint()
	m.Reason = readReason(r)
}

// A subscribeNamespace asks which namespaces below a prefix are published. Its
// answer is a requestOK, then what Profile.NamespaceMessages says.
type subscribeNamespace struct {
	RequestID uint64
	Prefix    moq.Path
	Options   subscribeOptions // with NamespaceOptions
	Params    parameters
}

// SubscribeOptions says what a subscribeNamespace is answered with.
type subscribeOptions uint64

const (
	wantPublish   subscribeOptions = 0
	wantNamespace subscribeOptions = 1
	wantBoth      subscribeOptions = 2
)

func (m *subscribeNamespace) append(b []byte, p *Profile) []byte {
	t := typeSubscribeNamespace
	if p.SubscribeTracks {
		t = typeNamespaces
	}
	b, start := begin(b, p, t)
	b = p.Varint.Append(b, m.RequestID)
	b = appendNamespace(b, p, m.Prefix)
	if p.NamespaceOptions {
		b = p.Varint.Append(b, uint64(m.Options))
	}
	b = m.Params.append(b, p, inSubscribeNamespace)
	return end(b, start)
}

func (m *subscribeNamespace) read(r *wire.Reader, p *Profile) {
	m.RequestID = r.Varint()
	m.Prefix = readPrefix(r, p)
	if p.NamespaceOptions {
		m.Options = subscribeOptions(r.Varint())
		if m.Options > wantBoth {
			r.Fail(invalid("subscribe options %d", m.Options))
		}
	}
	m.Params.read(r, p, inSubscribeNamespace)
}

// A subscribeTracks asks for a PUBLISH of every track below a prefix.
type subscribeTracks struct {
	RequestID uint64
	Prefix    moq.Path
	Params    parameters
}

func (m *subscribeTracks) append(b []byte, p *Profile) []byte {
	b, start := begin(b, p, typeSubscribeTracks)
	b = p.Varint.Append(b, m.RequestID)
	b = appendNamespace(b, p, m.Prefix)
	b = m.Params.append(b, p, inSubscribeTracks)
	return end(b, start)
}

func (m *subscribeTracks) read(r *wire.Reader, p *Profile) {
	m.RequestID = r.Varint()
	m.Prefix = readPrefix(r, p)
	m.Params.read(r, p, inSubscribeTracks)
}

// An unsubscribeNamespace ends a subscribeNamespace (14).
type unsubscribeNamespace struct {
	Prefix moq.Path
}

func (m *unsubscribeNamespace) append(b []byte, p *Profile) []byte {
	b, start := begin(b, p, typeUnsubscribeNamespace)
	b = appendNamespace(b, p, m.Prefix)
	return end(b, start)
}

func (m *unsubscribeNamespace) read(r *wire.Reader, p *Profile) { m.Prefix = readPrefix(r, p) }

// A namespace says that a namespace is published.
type namespace struct {
	Suffix moq.Path   // behind the prefix asked for
	Params parameters // with Hops
}

func (m *namespace) append(b []byte, p *Profile) []byte {
	b, start := begin(b, p, typeNamespace)
	b = appendNamespace(b, p, m.Suffix)
	if p.Hops {
		b = m.Params.append(b, p, inNamespace)
	}
	return end(b, start)
}

func (m *namespace) read(r *wire.Reader, p *Profile) {
	m.Suffix = readPrefix(r, p)
	if p.Hops {
		m.Params.read(r, p, inNamespace)
		m.Params.needHops(r, p)
	}
}

// A namespaceDone says that it is no longer.
type namespaceDone struct {
	Suffix moq.Path
}

func (m *namespaceDone) append(b []byte, p *Profile) []byte {
	b, start := begin(b, p, typeNamespaceDone)
	b = appendNamespace(b, p, m.Suffix)
	return end(b, start)
}

func (m *namespaceDone) read(r *wire.Reader, p *Profile) { m.Suffix = readPrefix(r, p) }
