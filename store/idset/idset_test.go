package idset

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// idOrders are kinds of ids, each with the bytes of memory that an id may take in
// a set of a million of them.
var idOrders = []struct {
	name  string
	bytes float64
	id    func(i, count uint64, random *rand.Rand) uint64
}{
	{"sequential", 0.01, func(i, _ uint64, _ *rand.Rand) uint64 { return i }},
	{"descending", 0.01, func(i, count uint64, _ *rand.Rand) uint64 { return count - i }},
	{"sequential shuffled", 0.5, func(i, count uint64, _ *rand.Rand) uint64 { return shuffled(i, count) }},
	{"every second", 3, func(i, _ uint64, _ *rand.Rand) uint64 { return 2 * i }},
	{"strided by 1000", 4, func(i, _ uint64, _ *rand.Rand) uint64 { return 1000 * i }},
	{"strided by 1000, descending from the top", 4, func(i, _ uint64, _ *rand.Rand) uint64 { return math.MaxUint64 - 1000*i }},
	{"strided by 2^40", 8.5, func(i, _ uint64, _ *rand.Rand) uint64 { return i << 40 }},
	{"random, half of a range", 3, func(_, count uint64, random *rand.Rand) uint64 { return random.Uint64N(2 * count) }},
	{"random, 32 bits", 5, func(_, _ uint64, random *rand.Rand) uint64 { return uint64(random.Uint32()) }},
	{"random, 64 bits", 9, func(_, _ uint64, random *rand.Rand) uint64 { return random.Uint64() }},
	{"random pairs", 9, func(i, count uint64, _ *rand.Rand) uint64 { return scattered(i/2) + i%2 }},
	{"clusters of about 100 in 10000", 9.5, func(_, count uint64, random *rand.Rand) uint64 {
		return scattered(random.Uint64N(count/100)) + random.Uint64N(10000)
	}},
	{"one of 64 ascending streams", 4, func(i, _ uint64, _ *rand.Rand) uint64 { return scattered(i%64)/2 + i/64*7 }},
	{"bits of all lengths", 9, func(_, _ uint64, random *rand.Rand) uint64 { return random.Uint64() >> random.Uint64N(64) }},
}

// shuffled is a permutation of the numbers below count.
func shuffled(i, count uint64) uint64 {
	const prime = 1_000_000_007
	return i * prime % count
}

// scattered spreads small numbers over all 64-bit ones.
func scattered(i uint64) uint64 {
	i = (i ^ i>>30) * 0xbf58476d1ce4e5b9
	i = (i ^ i>>27) * 0x94d049bb133111eb
	return i ^ i>>31
}

// modelSet is what an set has to be like.
type modelSet map[uint64]struct{}

func (m modelSet) sorted() []uint64 { return slices.Sorted(maps.Keys(m)) }

// check compares the set with the model and looks after what its methods rely on.
func (s *Set) check(model modelSet) error {
	want := model.sorted()
	if got := s.Ascending(); !slices.Equal(got, want) {
		return fmt.Errorf("%d ids that should be %d", len(got), len(want))
	}
	if s.Len() != uint64(len(want)) {
		return fmt.Errorf("len is %d and should be %d", s.Len(), len(want))
	}
	highest, any := s.Highest()
	if any != (len(want) > 0) || any && highest != want[len(want)-1] {
		return fmt.Errorf("highest is %d (%v)", highest, any)
	}
	for at, block := range s.blocks {
		if block.runs == 0 || block.runs > blockRuns {
			return fmt.Errorf("block %d has %d runs", at, block.runs)
		}
		if len(block.records) != int(block.runs)*block.stride()+recordSlack {
			return fmt.Errorf("block %d of %d runs has %d bytes", at, block.runs, len(block.records))
		}
		if block.bound > block.run(0).First {
			return fmt.Errorf("block %d begins below its bound", at)
		}
		if at > 0 && s.blocks[at-1].last() >= block.bound {
			return fmt.Errorf("block %d ends in the next one", at-1)
		}
		for i := 1; i < int(block.runs); i++ {
			if block.run(i).First-1 <= block.run(i-1).Last {
				return fmt.Errorf("block %d: run %d touches the next", at, i-1)
			}
		}
	}
	return nil
}

// TestIDSetLikeMap does random things to two sets and to their models.
func TestIDSetLikeMap(t *testing.T) {
	const count = 20_000
	for index, order := range idOrders {
		t.Run(order.name, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, uint64(index)))
			sets := [2]*Set{New(), New()}
			models := [2]modelSet{{}, {}}
			made := random.Uint64N(count)
			next := func() uint64 {
				if random.Uint64N(1000) == 0 {
					return []uint64{0, 1, math.MaxUint64 - 1, math.MaxUint64}[random.Uint64N(4)]
				}
				made = (made + 1) % count
				return order.id(made, count, random)
			}
			for step := range 300 {
				which := random.IntN(2)
				set, model := sets[which], models[which]
				switch action := random.IntN(20); {
				case action < 8:
					for range random.Uint64N(500) {
						id := next()
						_, known := model[id]
						if set.Contains(id) != known {
							t.Fatalf("step %d: contains(%d) is %v", step, id, !known)
						}
						if set.Insert(id) == known {
							t.Fatalf("step %d: insert(%d) is %v", step, id, known)
						}
						model[id] = struct{}{}
					}
				case action < 12:
					ids := make([]uint64, random.Uint64N(1500))
					for i := range ids {
						ids[i] = next()
						model[ids[i]] = struct{}{}
					}
					set.Add(ids)
				case action < 15:
					first, length := next(), random.Uint64N(1<<random.Uint64N(11))
					if length > 0 {
						first = min(first, math.MaxUint64-(length-1))
					}
					set.AddRun(first, length)
					for i := range length {
						model[first+i] = struct{}{}
					}
				case action < 17:
					set.Unite(sets[1-which])
					maps.Copy(model, models[1-which])
				default:
					gone := New()
					for range 1 << random.IntN(11) {
						id, length := next(), uint64(1)<<random.IntN(6)
						id = min(id, math.MaxUint64-length)
						gone.AddRun(id, length)
						for i := range length {
							delete(model, id+i)
						}
					}
					if action == 19 && random.IntN(3) == 0 {
						gone.Unite(sets[1-which])
						for id := range models[1-which] {
							delete(model, id)
						}
					}
					set.Remove(gone)
				}
				if random.IntN(12) > 0 {
					continue // a look at everything takes far longer than a step
				}
				for which := range sets {
					if err := sets[which].check(models[which]); err != nil {
						t.Fatalf("step %d, set %d: %v", step, which, err)
					}
				}
				var shared uint64
				for id := range models[0] {
					if _, both := models[1][id]; both {
						shared++
					}
				}
				if a, b := sets[0].Shared(sets[1]), sets[1].Shared(sets[0]); a != shared || b != shared {
					t.Fatalf("step %d: shared is %d and %d and should be %d", step, a, b, shared)
				}
				if random.IntN(4) > 0 {
					continue
				}
				rest := maps.Clone(models[0])
				maps.DeleteFunc(rest, func(id uint64, _ struct{}) bool { _, both := models[1][id]; return both })
				if err := sets[0].Without(sets[1]).check(rest); err != nil {
					t.Fatalf("step %d, what only one has: %v", step, err)
				}
			}
		})
	}
}

func TestIDSetWithItself(t *testing.T) {
	set := Of([]uint64{0, 1, 2, 100, math.MaxUint64})
	set.Unite(set)
	if set.Len() != 5 || set.Shared(set) != 5 {
		t.Errorf("united with itself: %d ids, %d shared", set.Len(), set.Shared(set))
	}
	set.Remove(set)
	if err := set.check(modelSet{}); err != nil {
		t.Error(err)
	}
}

// TestIDSetLongRuns: runs that no list of ids could hold.
func TestIDSetLongRuns(t *testing.T) {
	set := New()
	set.AddRun(1, math.MaxUint64)
	if set.Len() != math.MaxUint64 || set.Contains(0) || !set.Contains(1<<63) || !set.Contains(math.MaxUint64) {
		t.Errorf("all but 0: %d ids", set.Len())
	}
	half := New()
	half.AddRun(1<<63, 1<<63)
	if shared := set.Shared(half); shared != 1<<63 {
		t.Errorf("%d shared", shared)
	}
	set.Remove(half)
	if highest, _ := set.Highest(); set.Len() != 1<<63-1 || highest != 1<<63-1 {
		t.Errorf("lower half: %d ids up to %d", set.Len(), highest)
	}
	set.Unite(half)
	if set.Len() != math.MaxUint64 || set.Insert(1<<40) || !set.Insert(0) {
		t.Errorf("all but 0 again: %d ids", set.Len())
	}
}

// TestIDSetUniteLeavesOther: later changes of one set must not show in another.
func TestIDSetUniteLeavesOther(t *testing.T) {
	a, b := New(), New()
	modelA, modelB := modelSet{}, modelSet{}
	for i := range uint64(5000) {
		b.Insert(10 * i)
		modelA[10*i], modelB[10*i] = struct{}{}, struct{}{}
	}
	a.Unite(b)
	for i := range uint64(5000) {
		a.Insert(10*i + 1)
		modelA[10*i+1] = struct{}{}
		b.Insert(10*i + 2)
		modelB[10*i+2] = struct{}{}
	}
	if err := a.check(modelA); err != nil {
		t.Error(err)
	}
	if err := b.check(modelB); err != nil {
		t.Error(err)
	}
}

// TestIDSetMemory measures the memory that a set keeps, whether its ids came one
// by one, or in batches and as the union of two sets.
func TestIDSetMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("millions of ids take long")
	}
	if raceEnabled {
		t.Skip("takes minutes with the race detector, and has one goroutine")
	}
	const count = 1_000_000
	ids := make([]uint64, count)
	for _, order := range idOrders {
		random := rand.New(rand.NewPCG(1, 2))
		for i := range ids {
			ids[i] = order.id(uint64(i), count, random)
		}
		for _, way := range []struct {
			name string
			fill func() *Set
		}{
			{"insert", func() *Set {
				set := New()
				for _, id := range ids {
					set.Insert(id)
				}
				return set
			}},
			{"add and unite", func() *Set {
				set, other := New(), New()
				for part := range slices.Chunk(ids, 4096) {
					set.Add(part)
					set, other = other, set
				}
				set.Unite(other)
				return set
			}},
		} {
			before := heapInUse()
			set := way.fill()
			bytes := float64(heapInUse()-before) / float64(set.Len())
			t.Logf("%-42s %-13s %9d ids  %6.3f bytes an id", order.name, way.name, set.Len(), bytes)
			if bytes > order.bytes {
				t.Errorf("%s, %s: %.3f bytes an id, more than %.3f", order.name, way.name, bytes, order.bytes)
			}
		}
	}
}

// heapInUse is the memory of all objects that are still reachable.
func heapInUse() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// FuzzIDSet reads its input as operations on two sets.
func FuzzIDSet(f *testing.F) {
	f.Add([]byte("0aaaaaaaa1bbbbbbbb2cccccccc3dddddddd4eeeeeeee"))
	for _, order := range idOrders {
		random := rand.New(rand.NewPCG(3, 4))
		var input []byte
		for i := range uint64(300) {
			input = append(input, byte(random.IntN(256)))
			input = binary.LittleEndian.AppendUint64(input, order.id(i, 300, random))
		}
		f.Add(input)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		sets := [2]*Set{New(), New()}
		models := [2]modelSet{{}, {}}
		for ; len(input) >= 9; input = input[9:] {
			id := binary.LittleEndian.Uint64(input[1:])
			which := int(input[0] & 1)
			set, model := sets[which], models[which]
			other, otherModel := sets[1-which], models[1-which]
			switch action := input[0] >> 1; {
			case action < 4:
				set.Unite(other)
				maps.Copy(model, otherModel)
			case action < 8:
				set.Remove(other)
				for id := range otherModel {
					delete(model, id)
				}
			case action < 24:
				length := min(uint64(action)*8, math.MaxUint64-id)
				set.AddRun(id, length)
				for i := range length {
					model[id+i] = struct{}{}
				}
			default:
				_, known := model[id]
				if set.Contains(id) != known || set.Insert(id) == known {
					t.Fatalf("id %d should be known: %v", id, known)
				}
				model[id] = struct{}{}
			}
		}
		for which := range sets {
			if err := sets[which].check(models[which]); err != nil {
				t.Fatalf("set %d: %v", which, err)
			}
		}
		var shared uint64
		for id := range models[0] {
			if _, both := models[1][id]; both {
				shared++
			}
		}
		if got := sets[0].Shared(sets[1]); got != shared {
			t.Fatalf("shared is %d and should be %d", got, shared)
		}
	})
}

// BenchmarkIDSet fills sets of ten million ids in all orders.
func BenchmarkIDSet(b *testing.B) {
	const count = 10_000_000
	ids := make([]uint64, count)
	for _, order := range idOrders {
		random := rand.New(rand.NewPCG(1, 2))
		for i := range ids {
			ids[i] = order.id(uint64(i), count, random)
		}
		perID := func(b *testing.B, times int) {
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(times), "ns/id")
			b.ReportMetric(0, "ns/op")
		}
		set := New()
		b.Run(order.name+"/insert", func(b *testing.B) {
			for b.Loop() {
				set = New()
				for _, id := range ids {
					set.Insert(id)
				}
			}
			perID(b, count)
			b.StopTimer()
			with := heapInUse()
			length := set.Len()
			set = nil
			b.ReportMetric(float64(with-heapInUse())/float64(length), "B/id")
		})
		b.Run(order.name+"/add", func(b *testing.B) {
			for b.Loop() {
				set = New()
				for part := range slices.Chunk(ids, 4096) {
					set.Add(part)
				}
			}
			perID(b, count)
		})
		if set == nil {
			continue
		}
		b.Run(order.name+"/unite", func(b *testing.B) {
			left, right := New(), New()
			for part := range slices.Chunk(ids, 1000) {
				left.Add(part)
				left, right = right, left
			}
			for b.Loop() {
				b.StopTimer()
				united := New()
				united.Unite(left)
				b.StartTimer()
				united.Unite(right)
			}
			perID(b, count)
		})
		random.Shuffle(count, func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
		b.Run(order.name+"/contains", func(b *testing.B) {
			found := 0
			for b.Loop() {
				for _, id := range ids {
					if set.Contains(id) {
						found++
					}
				}
			}
			if found == 0 {
				b.Fatal("none found")
			}
			perID(b, count)
		})
	}
}
