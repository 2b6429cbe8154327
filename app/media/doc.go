// Package media publishes encoded audio and video as broadcasts that players
// know, and reads such broadcasts back.
//
// A Publisher takes samples of tracks, opens a group at every key frame, and
// keeps two catalogs: hang's (catalog.json), for @moq/watch and its kin, and
// MSF's with CMAF packaging (catalog), for players of the IETF drafts. A Pump
// feeds it from a fragmented MP4, such as ffmpeg writes. OpenCatalog and
// Subscribe read broadcasts back, and a Recorder writes them into a file.
package media
