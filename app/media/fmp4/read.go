package fmp4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// What is read into memory, and what is passed over.
const (
	maxHeader = 16 << 20  // moov and moof
	maxMdat   = 256 << 20 // the media of one fragment
	maxOther  = 256 << 20 // a box that is of no interest
)

// ErrTruncated says that a stream ended in the middle of a box or of a
// fragment: who made it has died.
var ErrTruncated = errors.New("fmp4: the stream ends in the middle")

// A Reader reads a stream box by box.
type Reader struct {
	r    io.Reader
	at   uint64 // bytes read
	init *Init
	next map[uint32]int64 // decode times at which tracks go on
}

// NewReader returns a Reader of r.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// An Event is what a Reader has found: Init or Fragment, the other one is nil.
type Event struct {
	Init     *Init
	Fragment *Fragment
}

// Next returns the next init segment or fragment. The error is io.EOF at the
// end of the stream, ErrTruncated where that comes too early, and of package
// fmp4 where the stream is broken; it cannot be read on then.
func (r *Reader) Next() (Event, error) {
	var pending *layout // a moof whose mdat is to come
	for {
		start := r.at
		kind, size, err := r.header()
		switch {
		case err == io.EOF && pending == nil:
			return Event{}, io.EOF
		case err == io.EOF:
			return Event{}, ErrTruncated
		case err != nil:
			return Event{}, err
		}
		switch kind {
		case "moov":
			b, err := r.body(kind, size, maxHeader)
			if err != nil {
				return Event{}, err
			}
			init, err := parseMoov(b)
			if err != nil {
				return Event{}, err
			}
			r.init, r.next = init, map[uint32]int64{}
			return Event{Init: init}, nil
		case "moof":
			b, err := r.body(kind, size, maxHeader)
			if err != nil {
				return Event{}, err
			}
			if r.init == nil {
				return Event{}, errors.New("fmp4: a fragment (moof) before the init segment (moov): begin with the start of the stream")
			}
			if pending != nil && pending.samples() > 0 {
				return Event{}, errors.New("fmp4: moof: the one before has no mdat")
			}
			if pending, err = parseMoof(b, start, r.init, r.next); err != nil {
				return Event{}, fmt.Errorf("fmp4: moof at byte %d: %w", start, err)
			}
		case "mdat":
			switch {
			case pending == nil && r.init == nil:
				return Event{}, fmt.Errorf("fmp4: %w, or its beginning is missing", errNotFragmented)
			case pending == nil:
				if err := r.pass(kind, size); err != nil {
					return Event{}, err
				}
				continue
			}
			at := r.at
			b, err := r.body(kind, size, maxMdat)
			if err != nil {
				return Event{}, err
			}
			f, err := pending.fill(b, at)
			if err != nil {
				return Event{}, fmt.Errorf("fmp4: moof: %w", err)
			}
			return Event{Fragment: f}, nil
		default:
			if !slices.Contains(passed, kind) && start == 0 {
				return Event{}, fmt.Errorf("fmp4: this is no MP4: it begins with %q", kind)
			}
			if err := r.pass(kind, size); err != nil {
				return Event{}, err
			}
		}
	}
}

// passed are boxes with which a file may begin, and that say nothing of use.
var passed = []string{"ftyp", "styp", "free", "skip", "sidx", "ssix", "prft", "emsg", "uuid", "wide", "meta", "pdin"}

// header reads the head of a box and returns how much comes after it.
func (r *Reader) header() (kind string, size uint64, err error) {
	var b [16]byte
	n, err := io.ReadFull(r.r, b[:8])
	r.at += uint64(n)
	switch {
	case err == io.EOF:
		return "", 0, err
	case err == io.ErrUnexpectedEOF:
		return "", 0, ErrTruncated
	case err != nil:
		return "", 0, err
	}
	kind, size = string(b[4:8]), uint64(binary.BigEndian.Uint32(b[:]))
	head := uint64(8)
	if size == 1 {
		n, err := io.ReadFull(r.r, b[8:])
		r.at += uint64(n)
		if err != nil {
			return "", 0, truncated(err)
		}
		size, head = binary.BigEndian.Uint64(b[8:]), 16
	}
	if size < head {
		return "", 0, fmt.Errorf("fmp4: box %s at byte %d says it has %d bytes", printable(kind), r.at-head, size)
	}
	return kind, size - head, nil
}

// body reads the body of a box. Memory is taken as it arrives.
func (r *Reader) body(kind string, size, limit uint64) ([]byte, error) {
	if size > limit {
		return nil, fmt.Errorf("fmp4: box %s has %d bytes, and %d are the limit", printable(kind), size, limit)
	}
	var b bytes.Buffer
	n, err := io.CopyN(&b, r.r, int64(size))
	r.at += uint64(n)
	if err != nil {
		return nil, truncated(err)
	}
	return b.Bytes(), nil
}

// pass reads over the body of a box.
func (r *Reader) pass(kind string, size uint64) error {
	if size > maxOther {
		return fmt.Errorf("fmp4: box %s has %d bytes, and %d are the limit", printable(kind), size, maxOther)
	}
	n, err := io.CopyN(io.Discard, r.r, int64(size))
	r.at += uint64(n)
	return truncated(err)
}

// truncated returns ErrTruncated for an end that comes too early.
func truncated(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return ErrTruncated
	}
	return err
}
