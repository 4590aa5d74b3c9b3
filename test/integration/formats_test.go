package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"rvffs/test/integration/rawfile"
)

// numpyPrelude is what the programs of these tests begin with: rows are the 101
// vectors, stream is the file to write to, scratch a name for a file of their own.
const numpyPrelude = `
import sys, numpy
rows = numpy.fromfile(sys.argv[1], dtype="<f4").reshape(-1, 3)
stream, scratch = sys.argv[2], sys.argv[3]
def save(array, name=stream):
    with open(name, "wb") as out:
        numpy.save(out, array)
`

// halfRows are rows of values that a float16 can hold.
func halfRows() [][]float32 {
	var rows [][]float32
	for i := range 101 {
		rows = append(rows, []float32{float32(i-50) / 8, float32(i*i%64) / 1024, -1.5})
	}
	return rows
}

// TestNumPyWrites appends the same rows with each of the ways that NumPy has.
func TestNumPyWrites(t *testing.T) {
	t.Parallel()
	demand(t, "numpy", exec.Command("/usr/bin/python3", "-c", "import numpy").Run())
	rows := halfRows()
	ids := make([]uint64, len(rows))
	for i := range ids {
		ids[i] = uint64(7 + 3*i)
	}
	cases := map[string]struct {
		python string
		shell  string // afterwards: $1 is the scratch file, $2 the stream
		known  bool   // whether the store's dimension is known before
		ids    bool   // whether the rows come with the ids 7, 10, 13 …
	}{
		"tofile":         {python: `rows.tofile(stream)`, known: true},
		"several arrays": {python: `save(rows[:1]); save(rows[1:], scratch)`, shell: `cat "$1" >> "$2"`},
		"one file of two": {
			python: `save(rows[:40], scratch); out = open(scratch, "ab"); numpy.save(out, rows[40:].astype(">f8")); out.close()`,
			shell:  `cp "$1" "$2"`},
		"vectors one by one": {python: `out = open(stream, "wb")
for row in rows:
    numpy.save(out, row)
out.close()`},
		"by name":            {python: `numpy.save(stream, rows)`}, // which adds .npy to the name
		"an empty one":       {python: `save(rows); save(rows[:0])`},
		"savetxt":            {python: `numpy.savetxt(stream, rows)`},
		"savetxt, header":    {python: `numpy.savetxt(stream, rows, header="x y z\n and more", footer="end")`},
		"savetxt, commas":    {python: `numpy.savetxt(stream, rows, fmt="%.9g", delimiter=",")`},
		"savetxt, width":     {python: `numpy.savetxt(stream, rows, fmt="%16.9g", delimiter=";", newline="\r\n")`},
		"savetxt, tabs":      {python: `numpy.savetxt(stream + ".tsv", rows, delimiter="\t")`},
		"savetxt, cp":        {python: `numpy.savetxt(scratch, rows, delimiter=",")`, shell: `cp "$1" "$2".csv`},
		"cut in a line":      {python: `numpy.savetxt(scratch, rows)`, shell: `{ head -c 1001 "$1"; tail -c +1002 "$1"; } > "$2"`},
		"no last line feed":  {python: `numpy.savetxt(scratch, rows)`, shell: `printf %s "$(cat "$1")" > "$2"`},
		"ids in a column":    {python: `numpy.savetxt(stream, numpy.column_stack([range(7, 310, 3), rows]), fmt=["%d"] + 3 * ["%.9g"], header="id x1 x2 x3")`, ids: true},
		"ids under a header": {python: `numpy.savetxt(stream, numpy.column_stack([rows, range(7, 310, 3)]), fmt=3 * ["%.9g"] + ["%d"], delimiter=",", header="x1,x2,x3,ID", comments="")`, ids: true},
		"fvecs": {python: `
table = numpy.empty((len(rows), 4), dtype="<i4")
table[:, 0], table[:, 1:] = 3, rows.view("<i4")
table.tofile(stream)`},
		"fvecs by name": {python: `
table = numpy.empty((len(rows), 4), dtype="<i4")
table[:, 0], table[:, 1:] = 3, rows.view("<i4")
table.tofile(scratch)`, shell: `cp "$1" "$2".fvecs`},
	}
	for _, dtype := range []string{"<f2", ">f2", "<f4", ">f4", "<f8", ">f8"} {
		c := cases["tofile"]
		c.known = false
		c.python = `save(rows.astype("` + dtype + `"))`
		cases["save "+dtype] = c
		c.python, c.shell = `save(rows.astype("`+dtype+`"), scratch)`, `cp "$1" "$2"`
		cases["save and cp "+dtype] = c
	}

	files := map[string][]byte{}
	for name, c := range cases {
		if c.known {
			files[name+".rvf"] = rawfile.NewBuilder(name, 3).Bytes
		}
	}
	m := serve(t, folder(t, files))
	inputs := t.TempDir()
	source := writeFile(t, filepath.Join(inputs, "rows"), rawRows(rows...))
	want, wantIDs := numbered(0, rows), model{}
	for i, id := range ids {
		wantIDs[id] = rows[i]
	}
	t.Run("ways", func(t *testing.T) {
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				if !c.known {
					if err := os.Mkdir(m.path(name+".rvf"), 0o755); err != nil {
						t.Fatal(err)
					}
				}
				stream, scratch := m.path(name+".rvf", "vectors.append"), filepath.Join(inputs, name)
				run(t, "/usr/bin/python3", "-c", numpyPrelude+c.python, source, stream, scratch)
				if c.shell != "" {
					shell(t, c.shell, scratch, stream)
				}
				want := want
				if c.ids {
					want = wantIDs
				}
				if err := fileHolds(m.backing(name+".rvf"), want); err != nil {
					t.Error(err)
				}
			})
		}
	})
}

// TestNumPyRefused writes arrays that are no vectors of the store.
func TestNumPyRefused(t *testing.T) {
	t.Parallel()
	demand(t, "numpy", exec.Command("/usr/bin/python3", "-c", "import numpy").Run())
	m := smallStore(t)
	source := writeFile(t, filepath.Join(t.TempDir(), "rows"), rawRows(halfRows()...))
	for name, array := range map[string]string{
		"ids":             `numpy.arange(3, dtype="<u8")`,
		"bool":            `rows > 0`,
		"Fortran order":   `numpy.asfortranarray(rows)`,
		"other dimension": `rows[:, :2]`,
		"flat":            `rows.ravel()`,
		"structured":      `numpy.zeros(3, dtype=[("id", "<u8"), ("x", "<f4")])`,
		"too large":       `numpy.full((2, 3), 1e39)`,
		"NaN":             `numpy.full((2, 3), numpy.nan, dtype=">f2")`,
	} {
		t.Run(name, func(t *testing.T) {
			stream := m.path("store.rvf", "vectors.append")
			got := try(t, "/usr/bin/python3", "-c", numpyPrelude+"save("+array+")", source, stream, "")
			wantRefusal(t, got, syscall.EINVAL)
			if err := fileHolds(m.backing("store.rvf"), dimension3); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTablesByHand writes small tables, good and bad, as people do.
func TestTablesByHand(t *testing.T) {
	t.Parallel()
	m := smallStore(t)
	stream := m.path("store.rvf", "vectors.append")
	want := model{3: {1, 2, 3}, 9: {4, 5, 6}, 10: {7, 8, 9}, 11: {1, 1, 1}}
	want.put(dimension3)
	for _, good := range []string{"1,2,3", "id,a1,a2,a3\n9,4,5,6\n", "0 1 2\n7.0 8 9\n", "1\t1\t1\n"} {
		shell(t, `printf %s "$1" > "$2"`, good, stream)
	}
	for _, bad := range []string{"1,2\n", "id,v0,v1,v2\nfive,4,5,6\n", "doc,v0,v1,v2\n9,4,5,6\n", "a,b,c\n", "id,x,y,z\n9,4,5,6\n", "1,2,x\n", "1,2,nan\n", "1,2,3\n4,5\n", "words that are neither a table nor twelve bytes of floats, however long they may be\n"} {
		wantRefusal(t, tryShell(t, `printf %s "$1" | dd of="$2" conv=notrunc status=none`, bad, stream), syscall.EINVAL)
	}
	log := appendLog(t, m.path("store.rvf"))
	if !slices.ContainsFunc(log, func(l appendLine) bool { return l.Line == 2 && l.Format == "csv" }) {
		t.Errorf("append.log names no line of a table: %+v", log)
	}
	if err := fileHolds(m.backing("store.rvf"), want); err != nil {
		t.Error(err)
	}
}

// TestKilledWriterOfTable kills a program in the middle of a line, which could be
// a whole one for all that can be seen: it is dropped.
func TestKilledWriterOfTable(t *testing.T) {
	t.Parallel()
	demandProgram(t, "python3")
	m := smallStore(t)
	run(t, "bash", "-c", `python3 -c 'import os, signal, sys
out = open(sys.argv[1], "wb", buffering=0)
out.write(b"7,8,9\n1,2,3")
os.kill(os.getpid(), signal.SIGKILL)' "$1" || true`, "bash", m.path("store.rvf", "vectors.append"))
	want := model{3: {7, 8, 9}}
	want.put(dimension3)
	eventually(t, "the whole line is there", func() error { return fileHolds(m.backing("store.rvf"), want) })
}
