package compact

import (
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
)

// TestRecordsOfVeryManyStates: where one record has no room for all states, others follow,
// and the ends are in the last.
func TestRecordsOfVeryManyStates(t *testing.T) {
	t.Parallel()
	for count, want := range map[int][]int{
		0: nil, 1: {1}, lineage.MaxDropped: {lineage.MaxDropped}, lineage.MaxDropped + 5: {lineage.MaxDropped, 5},
	} {
		var d dropped
		for i := range count {
			d.manifests = append(d.manifests, lineage.DroppedState{Epoch: uint32(i)})
			d.ends.Manifest(segments.Segment{Offset: int64(i)}, uint32(i))
		}
		records, err := d.records()
		if err != nil || len(records) != len(want) {
			t.Fatalf("%d states: %d records, %v", count, len(records), err)
		}
		var bytes int64
		first := 0
		for i, record := range records {
			bytes += int64(len(record))
			read, err := lineage.ParseDropped(record)
			if err != nil || len(read.Manifests) != want[i] || read.Manifests[0].Epoch != uint32(first) {
				t.Errorf("%d states: record %d has %d, %v", count, i, len(read.Manifests), err)
			}
			ends := 0
			if i == len(records)-1 {
				ends = min(count, lineage.MaxDroppedEnds)
			}
			if len(read.Ends) != ends || ends > 0 && read.Ends[ends-1].Epoch != uint32(count-1) {
				t.Errorf("%d states: record %d has %d ends", count, i, len(read.Ends))
			}
			first += want[i]
		}
		if room := d.room(); bytes > room {
			t.Errorf("%d states: %d bytes, with room for %d", count, bytes, room)
		}
	}
}
