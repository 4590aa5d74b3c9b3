package integration

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"rvffs/test/integration/peer"
)

// neighborLine is one line of an answer.
type neighborLine struct {
	Query    int
	ID       uint64
	Distance *float64
}

// neighborLines reads an answer.
func neighborLines(t testing.TB, text string) []neighborLine {
	t.Helper()
	var lines []neighborLine
	for scanner := bufio.NewScanner(strings.NewReader(text)); scanner.Scan(); {
		var line neighborLine
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
			t.Fatalf("%v in %q", err, text)
		}
		lines = append(lines, line)
	}
	return lines
}

// ask writes a question and reads the answer from the same descriptor.
func ask(file *os.File, question string) (string, error) {
	if _, err := file.WriteString(question); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(file)
	return string(answer), err
}

// openQuery opens a store's query file.
func openQuery(t testing.TB, m *mount, name string) *os.File {
	t.Helper()
	file, err := os.OpenFile(m.path(name, "query"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

// serveLine mounts a store of dimension 2 with id i at (i, 0), for i below count.
func serveLine(t testing.TB, count int) *mount {
	t.Helper()
	m := serve(t, t.TempDir())
	run(t, program, "create", m.backing("line.rvf"), "--dimension", "2")
	appears(t, m, "line.rvf")
	rows := make([][]float32, count)
	for i := range rows {
		rows[i] = []float32{float32(i), 0}
	}
	if err := pour(m.path("line.rvf", "vectors.append"), rawRows(rows...)); err != nil {
		t.Fatal(err)
	}
	return m
}

// appears waits until a file that another program made is shown.
func appears(t testing.TB, m *mount, name string) {
	t.Helper()
	eventually(t, name+" is shown", func() error {
		_, err := os.Stat(m.path(name, "query"))
		return err
	})
}

const fiveAndTwo = `{"id":4,"distance":1}` + "\n" + `{"id":6,"distance":1}` + "\n"

// TestProgramsAsk lets shells and languages write a question and read its answer,
// each in the way that comes naturally to it.
func TestProgramsAsk(t *testing.T) {
	t.Parallel()
	m := serveLine(t, 50)
	query := m.path("line.rvf", "query")
	const twice = fiveAndTwo + `{"id":5,"distance":0}` + "\n"
	for _, test := range []struct{ name, program, script, want string }{
		{"bash", "bash", `exec 3<>"$1"; echo '{"id":5,"k":2}' >&3; cat <&3; printf '{"vector":[5,0],"k":1}' >&3; cat <&3`, twice},
		{"bash, a bad question between", "bash", `exec 3<>"$1"; echo bad question >&3; ! cat <&3 2>/dev/null; echo '{"id":5,"k":2}' >&3; cat <&3`, fiveAndTwo},
		{"bash, head", "bash", `exec 3<>"$1"; echo '{"id":5,"k":9}' >&3; head -c 22 <&3; echo '{"id":5,"k":2}' >&3; cat <&3`, fiveAndTwo[:22] + fiveAndTwo},
		{"dd", "bash", `exec 3<>"$1"; echo '{"id":5,"k":2}' | dd bs=1M status=none >&3; dd bs=7 status=none <&3`, fiveAndTwo},
		{"a question in pieces", "bash", `exec 3<>"$1"; printf '{"id"' >&3; printf ':5,' >&3; printf '"k":2}' >&3; cat <&3`, fiveAndTwo},
		{"python, a file object", "/usr/bin/python3", `
import sys
with open(sys.argv[1], "r+b") as f:
    f.write(b'{"id":5,"k":2}'); f.flush(); sys.stdout.write(f.read().decode())
    f.write(b'[5,0]'); f.flush(); sys.stdout.write(f.readline().decode())`, twice},
		{"python, without a buffer", "/usr/bin/python3", `
import sys
f = open(sys.argv[1], "r+b", buffering=0)
f.write(b'{"id":5,"k":2}'); sys.stdout.write(f.readall().decode())
f.seek(0); f.write(b'{"vector":[5,0],"k":1}'); f.seek(0); sys.stdout.write(f.readall().decode())`, twice},
		{"python, at offset 0", "/usr/bin/python3", `
import os, struct, sys
f = os.open(sys.argv[1], os.O_RDWR)
os.pwrite(f, b'{"id":5,"k":2}', 0); sys.stdout.write(os.pread(f, 4096, 0).decode())
os.pwrite(f, struct.pack("<2f", 5, 0), 0); sys.stdout.write(os.pread(f, 22, 0).decode())`, twice},
		{"node", "node", `
const fs = require("fs"); const f = fs.openSync(process.argv[1], "r+");
fs.writeSync(f, '{"id":5,"k":2}'); process.stdout.write(fs.readFileSync(f, "utf8"));
fs.writeSync(f, '{"vector":[5,0],"k":1}'); process.stdout.write(fs.readFileSync(f, "utf8"));`, twice},
		{"perl", "perl", `
use IO::Handle; open(my $f, "+<", $ARGV[0]) or die; $f->autoflush(1);
print $f '{"id":5,"k":2}'; print <$f>; seek($f, 0, 1);
print $f '{"vector":[5,0],"k":1}'; print <$f>;`, twice},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			demandProgram(t, test.program)
			arguments := []string{"-c", test.script, query}
			switch test.program {
			case "bash":
				arguments = []string{"-euo", "pipefail", "-c", test.script, "bash", query}
			case "node", "perl":
				arguments = []string{"-e", test.script, query}
			}
			if got := run(t, test.program, arguments...); got != test.want {
				t.Errorf("the answer is\n%swant\n%s", got, test.want)
			}
		})
	}
}

// TestDescriptorsDoNotMix has two conversations at once.
func TestDescriptorsDoNotMix(t *testing.T) {
	t.Parallel()
	m := serveLine(t, 50)
	a, b := openQuery(t, m, "line.rvf"), openQuery(t, m, "line.rvf")
	for _, step := range []struct {
		file     *os.File
		question string
	}{{a, `{"id":5,`}, {b, `{"id":0,"k":1}`}, {a, `"k":2}`}} {
		if _, err := step.file.WriteString(step.question); err != nil {
			t.Fatal(err)
		}
	}
	if got := string(must(io.ReadAll(b))(t)); got != `{"id":1,"distance":1}`+"\n" {
		t.Errorf("the second descriptor reads %q", got)
	}
	if got := string(must(io.ReadAll(a))(t)); got != fiveAndTwo {
		t.Errorf("the first descriptor reads %q", got)
	}
	if got, err := ask(b, "no question"); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("no question: %q, %v", got, err)
	}
	if got, err := ask(a, `{"id":5,"k":2}`); err != nil || got != fiveAndTwo {
		t.Errorf("beside it: %q, %v", got, err)
	}
}

// TestQuestionsThatAreRefused names the error of each.
func TestQuestionsThatAreRefused(t *testing.T) {
	t.Parallel()
	m := serveLine(t, 50)
	for question, want := range map[string]syscall.Errno{
		`{"id":`:              syscall.EINVAL,
		`[1,2,3]`:             syscall.EINVAL,
		`{"id":5,"k":0}`:      syscall.EINVAL,
		`{"vector":[1,null]}`: syscall.EINVAL,
		string(rawRows([]float32{1, float32(math.Inf(1))})): syscall.EINVAL,
		`{"id":50}`:                             syscall.ENOENT,
		strings.Repeat(`{"id":5,"k":65536}`, 5): syscall.EFBIG,
		strings.Repeat(" ", 16<<20+1):           syscall.EFBIG,
	} {
		if _, err := ask(openQuery(t, m, "line.rvf"), question); !errors.Is(err, want) {
			t.Errorf("%.30q: %v, want %v", question, err, want)
		}
	}
	file := openQuery(t, m, "line.rvf")
	if _, err := file.WriteAt([]byte(`{"id":5}`), 100); err != nil {
		t.Errorf("a question may begin anywhere: %v", err)
	}
	if _, err := file.WriteAt([]byte(`,`), 300); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("and must go on where it stopped: %v", err)
	}
}

// TestNothingIsAskedByAccident runs programs over the tree that know nothing of
// queries.
func TestNothingIsAskedByAccident(t *testing.T) {
	t.Parallel()
	m := serveLine(t, 50)
	shell(t, `cat "$1/query"; echo hi > "$1/query"; echo hi >> "$1/query"; cp /dev/null "$1/query"; touch "$1/query"
		! grep -r nosuchword "$1"; tar -cf - -C "$1" . | tar -tf - | grep -x ./neighbors/; ls -lR "$1" > /dev/null
		find "$1" -type f -size -1000M > /dev/null; [ -z "$(ls "$1/neighbors")" ]; du -a "$1" > /dev/null`, m.path("line.rvf"))
	if strings.Contains(m.log(), "query") {
		t.Errorf("the log speaks of queries:\n%s", m.log())
	}
}

// TestNeighborFiles reads what stands beside each vector.
func TestNeighborFiles(t *testing.T) {
	t.Parallel()
	m := serveLine(t, 50)
	path := func(name string) string { return m.path("line.rvf", "neighbors", name) }
	info := must(os.Stat(path("5.json")))(t)
	text := readFile(t, path("5.json"))
	if info.Size() != int64(len(text)) || info.Mode() != 0o444 {
		t.Errorf("%d bytes of mode %v, and %d to be read", info.Size(), info.Mode(), len(text))
	}
	lines := neighborLines(t, string(text))
	if len(lines) != 10 || !strings.HasPrefix(string(text), fiveAndTwo) {
		t.Errorf("the neighbors of 5 are\n%s", text)
	}
	for _, name := range []string{"05.json", "+5.json", "5", "5.json.gz", "-1.json", "50.json", "18446744073709551616.json", ".json", "x.json"} {
		if _, err := os.Stat(path(name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	open := must(os.Open(path("5.json")))(t)
	defer open.Close()
	if err := pour(m.path("line.rvf", "vectors.append"), []byte(`{"id":70,"vector":[5,0.5]}`)); err != nil {
		t.Fatal(err)
	}
	if got := neighborLines(t, string(readFile(t, path("5.json")))); got[0].ID != 70 || *got[0].Distance != 0.25 {
		t.Errorf("after the commit the nearest is %+v", got[0])
	}
	if got := string(must(io.ReadAll(open))(t)); got != string(text) {
		t.Errorf("a file that was open before reads\n%s", got)
	}
	if again := must(os.Stat(path("5.json")))(t); again.Sys().(*syscall.Stat_t).Ino != info.Sys().(*syscall.Stat_t).Ino {
		t.Error("the inode number changed with the commit")
	}
	other := must(os.Stat(path("6.json")))(t)
	if os.SameFile(info, other) {
		t.Error("two files have the same inode number")
	}
	wantErrno(t, "writing", os.WriteFile(path("5.json"), nil, 0), syscall.EPERM)
	wantErrno(t, "making", os.Mkdir(path("new"), 0o755), syscall.EPERM)
}

// TestAnswersAgreeWithPeer compares all distances with the reference runtime's.
func TestAnswersAgreeWithPeer(t *testing.T) {
	t.Parallel()
	for metric, peerMetric := range map[string]string{"l2": "l2", "ip": "inner_product", "cosine": "cosine"} {
		t.Run(metric, func(t *testing.T) {
			t.Parallel()
			process := peer.Start(t)
			for _, dimension := range []int{1, 3, 33, 384} {
				dir := t.TempDir()
				path := filepath.Join(dir, "peer.rvf")
				stored := numbered(10, randomRows(uint64(dimension), 300, dimension))
				stored[1], stored[2] = make([]float32, dimension), make([]float32, dimension)
				for i := range dimension {
					stored[2][i] = 1000 * float32(i+1)
				}
				stored[3], stored[4] = stored[10], stored[10] // ties
				store := must(process.Create(path, dimension, peerMetric))(t)
				must(store.Ingest(stored.ids(), stored.flat()))(t)
				must(store.Delete([]uint64{11, 12}))(t)
				asked := append(randomRows(77, 3, dimension), stored[1], stored[2], stored[10])
				var question []byte
				for _, vector := range asked {
					line := must(json.Marshal(map[string]any{"vector": vector, "k": 1000}))(t)
					question = append(append(question, line...), '\n')
				}
				input := writeFile(t, filepath.Join(dir, "question"), question)
				got := neighborLines(t, shell(t, `"$1" query "$2" - --json < "$3"`, program, path, input))
				for i, vector := range asked {
					want := map[uint64]float64{}
					for _, neighbor := range must(store.Query(vector, 1000))(t) {
						want[neighbor.ID] = neighbor.Distance
					}
					previous := neighborLine{ID: 0, Distance: new(math.Inf(-1))}
					count := 0
					for _, line := range got {
						if line.Query != i {
							continue
						}
						count++
						theirs, known := want[line.ID]
						// The peer adds up in float32, and of a product may lose much
						// where its terms cancel.
						tolerance := 1e-5 * max(1, math.Abs(theirs))
						if metric == "ip" {
							tolerance += 1e-6 * norm(vector) * norm(stored[line.ID])
						}
						if !known || !(math.Abs(*line.Distance-theirs) <= tolerance) {
							t.Errorf("dimension %d, query %d: id %d is at %v, the peer says %v", dimension, i, line.ID, *line.Distance, theirs)
						}
						if *line.Distance < *previous.Distance || *line.Distance == *previous.Distance && line.ID < previous.ID {
							t.Errorf("dimension %d, query %d: id %d stands behind %d", dimension, i, line.ID, previous.ID)
						}
						previous = line
					}
					if count != len(want) || count != len(stored)-2 {
						t.Errorf("dimension %d, query %d: %d neighbors, the peer has %d", dimension, i, count, len(want))
					}
				}
				if err := store.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// norm is a vector's length.
func norm(vector []float32) float64 {
	sum := 0.0
	for _, value := range vector {
		sum += float64(value) * float64(value)
	}
	return math.Sqrt(sum)
}

// TestQueryCommand runs it in each of its ways.
func TestQueryCommand(t *testing.T) {
	t.Parallel()
	m := serveLine(t, 50)
	path := m.backing("line.rvf")
	const table = "  id  distance\n   4         1\n   6         1\n"
	for _, arguments := range [][]string{{"--id", "5", "-k", "2"}, {"--vector", "[5,0]", "-k", "3"}} {
		got := run(t, program, append([]string{"query", path}, arguments...)...)
		if got = strings.Replace(got, "   5         0\n", "", 1); got != table {
			t.Errorf("%q prints\n%s", arguments, got)
		}
	}
	if got := run(t, program, "query", path, "--id", "5", "-k", "2", "--json"); got != fiveAndTwo {
		t.Errorf("as JSON it prints\n%s", got)
	}
	for _, arguments := range [][]string{{}, {"--id", "5", "-"}, {"--id", "5", "--vector", "[1,2]"}, {"x"}, {"--id", "99"}, {"--vector", "[1]"}, {"--vector", "nonsense"}, {"--id", "1", "-k", "0"}} {
		if got := try(t, program, append([]string{"query", path}, arguments...)...); got.code == 0 || got.stdout != "" {
			t.Errorf("%q: exit status %d, %q", arguments, got.code, got.stdout)
		}
	}
	got := shell(t, `printf '[5,0]\n{"id":5,"k":1}' | "$1" query "$2" - -k 1`, program, path)
	if want := fmt.Sprintf("  query  id  distance\n%s%s", "      0   5         0\n", "      1   4         1\n"); got != want {
		t.Errorf("two queries print\n%s", got)
	}
}
