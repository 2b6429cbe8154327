// Package fmp4 reads and writes fragmented MP4 (ISO/IEC 14496-12, and the
// CMAF profile of it, ISO/IEC 23000-19) as streams: an init segment that says
// what the tracks are, then fragments of samples.
//
// What is read may come from anywhere: every size is checked before it is
// believed, memory grows with the bytes that have arrived and never with a
// count that was announced, and a broken stream is an error that says where.
package fmp4
