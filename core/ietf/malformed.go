package ietf

import "github.com/moqtgo/moqt/core/moq"

// malformedTrack says why a track cannot be taken with the properties that it
// has: nil for most. We know of no property that must be understood.
func (p *Profile) malformedTrack(props []moq.Property) error {
	if t, ok := p.mandatory(props); ok {
		return &moq.Error{
			Code: moq.CodeUnsupported, Reason: "a track with a property that must be understood",
			Err: refused(requestUnsupportedExtension, "the property %#x is not known here", t),
		}
	}
	return p.malformedNest(props)
}

// mandatory finds a property that must be understood, also inside of others.
func (p *Profile) mandatory(props []moq.Property) (t uint64, ok bool) {
	if !p.Mandatory {
		return 0, false
	}
	for _, prop := range props {
		if prop.Mandatory() {
			return prop.Type, true
		}
		if t, ok := p.mandatory(prop.Nested); ok {
			return t, true
		}
	}
	return 0, false
}

// malformedNest says whether properties inside of properties cannot be read.
func (p *Profile) malformedNest(props []moq.Property) error {
	for i := range props {
		if prop := &props[i]; prop.Type == propImmutable && prop.Nested == nil {
			if _, err := immutable(prop.Bytes, p); err != nil {
				return &moq.Error{Code: moq.CodeMalformed, Reason: "properties inside of properties", Err: moq.Errorf(moq.CodeMalformed, "%v", err)}
			}
		}
	}
	return nil
}

// malformedObject says what an object says of itself that cannot be true; last
// is the object before it on its stream, if any. Such an object makes the track
// malformed.
func (p *Profile) malformedObject(at moq.Location, props []moq.Property, last optional[uint64]) error {
	if len(props) == 0 {
		return nil
	}
	if t, ok := p.mandatory(props); ok {
		return moq.Errorf(moq.CodeMalformed, "object %d of group %d has the property %#x, which only tracks may have", at.Object, at.Group, t)
	}
	gap, _ := lookup(props, propPriorObjectIDGap)
	groups, _ := lookup(props, propPriorGroupIDGap)
	switch {
	case gap > at.Object, groups > at.Group:
		return moq.Errorf(moq.CodeMalformed, "object %d of group %d has a gap of %d objects and %d groups before it", at.Object, at.Group, gap, groups)
	case last.has && last.v >= at.Object-gap && last.v < at.Object:
		return moq.Errorf(moq.CodeMalformed, "object %d says that there is no object %d, which has come", at.Object, last.v)
	}
	return p.malformedNest(props)
}
