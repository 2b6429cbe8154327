// Package moqt is Media over QUIC for applications: a Server that accepts
// sessions over raw QUIC and WebTransport, a Client that dials them, and a
// TrackMux through which both publish and find tracks.
//
// A publisher announces a [Broadcast] or a [TrackHandler] under a path and
// writes each frame once, however many subscribers there are. A subscriber
// asks its [Session] for a track and reads groups of frames.
package moqt
