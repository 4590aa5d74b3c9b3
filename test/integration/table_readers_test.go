package integration

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tableValues are float32 of all sizes, behind both signs.
var tableValues = [][]float32{
	{1, -1, 0.5, -0.25}, {0, float32(math.Copysign(0, -1)), 0.1, -0.1}, {math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32},
	{1.17549435e-38, -1.17549435e-38, 0.0001, -0.0001}, {123456.79, -123456.79, 16777216, -16777216}, {1e12, -1e12, 1e13, -1e13}, {3, 14, -159, 2653.5898},
}

// newTable mounts a store of tableValues, with ids of all lengths.
func newTable(t *testing.T) (table string, ids []uint64) {
	t.Helper()
	ids = []uint64{0, 7, 42, 1000, math.MaxInt64, 99999, 12}
	dir := t.TempDir()
	newVectors(t, filepath.Join(dir, "store.rvf"), 4, ids, tableValues)
	return serve(t, dir).path("store.rvf", "vectors", "vectors.csv"), ids
}

// wantTable is what programs find that read the table as numbers, in lines of JSON
// arrays: Python reads them, and so all digits that a program prints are looked at.
const wantTable = `import json, struct, sys
x = [struct.unpack('<4f', bytes.fromhex(row)) for row in sys.argv[3:]]
ids = json.loads(sys.argv[2])
got = [json.loads(line) for line in sys.argv[1].split('\n') if line]
assert len(got) == len(x), got
for g, i, want in zip(got, ids, x):
    assert g[0] == i and len(g) == 5, (g, i)
    for a, b in zip(g[1:], want):
        assert type(a) in (int, float), (a, b)
        assert struct.pack('<f', a) == struct.pack('<f', b) or a == b == 0, (a, b)
`

// checkTable compares what a program has read with the table's values.
func checkTable(t *testing.T, got string, ids []uint64) {
	t.Helper()
	arguments := []string{got, string(must(json.Marshal(ids))(t))}
	for _, row := range tableValues {
		arguments = append(arguments, hex.EncodeToString(rawRows(row)))
	}
	python(t, wantTable, arguments...)
}

// TestSQLiteReadsTheTable: what .import puts into columns of numbers are numbers.
// SQLite keeps what it cannot read as text even there.
func TestSQLiteReadsTheTable(t *testing.T) {
	t.Parallel()
	demandProgram(t, "sqlite3")
	table, ids := newTable(t)
	got := run(t, "sqlite3", ":memory:", "create table v(id integer, v0 real, v1 real, v2 real, v3 real)", ".import --csv --skip 1 "+table+" v",
		`select case when typeof(id) || typeof(v0) || typeof(v1) || typeof(v2) || typeof(v3) = 'integerrealrealrealreal'
			then '[' || id || printf(',%!.17g,%!.17g,%!.17g,%!.17g]', v0, v1, v2, v3) else '"text"' end from v order by rowid`)
	checkTable(t, got, ids)
	// In a table that .import makes itself all columns are text, and an id is found by
	// its digits.
	if found := run(t, "sqlite3", ":memory:", ".import --csv "+table+" v", "select count(*), v0 from v where id = '99999'"); !strings.HasPrefix(found, "1|999999995904.") {
		t.Errorf("one row by its id, as text: %q", found)
	}
}

// TestMillerReadsTheTable: Miller infers from the digits alone what a field is.
func TestMillerReadsTheTable(t *testing.T) {
	t.Parallel()
	demandProgram(t, "mlr")
	table, ids := newTable(t)
	kinds := run(t, "mlr", "--icsv", "--onidx", "put", "-q", `for (k, v in $*) { print k . " " . typeof(v) }`, table)
	for _, kind := range strings.Split(strings.TrimSpace(kinds), "\n") {
		if kind != "id int" && (kind[0] != 'v' || !strings.HasSuffix(kind, " float")) {
			t.Errorf("a field is %q", kind)
		}
	}
	checkTable(t, run(t, "mlr", "--icsv", "--onidx", "put", "-q", `print "[".$id.",".($v0 * 1).",".($v1 * 1).",".($v2 * 1).",".($v3 * 1)."]"`, table), ids)
}

// TestPythonReadsTheTable: the standard library's float takes every field.
func TestPythonReadsTheTable(t *testing.T) {
	t.Parallel()
	table, ids := newTable(t)
	checkTable(t, python(t, `import csv, json, sys
for row in list(csv.reader(open(sys.argv[1])))[1:]: print(json.dumps([int(row[0])] + [float(v) for v in row[1:]]))`, table), ids)
}

// TestRReadsTheTable: read.csv makes columns of numbers of its own accord.
func TestRReadsTheTable(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("Rscript"); err != nil {
		t.Skip("R is not installed") // half a gigabyte, and no other test needs it
	}
	table, ids := newTable(t)
	checkTable(t, run(t, "Rscript", "-e", `x <- read.csv(commandArgs(TRUE)[1], colClasses = c(id = "character"))
stopifnot(sapply(x[-1], is.numeric))
for (i in seq_len(nrow(x))) cat(sprintf("[%s,%.17g,%.17g,%.17g,%.17g]\n", x[i, 1], x[i, 2], x[i, 3], x[i, 4], x[i, 5]), sep = "")`, table), ids)
}
