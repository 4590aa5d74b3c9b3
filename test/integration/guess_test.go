package integration

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"rvffs/test/integration/rawfile"
)

// writeKinds writes rows of 16 values in many ways that have no header.
const writeKinds = `
import os, pickle, sys, tarfile
import numpy as np
folder = sys.argv[1]
rows = np.random.default_rng(3).standard_normal((40, 16)).astype('<f4')
rows /= np.linalg.norm(rows, axis=1, keepdims=True)
write = lambda name, a: open(os.path.join(folder, name), 'wb').write(a if isinstance(a, bytes) else a.tobytes())
write('float32', rows); write('one', rows[:1])
write('float64', rows.astype('<f8')); write('float16', rows.astype('<f2')); write('big-endian float32', rows.astype('>f4'))
write('bfloat16', (rows.view('<u4') >> 16).astype('<u2'))
write('int32', np.arange(640, dtype='<i4')); write('int64', np.arange(640, dtype='<i8'))
write('times', (1700000000 + np.arange(640) % 7).astype('<i4')); write('milliseconds', 1700000000000 + np.arange(640) * 1000)
write('Julian days', 2460000 + np.arange(640) / 24)
beside = np.zeros(32, dtype=[('id', '<u8'), ('vector', '<f4', 16)]); beside['id'] = np.arange(32); beside['vector'] = rows[:32]; write('ids beside', beside)
write('bytes', (rows * 127).astype('i1'))
write('pickle', pickle.dumps(rows.tolist(), 4)); write('pickle of NumPy', pickle.dumps(rows, 0))
ivecs = np.random.default_rng(4).integers(0, 1000000, (40, 17)).astype('<i4'); ivecs[:, 0] = 16
write('ivecs', ivecs)
with tarfile.open(os.path.join(folder, 'tar'), 'w') as out:
    out.add(os.path.join(folder, 'float32'), 'rows')
`

// TestWhatIsNoFloat32IsRefused: bytes without a header are rows of floats only where they look
// like float32, however they are written; a name takes them all the same.
func TestWhatIsNoFloat32IsRefused(t *testing.T) {
	t.Parallel()
	demandNumpy(t)
	inputs := t.TempDir()
	run(t, "/usr/bin/python3", "-c", writeKinds, inputs)
	m := serve(t, folder(t, map[string][]byte{"a.rvf": rawfile.NewBuilder("a", 16).Bytes}))
	rows := func() int { return len(readFile(t, m.path("a.rvf", "vectors", "vectors.f32"))) / 64 }
	copies := []string{`cp "$1" "$2"`, `dd if="$1" of="$2" bs=7 status=none conv=notrunc`, `cat "$1" > "$2"`}
	stored := 0
	for name, log := range map[string]string{
		"float32": "", "one": "", "float64": "look like float64", "float16": "look like float16", "big-endian float32": "look like big-endian float32",
		"bfloat16": "look like bfloat16", "int32": "look like int32", "int64": "look like int64", "bytes": "look like bytes",
		"times": "look like int32", "milliseconds": "look like int64", "Julian days": "look like float64", "ids beside": "each row has a number before or behind",
		"pickle": "pickled by Python", "pickle of NumPy": "pickled by Python", "ivecs": "look like int32", "tar": "a tar archive",
	} {
		for _, way := range copies {
			err := exec.Command("bash", "-c", way, "bash", filepath.Join(inputs, name), m.path("a.rvf", "vectors.append")).Run()
			if log == "" {
				stored += map[string]int{"float32": 40, "one": 1}[name]
			}
			said := string(readFile(t, m.path("a.rvf", "append.log")))
			last := said[strings.LastIndexByte(strings.TrimRight(said, "\n"), '\n')+1:]
			if (err != nil) != (log != "") || !strings.Contains(last, log) || rows() != stored {
				t.Errorf("%s by %s: %v, %d rows, want %d; %s", name, way, err, rows(), stored, last)
			}
		}
	}
	shell(t, `cp "$1" "$2"`, filepath.Join(inputs, "int64"), m.path("a.rvf", "vectors.append.f32"))
	if stored += 640 * 8 / 64; rows() != stored {
		t.Errorf("by its name: %d rows, want %d", rows(), stored)
	}
}

// TestIDsOfOtherKindsDeleteNothing: what is not text is ids in uint64, and where it is not, its
// writer is told.
func TestIDsOfOtherKindsDeleteNothing(t *testing.T) {
	t.Parallel()
	m := serve(t, folder(t, map[string][]byte{"a.rvf": rawfile.NewBuilder("a", 1).Bytes}))
	shell(t, `seq 0 9 > "$1/vectors.append"`, m.path("a.rvf"))
	rows := func() int { return len(readFile(t, m.path("a.rvf", "vectors", "vectors.f32"))) / 4 }
	for name, bytes := range map[string]string{
		"int32": `\1\0\0\0\2\0\0\0\3\0\0\0`, "two int32": `\1\0\0\0\2\0\0\0`, "float64": `\0\0\0\0\0\0\360\77\0\0\0\0\0\0\0\100`,
		"big-endian": `\0\0\0\0\0\0\0\1`, "unknown": `\200\0\0\0\0\0\0\0`,
	} {
		if err := exec.Command("bash", "-c", `printf "$1" | dd of="$2" status=none conv=notrunc`, "bash", bytes, m.path("a.rvf", "vectors.delete")).Run(); err == nil || rows() != 10 {
			t.Errorf("%s: %v, %d rows are left", name, err, rows())
		}
	}
	shell(t, `printf '\357\273\2771\n2\n' > "$1/vectors.delete"; printf '\3\0\0\0\0\0\0\0' > "$1/vectors.delete"; printf '\200\0\0\0\0\0\0\0' > "$1/vectors.delete.u64"`, m.path("a.rvf"))
	if rows() != 7 {
		t.Errorf("%d rows are left, want 7", rows())
	}
}
