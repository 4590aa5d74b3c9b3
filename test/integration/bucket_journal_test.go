package integration

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"

	"rvffs/test/integration/rawfile"
)

// certainty is what close has said of a change.
type certainty uint8

const (
	never   certainty = iota // nobody has tried it
	unsure                   // there was an error, so it may be there, whole, or not
	certain                  // it was acknowledged
)

// written is a vector that a writer has given.
type written struct {
	Number uint64 // among those of the writer, from 1
	Batch  int    // among his
	Close  certainty
}

// journal is a writer's own: what close has told him. His vectors say who has given them as
// which, so that each exists once.
type journal struct {
	Writer  uint64 // from 1
	source  *rand.Rand
	count   uint64 // of vectors
	batches int

	mu      sync.Mutex
	Named   map[uint64][]written // by the id that he gave, each the later ones behind the former
	ours    []uint64             // ids that he may give again
	latest  uint64               // of those that he gave
	Deleted map[uint64]certainty // ids that were taken away, for ever
	// Unnamed are those whose ids were handed out, as spans of numbers.
	Unnamed []span

	Commits, Vectors int // that were acknowledged
}

// span is vectors whose numbers follow each other.
type span struct {
	From, To uint64
	Close    certainty
}

const (
	journalDimension = 64
	// handedOut is above all ids that writers give: the ids that the engine hands out are too.
	handedOut = 1 << 50
)

func newJournal(writer, seed uint64) *journal {
	return &journal{Writer: writer, source: rand.New(rand.NewPCG(seed, writer)), Named: map[uint64][]written{}, Deleted: map[uint64]certainty{}}
}

// vector is the one of a number. All its components are exact.
func (j *journal) vector(number uint64) []float32 {
	v := make([]float32, journalDimension)
	v[0], v[1], v[2], v[journalDimension-1] = float32(j.Writer), float32(number&0xFFFFF), float32(number>>20), 1
	return v
}

// parsed says whose vector it is, and which.
func parsed(vector []float32) (writer, number uint64) {
	return uint64(vector[0]), uint64(vector[1]) | uint64(vector[2])<<20
}

// pourNamed appends some vectors with ids, new ones and at times such as he gave before.
func (j *journal) pourNamed(path string, count int) error {
	j.mu.Lock()
	j.batches++
	batch := model{}
	for range count {
		j.count++
		id := j.Writer<<32 | j.count
		if len(j.ours) > 0 && j.source.IntN(5) == 0 {
			id = j.ours[j.source.IntN(len(j.ours))]
		}
		if _, twice := batch[id]; twice {
			continue
		}
		batch[id] = j.vector(j.count)
		j.Named[id] = append(j.Named[id], written{j.count, j.batches, unsure})
	}
	binary := j.source.IntN(3) == 0
	j.mu.Unlock()
	var err error
	if binary {
		err = pour(path+".rvf", rawfile.EncodeSegment(rawfile.TypeVec, 1, rawfile.EncodeVec(journalDimension, batch)))
	} else {
		var text strings.Builder
		for _, id := range batch.ids() {
			fmt.Fprintf(&text, "{\"id\": %d, \"vector\": [%s]}\n", id, strings.ReplaceAll(strings.Trim(fmt.Sprint(batch[id]), "[]"), " ", ","))
		}
		err = pour(path, []byte(text.String()))
	}
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for id := range batch {
		j.latest = id
		history := j.Named[id]
		history[len(history)-1].Close = certain
		if len(history) == 1 {
			j.ours = append(j.ours, id)
		}
	}
	j.Commits, j.Vectors = j.Commits+1, j.Vectors+len(batch)
	return nil
}

// pourUnnamed appends vectors as floats alone, which get ids.
func (j *journal) pourUnnamed(path string, count int) error {
	j.mu.Lock()
	from := j.count + 1
	j.count += uint64(count)
	at := len(j.Unnamed)
	j.Unnamed = append(j.Unnamed, span{from, j.count, unsure})
	rows := make([]byte, 0, count*journalDimension*4)
	for number := from; number <= j.count; number++ {
		for _, value := range j.vector(number) {
			rows = binary.LittleEndian.AppendUint32(rows, math.Float32bits(value))
		}
	}
	j.mu.Unlock()
	if err := pour(path+".f32", slices.Collect(slices.Chunk(rows, 1<<20))...); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.Unnamed[at].Close = certain
	j.Commits, j.Vectors = j.Commits+1, j.Vectors+count
	return nil
}

// has reports whether an id is still his, and was not given away.
func (j *journal) has(id uint64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Contains(j.ours, id)
}

// giveAway takes some ids that nobody gives again, so that they can be deleted: such as are
// there for sure, and are not on their way once more.
func (j *journal) giveAway(count int) (ids []uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	count = min(count, len(j.ours)/2)
	j.ours = slices.DeleteFunc(j.ours, func(id uint64) bool {
		history := j.Named[id]
		if len(ids) == count || history[len(history)-1].Close != certain {
			return false
		}
		ids = append(ids, id)
		return true
	})
	return ids
}

// pourDeletion deletes ids that were given away.
func (j *journal) pourDeletion(path string, ids []uint64) error {
	note := func(c certainty) {
		j.mu.Lock()
		defer j.mu.Unlock()
		for _, id := range ids {
			j.Deleted[id] = max(j.Deleted[id], c)
		}
	}
	note(unsure)
	err := os.WriteFile(path, fmt.Appendln(nil, strings.Trim(fmt.Sprint(ids), "[]")), 0)
	if err == nil {
		note(certain)
	}
	return err
}

// holds says what of a journal a store lacks, or has without right. Found vectors are by id;
// what belongs to a journal is taken out.
func (j *journal) holds(found model, unnamed map[uint64]uint64) error {
	var problems []error
	complain := func(format string, arguments ...any) {
		problems = append(problems, fmt.Errorf("writer %d: "+format, append([]any{j.Writer}, arguments...)...))
	}
	for id, history := range j.Named {
		vector, there := found[id]
		delete(found, id)
		last := -1 // the newest that is certain
		for i, w := range history {
			if w.Close == certain {
				last = i
			}
		}
		switch {
		case there && j.Deleted[id] == certain:
			complain("the deletion of %d was acknowledged, and it is there", id)
		case !there && last >= 0 && j.Deleted[id] == never:
			complain("%d was acknowledged, and is not there", id)
		case there:
			writer, number := parsed(vector)
			at := slices.IndexFunc(history, func(w written) bool { return w.Number == number })
			if writer != j.Writer || at < max(last, 0) {
				complain("%d is %v, and was acknowledged as %v", id, vector, history)
			}
		}
	}
	for _, s := range j.Unnamed {
		there, first := uint64(0), uint64(0) // and how many of the first ones, one behind the other
		for number := s.From; number <= s.To; number++ {
			if _, some := unnamed[number]; some {
				if there++; number-s.From == first {
					first++
				}
				delete(unnamed, number)
			}
		}
		switch count := s.To - s.From + 1; {
		case there == count:
		case s.Close == unsure && count > extentBatch && there == first: // a stream of many writes that was cut off
		case s.Close == certain:
			complain("of %d vectors from number %d that were acknowledged %d are there", count, s.From, there)
		case there > 0:
			complain("of %d vectors from number %d of one commit %d are there", count, s.From, there)
		}
	}
	for number, id := range unnamed {
		complain("nobody has given number %d, which is %d", number, id)
	}
	return errors.Join(problems...)
}

// inBatches says where batches of an error are there in part.
func (j *journal) inBatches(found model) error {
	type share struct{ there, gone int }
	batches := map[int]*share{}
	for id, history := range j.Named {
		if j.Deleted[id] != never {
			continue
		}
		// Only what came last can tell: what was replaced is not seen.
		newest := history[len(history)-1]
		if newest.Close == certain {
			continue
		}
		s := batches[newest.Batch]
		if s == nil {
			s = &share{}
			batches[newest.Batch] = s
		}
		vector, there := found[id]
		if there {
			_, number := parsed(vector)
			there = number == newest.Number
		}
		if there {
			s.there++
		} else {
			s.gone++
		}
	}
	for batch, s := range batches {
		if s.there > 0 && s.gone > 0 {
			return fmt.Errorf("writer %d: of commit %d, of which nobody was told, %d vectors are there and %d are not", j.Writer, batch, s.there, s.gone)
		}
	}
	return nil
}

// journalsHold compares what was found in a store with all that writers were told.
func journalsHold(journals []*journal, found model) error {
	named, unnamed := model{}, map[uint64]map[uint64]uint64{}
	var problems []error
	for id, vector := range found {
		if id < handedOut {
			named[id] = vector
			continue
		}
		writer, number := parsed(vector)
		if writer == 0 {
			continue // the first one
		}
		if unnamed[writer] == nil {
			unnamed[writer] = map[uint64]uint64{}
		}
		if other, twice := unnamed[writer][number]; twice {
			problems = append(problems, fmt.Errorf("writer %d: number %d is there twice, as %d and %d", writer, number, other, id))
		}
		unnamed[writer][number] = id
	}
	for _, j := range journals {
		problems = append(problems, j.inBatches(named), j.holds(named, unnamed[j.Writer]))
	}
	for id := range named {
		problems = append(problems, fmt.Errorf("nobody has given %d", id))
	}
	if len(problems) > 20 {
		problems = problems[:20]
	}
	return errors.Join(problems...)
}
