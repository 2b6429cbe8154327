package session

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/moqtgo/moqt/core/moq"
)

// carriage returns what a version can carry.
func carriage(version string) moq.Carriage { return choices([]string{version})[0].row.Carriage }

func number(t, x uint64) moq.Property { return moq.Property{Type: t, Int: x} }

// What crosses of an object, version by version.
func TestProjectObject(t *testing.T) {
	arrived := time.UnixMilli(1_700_000_000_123)
	info := moq.TrackInfo{Priority: 7, Timescale: 48_000}
	const stamp = 1_700_000_000*48_000 + 123*48
	rich := moq.ObjectHeader{ID: 9, Priority: 3, Timed: true, Timestamp: 5, Properties: []moq.Property{number(0x3c, 1), number(moq.PropTimestamp, 5)}}
	sorted := rich
	sorted.Properties = []moq.Property{rich.Properties[1], rich.Properties[0]}
	missing := moq.ObjectHeader{ID: 4, Status: moq.StatusDoesNotExist}
	last := moq.ObjectHeader{ID: 4, Status: moq.StatusEndOfGroup, Properties: []moq.Property{number(0x3c, 1)}}
	large := moq.ObjectHeader{ID: 1 << 62}
	for _, row := range []struct {
		what, from, to string
		o, want        moq.ObjectHeader
		stamped, gone  bool
		end            bool
		lost           moq.Losses
	}{
		{what: "all of it", from: "moqt-18", to: "moqt-20", o: sorted, want: sorted},
		{what: "in the order of types", from: "moq-00", to: "moqt-16", o: rich, want: sorted},
		{what: "in the order of arrival", from: "moq-00", to: "moq-00", o: rich, want: rich},
		{what: "a frame", from: "moqt-18", to: "moq-lite-05", o: rich, lost: moq.LossNumber.Of() | moq.LossProperty.Of(), want: moq.ObjectHeader{
			ID: 2, Priority: 7, Timed: true, Timestamp: 5,
		}},
		{what: "a payload", from: "moqt-18", to: "moq-lite-04", o: rich, want: moq.ObjectHeader{ID: 2, Priority: 7},
			lost: moq.LossNumber.Of() | moq.LossProperty.Of() | moq.LossTimestamp.Of()},
		{what: "a frame made of a payload", from: "moq-lite-03", to: "moq-lite-05", stamped: true, lost: moq.LossTimestamp.Of(),
			o: moq.ObjectHeader{ID: 2, Priority: 7}, want: moq.ObjectHeader{ID: 2, Priority: 7, Timed: true, Timestamp: 1_700_000_000_123}},
		{what: "an object made of a frame", from: "moq-lite-05", to: "moqt-19",
			o: moq.ObjectHeader{ID: 2, Priority: 7, Timed: true, Timestamp: 6}, want: moq.ObjectHeader{
				ID: 2, Priority: 7, Timed: true, Timestamp: 6, Properties: []moq.Property{number(moq.PropTimestamp, 6)},
			}},
		{what: "missing", from: "moq-00", to: "moq-00", o: missing, want: missing},
		{what: "missing", from: "moq-00", to: "moqt-16", o: missing, gone: true, lost: moq.LossStatus.Of()},
		{what: "missing", from: "moq-00", to: "moql", o: missing, gone: true, lost: moq.LossStatus.Of()},
		{what: "a status with properties", from: "moq-00", to: "moq-00", o: last, want: last},
		{what: "a status with properties", from: "moq-00", to: "moqt-18", o: last, lost: moq.LossProperty.Of(),
			want: moq.ObjectHeader{ID: 4, Status: moq.StatusEndOfGroup}},
		{what: "a status", from: "moqt-16", to: "moq-lite-05", o: moq.ObjectHeader{ID: 4, Status: moq.StatusEndOfTrack}, gone: true, lost: moq.LossStatus.Of()},
		{what: "a large id", from: "moqt-18", to: "moqt-19", o: large, want: large},
		{what: "a large id", from: "moqt-18", to: "moqt-16", o: large, gone: true, end: true, lost: moq.LossRange.Of()},
		{what: "a large number", from: "moqt-18", to: "moq-00", lost: moq.LossProperty.Of(),
			o:    moq.ObjectHeader{Properties: []moq.Property{number(2, 1<<63), number(4, 1)}},
			want: moq.ObjectHeader{Properties: []moq.Property{number(4, 1)}}},
		{what: "a large timestamp", from: "moqt-18", to: "moq-lite-05", stamped: true, lost: moq.LossTimestamp.Of() | moq.LossNumber.Of(),
			o: moq.ObjectHeader{Timed: true, Timestamp: 1 << 61}, want: moq.ObjectHeader{ID: 2, Priority: 7, Timed: true, Timestamp: stamp}},
	} {
		name := row.what + " from " + row.from + " to " + row.to
		x := moq.Project(carriage(row.from), carriage(row.to)).Object(&row.o, &info, arrived, 2)
		assert.Equal(t, row.lost.String(), x.Lost.String(), name)
		assert.Equal(t, row.gone, !x.OK, name)
		assert.Equal(t, row.end, x.End, name)
		assert.Equal(t, row.stamped, x.Stamped, name)
		if x.OK {
			assert.Equal(t, row.want, x.ObjectHeader, name)
		}
	}
}

// Properties inside of properties are written as each draft writes them, and
// as they came where it is the same draft.
func TestProjectNested(t *testing.T) {
	came := moq.Property{
		Type: moq.PropImmutable, Bytes: []byte{1, 2, 3}, Pairs: carriage("moq-00").Pairs,
		Nested: []moq.Property{number(8, 1), number(2, 1)},
	}
	cross := func(to string, p moq.Property) ([]moq.Property, moq.Losses) {
		x := moq.Sent(carriage(to)).Object(&moq.ObjectHeader{Properties: []moq.Property{p}}, &moq.TrackInfo{}, time.Time{}, 0)
		return x.Properties, x.Lost
	}
	same, lost := cross("moq-00", came)
	assert.Equal(t, []moq.Property{came}, same)
	assert.Zero(t, lost)
	anew, lost := cross("moqt-18", came)
	assert.Equal(t, []moq.Property{{
		Type: moq.PropImmutable, Pairs: carriage("moqt-18").Pairs, Nested: []moq.Property{number(2, 1), number(8, 1)},
	}}, anew)
	assert.Zero(t, lost)
	came.Nested[0].Int = 1 << 63
	none, lost := cross("moqt-16", came)
	assert.Empty(t, none)
	assert.Equal(t, moq.LossProperty.Of(), lost)
	came.Nested = nil // nobody could decode it
	none, lost = cross("moqt-18", came)
	assert.Empty(t, none)
	assert.Equal(t, moq.LossProperty.Of(), lost)
}

func TestProjectSubgroup(t *testing.T) {
	info := moq.TrackInfo{Priority: 7}
	third := moq.SubgroupHeader{ID: 3, Priority: 9, FirstKnown: true, EndOfGroup: true}
	frames := moq.SubgroupHeader{Priority: 7, FirstKnown: true, EndOfGroup: true, Whole: true}
	for _, row := range []struct {
		from, to     string
		h            moq.SubgroupHeader
		group, first uint64
		want         moq.SubgroupHeader
		lost         moq.Losses
		gone         bool
	}{
		{from: "moqt-18", to: "moqt-19", h: third, first: 2, want: third},
		{from: "moqt-18", to: "moqt-16", h: third, first: 2, want: moq.SubgroupHeader{ID: 3, Priority: 9, EndOfGroup: true}},
		{from: "moqt-18", to: "moq-lite-05", h: third, want: frames, lost: moq.LossSubgroup.Of()},
		{from: "moq-lite-04", to: "moq-lite-05", h: frames, want: frames},
		{from: "moq-lite-04", to: "moqt-18", h: frames, want: moq.SubgroupHeader{Priority: 7, FirstKnown: true, EndOfGroup: true}},
		{from: "moqt-20", to: "moqt-18", h: third, group: 1 << 63, want: third},
		{from: "moqt-20", to: "moq-00", h: third, group: 1 << 63, gone: true, lost: moq.LossRange.Of()},
		{from: "moqt-20", to: "moql", h: third, group: 1 << 63, gone: true, lost: moq.LossRange.Of()},
	} {
		h, lost, ok := moq.Project(carriage(row.from), carriage(row.to)).Subgroup(row.h, row.group, row.first, &info)
		assert.Equal(t, row.lost.String(), lost.String(), row)
		assert.Equal(t, row.gone, !ok, row)
		if ok {
			assert.Equal(t, row.want, h, row)
		}
	}
}

func TestProjectDatagram(t *testing.T) {
	for _, row := range []struct {
		from, to string
		id       uint64
		end      bool
		stays    bool
	}{
		{"moqt-14", "moqt-19", 3, false, true},
		{"moqt-18", "moq-lite-05", 0, true, true},
		{"moqt-18", "moq-lite-05", 0, false, false},
		{"moqt-18", "moq-lite-05", 1, true, false},
		{"moqt-18", "moq-lite-04", 0, true, false},
		{"moq-lite-05", "moqt-16", 0, true, true},
	} {
		from := row.from
		if from == "moqt-14" {
			from = "moq-00"
		}
		x := moq.Project(carriage(from), carriage(row.to)).Datagram(&moq.ObjectHeader{ID: row.id}, &moq.TrackInfo{}, time.Time{}, row.end)
		assert.Equal(t, row.stays, x.Datagram, row)
		assert.Equal(t, row.stays, !x.Lost.Has(moq.LossDatagram), row)
	}
}

func TestProjectTrack(t *testing.T) {
	props := []moq.Property{number(0x04, 2000), number(0x08, 90_000), number(0x0e, 55), number(0x22, 2), number(0x30, 1)}
	info := moq.TrackInfo{Priority: 200, Order: moq.Descending, MaxAge: 2 * time.Second, Timescale: 90_000, Properties: props}
	for _, row := range []struct {
		from, to string
		want     moq.TrackInfo
		lost     moq.Losses
	}{
		{"moqt-18", "moqt-16", info, 0},
		{"moqt-18", "moq-00", moq.TrackInfo{Priority: 127, Order: moq.Descending}, moq.LossProperty.Of()},
		{"moqt-19", "moq-lite-05", moq.TrackInfo{Priority: 200, MaxAge: 2 * time.Second, Timescale: 90_000}, moq.LossProperty.Of()},
		{"moqt-19", "moq-lite-04", moq.TrackInfo{Priority: 200, MaxAge: 2 * time.Second, Timescale: 1000}, moq.LossProperty.Of()},
		{"moqt-19", "moql", moq.TrackInfo{Priority: 127, Timescale: 1000}, moq.LossProperty.Of()},
		{"moq-lite-05", "moqt-19", moq.TrackInfo{
			Priority: 200, Order: moq.Descending, MaxAge: 2 * time.Second, Timescale: 90_000, Properties: props[:4],
		}, moq.LossProperty.Of()},
	} {
		got, lost, ok := moq.Project(carriage(row.from), carriage(row.to)).Track(info)
		assert.True(t, ok)
		assert.Equal(t, row.want, got, row)
		assert.Equal(t, row.lost.String(), lost.String(), row)
	}
	info.Properties = []moq.Property{number(0x4000, 1)}
	for to, want := range map[string]bool{"moqt-18": true, "moq-lite-05": false, "moql": false} {
		_, lost, ok := moq.Project(carriage("moqt-18"), carriage(to)).Track(info)
		assert.Equal(t, want, ok, to)
		assert.Equal(t, want, !lost.Has(moq.LossTrack), to)
	}
}
