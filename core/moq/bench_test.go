package moq

import (
	"testing"
	"time"
)

// BenchmarkFanOut appends one frame and lets 1000 readers read it; the figures
// are for each reader.
func BenchmarkFanOut(b *testing.B) {
	const readers = 1000
	k := NewTrack(FullTrackName{}, CacheLimits{}, nil)
	var rs []*TrackReader
	for range readers {
		rs = append(rs, k.Subscribe(Subscription{}, func() {}))
	}
	frame := make([]byte, 8<<10)
	header := []byte("hd")
	var w *SubgroupWriter
	subs := make([]*SubgroupReader, readers)
	now := time.Time{}
	b.ReportAllocs()
	id := uint64(0)
	for i := 0; b.Loop(); i++ {
		if i%30 == 0 {
			if w != nil {
				_ = w.Finish(true)
			}
			now, id = now.Add(time.Second), 0
			w, _ = k.OpenSubgroup(uint64(i), SubgroupHeader{FirstKnown: true}, now)
			for j, r := range rs {
				subs[j], _, _ = r.Next()
			}
		}
		_ = w.Append(ObjectHeader{ID: id}, frame, now)
		id++
		for j, r := range rs {
			_, _, _ = r.Next()
			p, ok, _ := subs[j].Next()
			if !ok {
				b.Fatal("nothing to read")
			}
			_ = p.Encoded(1, header, len(p.Data))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/readers, "ns/reader")
}
