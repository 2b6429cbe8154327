// Package fmp4 reads and writes fragmented MP4 (ISO/IEC 14496-12, and the
// CMAF profile of it, ISO/IEC 23000-19) as streams: an init segment that says
// what the tracks are, then fragments of samples.
//
// What is in a box is read and written by mp4ff. Some things are not left to it:
// the way to a box, for it goes down as deep as boxes are nested, until the
// stack overflows (it is given one box at a time that has no others in it, and
// what is of no interest it never sees); the places and times of samples that go
// on from the fragment before; sample entries, edit lists and configurations
// that pass as the bytes that they are; and codec names except for HEVC, for it
// knows some of them only. DESIGN.md has the reasons in full.
//
// What is read may come from anywhere: every size is checked before it is
// believed, memory grows with the bytes that have arrived and never with a
// count that was announced, and a broken stream is an error that says where.
package fmp4
