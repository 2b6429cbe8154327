package moqt

import (
	"github.com/moqtgo/moqt/core/dialect"
	"github.com/moqtgo/moqt/core/lite"
	"github.com/moqtgo/moqt/core/moq"
	"github.com/moqtgo/moqt/core/route"
	"github.com/moqtgo/moqt/ports/quic"
)

// The nouns, from package core/moq: see there for their contracts.
type (
	// A Path names a broadcast: fields that are joined by "/".
	Path = moq.Path
	// A FullTrackName is the path of a broadcast and the name of a track.
	FullTrackName = moq.FullTrackName
	// A Location is a group and an object in it.
	Location = moq.Location
	// TrackInfo is what a publisher says of a whole track.
	TrackInfo = moq.TrackInfo
	// A Subscription is what a subscriber wants of a track.
	Subscription = moq.Subscription
	// Demand is what all subscribers of a track want together.
	Demand = moq.Demand
	// From says where a subscription starts.
	From = moq.From
	// Order is the order in which groups are wanted.
	Order = moq.Order
	// A Frame is a payload and, perhaps, its timestamp.
	Frame = moq.Frame
	// A Track is the log of one track.
	Track = moq.Track
	// A Backlog is how far the readers of a Track are behind.
	Backlog = moq.Backlog
	// A TrackReader is one subscription: it yields groups.
	TrackReader = moq.TrackReader
	// A GroupReader yields the frames of a group.
	GroupReader = moq.GroupReader
	// A GroupWriter writes the frames of a group.
	GroupWriter = moq.GroupWriter
	// A FetchRequest asks for a range of the past.
	FetchRequest = moq.FetchRequest
	// An ObjectReader yields what a FetchRequest asked for.
	ObjectReader = moq.ObjectReader
	// Found is one answer of an ObjectReader.
	Found = moq.Found
	// An Object is the smallest unit of a track.
	Object = moq.Object
	// A Property is a key and value of a track or object.
	Property = moq.Property
	// A Probe is an estimate of the path to the peer.
	Probe = moq.Probe
	// A ProbeReader yields estimates.
	ProbeReader = moq.ProbeReader
	// CacheLimits bound what a track keeps.
	CacheLimits = moq.CacheLimits
	// Error is a failure with a Code.
	Error = moq.Error
	// A RefusalError is what else a peer says of a request that it refuses: find it
	// with errors.As.
	RefusalError = moq.RefusalError
	// A Redirect is where else a request may succeed.
	Redirect = moq.Redirect
	// Code says why something failed, whatever the dialect.
	Code = moq.Code

	// An Announcement is a change of a broadcast.
	Announcement = route.Announcement
	// An AnnounceReader yields the broadcasts below a prefix.
	AnnounceReader = route.AnnounceReader
	// Change is what happened to a broadcast.
	Change = route.Change
	// Op is what a session wants to do with a path.
	Op = route.Op
	// Loss is a way in which something of a track does not cross from one
	// version to another.
	Loss = moq.Loss
	// LossCounts count what did not cross, by Loss.
	LossCounts = moq.LossCounts
	// MuxStats count what a TrackMux holds.
	MuxStats = route.Stats

	// Limits bound what a peer may make us hold.
	Limits = dialect.Limits

	// ErrorCode is an error code on the wire.
	ErrorCode = quic.ErrorCode
	// ConnError says how a session ended; the cause of its Context.
	ConnError = quic.ConnError
	// Stats are figures of a connection.
	Stats = quic.Stats
)

// Where a subscription starts. Over moq-lite, which does not say what the newest
// group is, FromNext and FromLargest start with the group that arrives first.
const (
	FromLatest   = moq.FromLatest
	FromNext     = moq.FromNext
	FromLargest  = moq.FromLargest
	FromAbsolute = moq.FromAbsolute
)

// In which order groups are wanted.
const (
	Descending = moq.Descending
	Ascending  = moq.Ascending
)

// What happened to a broadcast.
const (
	Active   = route.Active
	Ended    = route.Ended
	Replaced = route.Replaced
	Rerouted = route.Rerouted
)

// What does not cross between versions.
const (
	LossSubgroup  = moq.LossSubgroup
	LossNumber    = moq.LossNumber
	LossStatus    = moq.LossStatus
	LossProperty  = moq.LossProperty
	LossTimestamp = moq.LossTimestamp
	LossDatagram  = moq.LossDatagram
	LossRange     = moq.LossRange
	LossStart     = moq.LossStart
	LossTrack     = moq.LossTrack
	LossName      = moq.LossName
)

// What a session wants to do.
const (
	OpPublish   = route.OpPublish
	OpSubscribe = route.OpSubscribe
	OpWatch     = route.OpWatch
)

// Why something failed.
const (
	CodeInternal     = moq.CodeInternal
	CodeCanceled     = moq.CodeCanceled
	CodeNotFound     = moq.CodeNotFound
	CodeUnauthorized = moq.CodeUnauthorized
	CodeTimeout      = moq.CodeTimeout
	CodeOld          = moq.CodeOld
	CodeDropped      = moq.CodeDropped
	CodeReplaced     = moq.CodeReplaced
	CodeEvicted      = moq.CodeEvicted
	CodeLagged       = moq.CodeLagged
	CodeDuplicate    = moq.CodeDuplicate
	CodeTooLarge     = moq.CodeTooLarge
	CodeTooMany      = moq.CodeTooMany
	CodeMalformed    = moq.CodeMalformed
	CodeUnsupported  = moq.CodeUnsupported
	CodeClosed       = moq.CodeClosed
	CodeRange        = moq.CodeRange
)

// One error for each Code, for errors.Is.
var (
	ErrInternal     = moq.ErrInternal
	ErrCanceled     = moq.ErrCanceled
	ErrNotFound     = moq.ErrNotFound
	ErrUnauthorized = moq.ErrUnauthorized
	ErrTimeout      = moq.ErrTimeout
	ErrOld          = moq.ErrOld
	ErrDropped      = moq.ErrDropped
	ErrReplaced     = moq.ErrReplaced
	ErrEvicted      = moq.ErrEvicted
	ErrLagged       = moq.ErrLagged
	ErrDuplicate    = moq.ErrDuplicate
	ErrTooLarge     = moq.ErrTooLarge
	ErrTooMany      = moq.ErrTooMany
	ErrMalformed    = moq.ErrMalformed
	ErrUnsupported  = moq.ErrUnsupported
	ErrClosed       = moq.ErrClosed
	ErrRange        = moq.ErrRange
)

// Codes with which a session is refused or ended. No draft assigns numbers
// for all of these; they are those of the most widespread implementation.
const (
	SessionNoError      = lite.CodeCancel
	SessionTimeout      = lite.CodeTimeout
	SessionInternal     = lite.CodeTransport
	SessionUnauthorized = lite.CodeUnauthorized
	SessionNotFound     = lite.CodeNotFound
)

// PathOf returns the Path of the given fields.
func PathOf(fields ...string) Path { return moq.PathOf(fields...) }

// ParsePath returns the Path of a slash-separated name: slashes at both ends
// are dropped and runs of slashes collapse.
func ParsePath(slashed string) Path { return moq.ParsePath(slashed) }

// Errorf returns an Error with a formatted reason.
func Errorf(c Code, format string, args ...any) *Error { return moq.Errorf(c, format, args...) }

// GroupFetch returns the request for one whole group; priority 255 is first.
func GroupFetch(path Path, track string, group uint64, priority uint8) FetchRequest {
	return moq.GroupFetch(nameOf(path, track), group, priority)
}

// nameOf lets users write a path with slashes at its ends. Paths with escapes
// are in their canonical form already.
func nameOf(path Path, track string) FullTrackName {
	return FullTrackName{Path: clean(path), Name: track}
}

func clean(p Path) Path {
	for i := range len(p) {
		if p[i] == '\\' {
			return p
		}
	}
	return moq.ParsePath(string(p))
}
