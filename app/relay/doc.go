// Package relay is a relay for Media over QUIC: what one session publishes is
// cached and handed out to every session that wants it.
package relay
