package integration

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"rvffs/test/integration/rawfile"
)

// raceLength is how long a test lets people run after each other.
func raceLength(t *testing.T) time.Duration {
	return time.Duration(fromEnvironment(t, "RVFFS_ATTACK_SECONDS", 2)) * time.Second
}

// together lets loops of several people run at once, and gives their counts.
func together(length time.Duration, loops map[*person][]task) map[*person][]map[string]int {
	var mu sync.Mutex
	var all sync.WaitGroup
	counts := map[*person][]map[string]int{}
	for who, tasks := range loops {
		all.Go(func() {
			got := who.loop(length, tasks...)
			mu.Lock()
			defer mu.Unlock()
			counts[who] = got
		})
	}
	all.Wait()
	return counts
}

// enough lets loops run together, for the usual length, and again until each task of
// those who matter went well at least once: on a busy machine one may hardly get a turn.
func enough(t *testing.T, loops map[*person][]task, matter ...*person) map[*person][]map[string]int {
	t.Helper()
	sum := map[*person][]map[string]int{}
	for range 30 {
		for who, counts := range together(raceLength(t), loops) {
			if sum[who] == nil {
				sum[who] = counts
				continue
			}
			for i, ends := range counts {
				for end, count := range ends {
					sum[who][i][end] += count
				}
			}
		}
		if !slices.ContainsFunc(matter, func(who *person) bool { return starved(sum[who]) }) {
			return sum
		}
	}
	t.Errorf("some tasks never went well: %v", sum)
	return sum
}

func starved(counts []map[string]int) bool {
	return slices.ContainsFunc(counts, func(ends map[string]int) bool { return ends["ok"] == 0 })
}

// tries counts all that was done, and of that what went well.
func tries(counts []map[string]int) (all, well int) {
	for _, ends := range counts {
		for end, count := range ends {
			all += count
			if end == "ok" || end == "leak" {
				well += count
			}
		}
	}
	return all, well
}

// TestNobodySlipsThroughOthersLookups has the owner of a hidden child, and root, walk to
// it as fast as they can, so that the kernel knows the way, while alice tries to go
// there, copies its parent and takes the copy away again.
func TestNobodySlipsThroughOthersLookups(t *testing.T) {
	t.Parallel()
	parent := rawfile.NewBuilder("raced parent", 3).Vec(dimension3).Manifest()
	secret := parent.Child("raced secret").Vec(numbered(0, secretRows(5, 3))).Manifest()
	m := commons(t, []planted{
		{name: "parent.rvf", mode: 0o666, content: parent.Bytes},
		{name: "a", owner: alice, group: alice, mode: 0o755},
		{name: "hidden", owner: bob, group: bob, mode: 0o700},
		{name: "hidden/secret.rvf", owner: bob, group: bob, mode: 0o666, content: secret.Bytes},
		{name: "shared", mode: 0o777 | fs.ModeSticky},
		{name: "shared/child.rvf", owner: bob, group: bob, mode: 0o666, content: parent.Child("raced child").Bytes},
	})
	hers, hers2, his, root := newPerson(t, alice), newPerson(t, alice), newPerson(t, bob), newPerson(t, 0)
	walk := []task{
		{Verb: "stat", Args: words{m.path("parent.rvf", "secret.rvf")}}, {Verb: "list long", Args: words{m.path("parent.rvf")}},
		{Verb: "read", Args: words{m.path("parent.rvf", "secret.rvf", "raw")}}, {Verb: "list", Args: words{m.path("hidden", "secret.rvf")}},
		{Verb: "read", Args: words{m.path("parent.rvf", "identity.json")}},
	}
	var attacks []task
	for _, place := range []string{"parent.rvf/secret.rvf", "hidden/secret.rvf", "a/copy.rvf/secret.rvf", "shared/copy.rvf/secret.rvf", "a/copy.rvf/child.rvf", "shared/copy.rvf/child.rvf"} {
		attacks = append(attacks, []task{
			{Verb: "stat", Args: words{m.path(place)}}, {Verb: "list", Args: words{m.path(place)}}, {Verb: "read", Args: words{m.path(place, "raw")}},
			{Verb: "rmdir", Args: words{m.path(place)}}, {Verb: "rename", Args: words{m.path(place), m.path("a", "mine.rvf")}},
			{Verb: "write", Args: words{m.path(place, "vectors.append"), "[1,2,3]\n"}}, {Verb: "mkdir", Args: words{m.path(place, "below.rvf"), "755"}},
			{Verb: "ask", Args: words{m.path(place, "query"), `{"vector":[1,2,3]}`}}, {Verb: "chmod", Args: words{m.path(place), "777"}},
		}...)
	}
	attacks = append(attacks,
		task{Verb: "rmdir", Args: words{m.path("parent.rvf", "child.rvf")}},
		task{Verb: "rename", Args: words{m.path("parent.rvf", "child.rvf"), m.path("parent.rvf", "mine.rvf")}},
		task{Verb: "rename", Args: words{m.path("shared", "child.rvf"), m.path("shared", "mine.rvf")}},
	)
	forbidden := len(attacks)
	attacks = append(attacks,
		task{Verb: "list", Args: words{m.path("parent.rvf")}, Secrets: words{"secret"}},
		task{Verb: "list long", Args: words{m.path("parent.rvf")}, Secrets: words{"secret"}},
		task{Verb: "read", Args: words{m.path("parent.rvf", "identity.json")}, Secrets: words{"hidden"}},
		task{Verb: "list", Args: words{m.path("a", "copy.rvf")}, Secrets: words{"secret", "child"}},
		task{Verb: "read", Args: words{m.path(".rvffs", "log")}, Secrets: words{"secret", "hidden"}},
	)
	counts := enough(t, map[*person][]task{
		his: walk, root: walk, hers: attacks,
		hers2: {
			{Verb: "place", Args: words{m.backing("a", ".new"), m.backing("a", "copy.rvf"), string(parent.Bytes), "644"}},
			{Verb: "place", Args: words{m.backing("shared", ".hers"), m.backing("shared", "copy.rvf"), string(parent.Bytes), "644"}},
			{Verb: "list", Args: words{m.path("a", "copy.rvf")}}, {Verb: "list", Args: words{m.path("shared", "copy.rvf")}},
			{Verb: "rename", Args: words{m.path("a", "copy.rvf"), m.path("a", "other.rvf")}},
			{Verb: "unlink", Args: words{m.backing("a", "other.rvf")}}, {Verb: "unlink", Args: words{m.backing("shared", "copy.rvf")}},
		},
	}, his, hers2)
	for i, ends := range counts[hers] {
		if won := ends["leak"]; won > 0 || i < forbidden && ends["ok"] > 0 {
			t.Errorf("%s %q: %v", attacks[i].Verb, attacks[i].Args, ends)
		}
	}
	all, _ := tries(counts[hers])
	walked, well := tries(counts[his])
	copied, done := tries(counts[hers2])
	t.Logf("%d tries of hers; %d of %d steps of his went well, %d of %d with copies", all, well, walked, done, copied)
	if well < walked*9/10 {
		t.Errorf("too little went well: his %v", counts[his])
	}
}

// TestNamesPassBetweenUsers lets a name pass between a store that only bob may read and
// one of alice's, over and over, while he reads and writes his and she reads hers,
// with files that she opens afresh and one that she keeps open.
func TestNamesPassBetweenUsers(t *testing.T) {
	t.Parallel()
	const word = "xyzzy"
	public := rawfile.NewBuilder("passed hers", 3).Vec(dimension3).Manifest()
	secret := rawfile.NewBuilder("passed his", 3).Vec(numbered(secretID, secretRows(5, 3))).Manifest()
	m := commons(t, []planted{
		{name: "shared", mode: 0o777 | fs.ModeSticky},
		{name: "shared/x.rvf", owner: alice, group: alice, mode: 0o644, content: public.Bytes},
	})
	hers, hers2, his, his2 := newPerson(t, alice), newPerson(t, alice), newPerson(t, bob), newPerson(t, bob)
	bits := binary.LittleEndian.AppendUint32(nil, math.Float32bits(secretValue))
	secrets := words{fmt.Sprint(secretValue), string(bits), word, fmt.Sprint(secretID)}
	store := m.path("shared", "x.rvf")
	pass := func(new, mode string, content []byte) []task {
		return []task{
			{Verb: "place", Args: words{m.backing("shared", new), m.backing("shared", "x.rvf"), string(content), mode}},
			{Verb: "read", Args: words{store + "/raw"}},
			{Verb: "unlink", Args: words{m.backing("shared", "x.rvf")}},
		}
	}
	names := []string{"raw", "vectors/vectors.f32", "vectors/vectors.jsonl", "vectors/by-id/900001.json", "neighbors/900001.json", "append.log", "status.json", "identity.json", "manifest.json", "witness.jsonl"}
	reading := []task{{Verb: "open", Args: words{"question", store + "/query", fmt.Sprint(os.O_RDWR)}}}
	var his2Tasks []task
	for _, name := range names {
		reading = append(reading,
			task{Verb: "read", Args: words{store + "/" + name}, Secrets: secrets},
			task{Verb: "write to", Args: words{"question", `{"vector":[271828,2,3],"k":20}`}},
			task{Verb: "read from", Args: words{"question"}, Secrets: words{fmt.Sprint(secretID)}})
		his2Tasks = append(his2Tasks, task{Verb: "read", Args: words{store + "/" + name}})
	}
	his2Tasks = append(his2Tasks,
		task{Verb: "write", Args: words{store + "/vectors.append", "1," + word + ",2\n"}},
		task{Verb: "ask", Args: words{store + "/query", `{"vector":[1,2,3]}`}})
	counts := enough(t, map[*person][]task{
		hers2: pass(".hers", "644", public.Bytes), his: pass(".his", "600", secret.Bytes), hers: reading, his2: his2Tasks,
	}, hers2, his)
	for i, ends := range counts[hers] {
		if ends["leak"] > 0 {
			t.Errorf("%s %q: %v", reading[i].Verb, reading[i].Args, ends)
		}
	}
	all, well := tries(counts[hers])
	t.Logf("%d of %d tries of hers went well; names passed: hers %v, his %v; his use: %v", well, all, counts[hers2], counts[his], counts[his2])
}
