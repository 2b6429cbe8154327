// Package interop has the cases of the MoQ interop runner. They are played by a
// client of this module against any relay that speaks moq-transport, judge what
// the relay has answered on the wire, and are reported as TAP 14.
package interop
