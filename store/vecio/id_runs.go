package vecio

// idRuns are ids that are held until their rows come, as runs of consecutive ones: those
// of most stores are few.
type idRuns struct {
	runs []idRun
	at   int // the run of which take takes next
}

type idRun struct{ first, count uint64 }

// mostIDRuns bounds the memory that ids take which are in no order, to 16 MiB.
const mostIDRuns = 1 << 20

// add puts an id behind the others and reports whether there was room.
func (r *idRuns) add(id uint64) bool {
	if last := len(r.runs) - 1; last >= 0 && r.runs[last].first+r.runs[last].count == id && id != 0 {
		r.runs[last].count++
		return true
	}
	if len(r.runs) == mostIDRuns {
		return false
	}
	r.runs = append(r.runs, idRun{id, 1})
	return true
}

// take takes the next ids; nil if there are none at all.
func (r *idRuns) take(count int) []uint64 {
	if len(r.runs) == 0 {
		return nil
	}
	ids := make([]uint64, 0, count)
	for len(ids) < count {
		run := &r.runs[r.at]
		ids = append(ids, run.first)
		run.first++
		if run.count--; run.count == 0 {
			r.at++
		}
	}
	return ids
}
