package ietf

import (
	"bytes"

	"github.com/moqtgo/moqt/core/wire"
)

// A token is the value of an AUTHORIZATION_TOKEN.
type token struct {
	AliasType aliasType
	Alias     uint64 // not with aliasUseValue
	Type      uint64 // with aliasRegister and aliasUseValue; 0: out of band
	Value     []byte // likewise
}

// An aliasType says what a token does with an alias.
type aliasType uint64

const (
	aliasDelete   aliasType = 0
	aliasRegister aliasType = 1
	aliasUse      aliasType = 2
	aliasUseValue aliasType = 3
)

func (t *token) append(b []byte, p *Profile) []byte {
	b = p.Varint.Append(b, uint64(t.AliasType))
	if t.AliasType != aliasUseValue {
		b = p.Varint.Append(b, t.Alias)
	}
	if t.AliasType == aliasRegister || t.AliasType == aliasUseValue {
		b = p.Varint.Append(b, t.Type)
		b = append(b, t.Value...)
	}
	return b
}

// parseToken reads a token that fills value. What cannot be read is a
// violation with KEY_VALUE_FORMATTING_ERROR.
func parseToken(value []byte, p *Profile) (t token, err error) {
	r := wire.NewReader(p.Varint, value)
	t.AliasType = aliasType(r.Varint())
	if t.AliasType > aliasUseValue {
		r.Fail(invalid("alias type %d", t.AliasType))
	}
	if t.AliasType != aliasUseValue {
		t.Alias = r.Varint()
	}
	if t.AliasType == aliasRegister || t.AliasType == aliasUseValue {
		t.Type = r.Varint()
		t.Value = bytes.Clone(r.Rest())
	}
	if err := r.Close(); err != nil {
		return token{}, violated(CodeKeyValueFormattingError, "authorization token: %v", err)
	}
	return t, nil
}

// refuseAliases says what we answer to tokens of a message that need a cache,
// which we do not have: nil where there are none.
func refuseAliases(tokens []token) error {
	for i := range tokens {
		switch tokens[i].AliasType {
		case aliasRegister:
			return violated(CodeAuthTokenCacheOverflow, "no token can be registered here")
		case aliasDelete, aliasUse:
			return refused(requestMalformedAuthToken, "unknown token alias %d", tokens[i].Alias)
		}
	}
	return nil
}
