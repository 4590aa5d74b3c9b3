package integration

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"math/bits"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"rvffs/segments"
	"rvffs/store"
	"rvffs/test/integration/peer"
	"rvffs/test/integration/rawfile"
)

// TestLineageVerdicts has things happen to a parent after rvffs and the reference runtime
// have derived a store from it each, and has the command and the mount judge both children.
func TestLineageVerdicts(t *testing.T) {
	t.Parallel()
	const dimension = 8
	type verdict struct{ status, method, reason string } // a part of the reason
	verified := func(method string) verdict { return verdict{"verified", method, ""} }
	attested := func(method string) verdict { return verdict{"attested", method, "its record"} }
	const shake, fold = "shake256-manifest", "fold-tail"
	noRecord := verdict{"unmatched", "", "keeps no record"}
	continuous := verdict{"continuous", "", "goes on from the state"}
	lost := verdict{"continuous", "", "was damaged"}
	torn := func(reason string) verdict { return verdict{"parent-torn", "", reason} }
	missing := verdict{"parent-missing", "", ""}

	we := func(t *testing.T, path string, count int) {
		withEngine(t, path, func(limit context.Context, s *store.Store) error {
			_, err := s.Ingest(limit, nil, make([]float32, count*dimension))
			return err
		})
	}
	they := func(t *testing.T, process *peer.Process, path string, what func(*peer.Store) error) {
		opened := must(process.Open(path))(t)
		if err := what(opened); err != nil {
			t.Fatal(err)
		}
		if err := opened.Close(); err != nil {
			t.Fatal(err)
		}
	}
	theyCompact := func(s *peer.Store) error { _, err := s.Compact(); return err }
	theyIngest := func(s *peer.Store) error {
		_, err := s.Ingest([]uint64{1 << 20}, make([]float32, dimension))
		return err
	}
	move := func(t *testing.T, from, to string) {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	flip := func(t *testing.T, path string, at func(*rawfile.File) int) {
		file := must(rawfile.Read(path))(t)
		file.Bytes[at(file)] ^= 1
		writeFile(t, path, file.Bytes)
	}
	// forge changes a byte of a segment's payload and makes its content hash right again.
	forge := func(t *testing.T, path string, offset, at int) {
		file := must(rawfile.Read(path))(t)
		segment, known := file.At(offset)
		if !known {
			t.Fatalf("no segment at %d", offset)
		}
		segment.Payload[at] ^= 1
		crc := crc32.ChecksumIEEE(segment.Payload)
		for i := range 4 {
			binary.LittleEndian.PutUint32(file.Bytes[offset+0x28+4*i:], bits.RotateLeft32(crc, 8*i))
		}
		writeFile(t, path, file.Bytes)
	}
	firstVectors := func(file *rawfile.File, from int) int {
		for _, segment := range file.Segments {
			if segment.Type == rawfile.TypeVec {
				return segment.Offset + rawfile.HeaderSize + from
			}
		}
		return 0
	}

	for name, test := range map[string]struct {
		happens      func(t *testing.T, process *peer.Process, dir, parent string)
		ours, theirs verdict
	}{
		"nothing": {
			func(*testing.T, *peer.Process, string, string) {},
			verified(shake), verified(fold),
		},
		"we add": {
			func(t *testing.T, _ *peer.Process, _, parent string) { we(t, parent, 10) },
			verified(shake), verified(fold),
		},
		"they add": {
			func(t *testing.T, process *peer.Process, _, parent string) { they(t, process, parent, theyIngest) },
			verified(shake), verified(fold),
		},
		"they search, and leave an index": {
			func(t *testing.T, process *peer.Process, _, parent string) {
				they(t, process, parent, func(s *peer.Store) error { _, err := s.Search(make([]float32, dimension), 3); return err })
			},
			verified(shake), verified(fold),
		},
		"we compact": {
			func(t *testing.T, _ *peer.Process, _, parent string) { engineCompact(t, parent) },
			attested(shake), attested(fold),
		},
		"we add and compact, twice": {
			func(t *testing.T, _ *peer.Process, _, parent string) {
				for range 2 {
					we(t, parent, 10)
					engineCompact(t, parent)
				}
			},
			attested(shake), attested(fold),
		},
		"they compact": {
			func(t *testing.T, process *peer.Process, _, parent string) { they(t, process, parent, theyCompact) },
			continuous, noRecord,
		},
		"they compact what we have compacted": {
			func(t *testing.T, process *peer.Process, _, parent string) {
				engineCompact(t, parent)
				they(t, process, parent, theyCompact)
				they(t, process, parent, theyIngest)
			},
			attested(shake), attested(fold),
		},
		"we compact what they have compacted": {
			func(t *testing.T, process *peer.Process, _, parent string) {
				they(t, process, parent, theyCompact)
				they(t, process, parent, theyIngest)
				engineCompact(t, parent)
			},
			continuous, noRecord,
		},
		"it is renamed": {
			func(t *testing.T, _ *peer.Process, dir, parent string) {
				move(t, parent, filepath.Join(dir, "other.rvtext"))
			},
			verified(shake), verified(fold),
		},
		"it is moved": {
			func(t *testing.T, _ *peer.Process, dir, parent string) {
				if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
					t.Fatal(err)
				}
				move(t, parent, filepath.Join(dir, "folder", "parent.rvf"))
			},
			verified(shake), verified(fold),
		},
		"a copy takes its place": {
			func(t *testing.T, _ *peer.Process, dir, parent string) {
				writeFile(t, filepath.Join(dir, "copy"), readFile(t, parent))
				move(t, filepath.Join(dir, "copy"), parent)
			},
			verified(shake), verified(fold),
		},
		"an older copy takes its place": {
			func(t *testing.T, _ *peer.Process, _, parent string) {
				file := must(rawfile.Read(parent))(t)
				before := file.Manifests[len(file.Manifests)-2].Offset
				segment, _ := file.At(before)
				writeFile(t, parent, file.Bytes[:segment.End()])
			},
			torn("an older copy"), verdict{"unmatched", "", "another way"},
		},
		"it loses ten bytes": {
			func(t *testing.T, _ *peer.Process, _, parent string) {
				writeFile(t, parent, readFile(t, parent)[:len(readFile(t, parent))-10])
			},
			torn("lost its end"), torn("may have lost its end"),
		},
		"a byte of its newest manifest is flipped": {
			func(t *testing.T, _ *peer.Process, _, parent string) {
				flip(t, parent, func(file *rawfile.File) int { return file.Newest().Offset + rawfile.HeaderSize + 30 })
			},
			torn("lost its end"), torn("may have lost its end"),
		},
		"a byte of its newest manifest is flipped, and it is recovered": {
			func(t *testing.T, _ *peer.Process, _, parent string) {
				flip(t, parent, func(file *rawfile.File) int { return file.Newest().Offset + rawfile.HeaderSize + 30 })
				run(t, program, "recover", parent)
			},
			lost, verdict{"unmatched", "", "was damaged"},
		},
		"it is recovered into the very epoch that was lost, as before that was told": {
			func(t *testing.T, _ *peer.Process, _, parent string) {
				flip(t, parent, func(file *rawfile.File) int { return file.Newest().Offset + rawfile.HeaderSize + 30 })
				run(t, program, "recover", parent)
				file := must(rawfile.Read(parent))(t)
				for _, segment := range file.Segments {
					if record := bytes.Index(segment.Payload, []byte("RVDS")); segment.Type == 0x0A && record >= 0 {
						forge(t, parent, segment.Offset, record)
					}
				}
				forge(t, parent, file.Newest().Offset, 0) // of epoch 3, and then of 2
			},
			lost, verdict{"unmatched", "", "another way"},
		},
		"its end is cut off, and it is recovered and compacted": {
			func(t *testing.T, _ *peer.Process, _, parent string) {
				writeFile(t, parent, readFile(t, parent)[:len(readFile(t, parent))-10])
				run(t, program, "recover", parent)
				engineCompact(t, parent)
			},
			attested(shake), attested(fold),
		},
		"more of its end is cut off, and it is recovered and compacted": {
			func(t *testing.T, _ *peer.Process, _, parent string) {
				writeFile(t, parent, readFile(t, parent)[:len(readFile(t, parent))-80])
				run(t, program, "recover", parent)
				engineCompact(t, parent)
			},
			lost, verdict{"unmatched", "", "was damaged"},
		},
		"its newest manifest is flipped, and we compact": {
			func(t *testing.T, _ *peer.Process, _, parent string) {
				flip(t, parent, func(file *rawfile.File) int { return file.Newest().Offset + rawfile.HeaderSize + 30 })
				engineCompact(t, parent)
			},
			lost, verdict{"unmatched", "", "was damaged"},
		},
		"its newest manifest is flipped, and we add": {
			func(t *testing.T, _ *peer.Process, _, parent string) {
				flip(t, parent, func(file *rawfile.File) int { return file.Newest().Offset + rawfile.HeaderSize + 30 })
				we(t, parent, 10)
			},
			lost, verdict{"unmatched", "", "was damaged"},
		},
		"a byte of the recorded manifest is flipped, and it grows": {
			func(t *testing.T, _ *peer.Process, _, parent string) {
				at := must(rawfile.Read(parent))(t).Newest().Offset
				we(t, parent, 10)
				flip(t, parent, func(*rawfile.File) int { return at + rawfile.HeaderSize + 30 })
			},
			torn("it may be the one"), torn("it may be the one"),
		},
		"a byte of vectors is flipped that the fold covers": {
			func(t *testing.T, _ *peer.Process, _, parent string) {
				flip(t, parent, func(file *rawfile.File) int { return file.Newest().Offset - 5000 })
			},
			verified(shake), torn("the hash may cover it"),
		},
		"a byte of vectors is flipped that it does not cover": {
			func(t *testing.T, _ *peer.Process, _, parent string) {
				flip(t, parent, func(file *rawfile.File) int { return firstVectors(file, 100) })
			},
			verified(shake), verified(fold),
		},
		"its recorded manifest is changed, and hashed anew": {
			func(t *testing.T, _ *peer.Process, _, parent string) {
				at := must(rawfile.Read(parent))(t).Newest().Offset
				we(t, parent, 10)
				forge(t, parent, at, 10)
			},
			verdict{"mismatch", "", "one of the two files was changed"}, verdict{"unmatched", "", "another way"},
		},
		"the children's hashes are changed, and hashed anew": {
			func(t *testing.T, _ *peer.Process, dir, _ string) {
				for _, name := range []string{"ours.rvf", "theirs.rvf"} {
					child := filepath.Join(dir, name)
					newest := must(rawfile.Read(child))(t).Newest()
					forge(t, child, newest.Offset, len(newest.Payload)-10) // of the parent's hash
				}
			},
			verdict{"mismatch", "", "another state of the parent"}, verdict{"unmatched", "", "the hash was changed"},
		},
		"it is gone": {
			func(t *testing.T, _ *peer.Process, dir, parent string) {
				far := filepath.Join(t.TempDir(), "farther", "than", "is", "looked")
				demand(t, "make folders", os.MkdirAll(far, 0o755))
				move(t, parent, filepath.Join(far, "parent.rvf"))
			},
			missing, missing,
		},
		"another store takes its place": {
			func(t *testing.T, _ *peer.Process, _, parent string) {
				writeFile(t, parent, rawfile.NewBuilder("other", 3).Bytes)
			},
			missing, missing,
		},
		"it goes and comes back": {
			func(t *testing.T, _ *peer.Process, dir, parent string) {
				away := filepath.Join(t.TempDir(), "parent.rvf")
				move(t, parent, away)
				move(t, away, parent)
			},
			verified(shake), verified(fold),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			process := peer.Start(t)
			dir := t.TempDir()
			at := func(name string) string { return filepath.Join(dir, name) }
			run(t, program, "create", at("parent.rvf"), "--dimension", "8")
			we(t, at("parent.rvf"), 3000)
			we(t, at("parent.rvf"), 300)
			run(t, program, "derive", at("parent.rvf"), at("ours.rvf"))
			they(t, process, at("parent.rvf"), func(s *peer.Store) error {
				child, err := s.Derive(at("theirs.rvf"))
				if err != nil {
					return err
				}
				return child.Close()
			})
			test.happens(t, process, dir, at("parent.rvf"))

			arguments := []string{"verify", "--json", at("ours.rvf"), at("theirs.rvf")}
			if moved := at("folder/parent.rvf"); exists(moved) {
				arguments = append(arguments, moved)
			}
			output, err := exec.Command(program, arguments...).Output()
			if contradicts := test.ours.status == "mismatch"; (err != nil) != contradicts {
				t.Errorf("verify: %v\n%s", err, output)
			}
			var told []lineageView
			if err := json.Unmarshal(output, &told); err != nil || len(told) < 2 {
				t.Fatalf("%v\n%s", err, output)
			}
			m := serve(t, dir)
			for i, want := range []verdict{test.ours, test.theirs} {
				child := []string{"ours.rvf", "theirs.rvf"}[i]
				got := told[i].Verification
				if got.Status != want.status || got.Method != want.method || (got.Reason == "") != (want.reason == "") || !strings.Contains(got.Reason, want.reason) {
					t.Errorf("%s: %+v, want %+v", child, got, want)
				}
				if known := want.method != ""; known != (got.ParentEpoch != nil && *got.ParentEpoch == 2) {
					t.Errorf("%s: of epoch %v", child, got.ParentEpoch)
				}
				shown := must(decode[lineageView](m.path(child, "identity.json")))(t).Verification
				if shown.Status != got.Status || shown.Method != got.Method || shown.Reason != got.Reason {
					t.Errorf("%s: the mount says %+v, the command %+v", child, shown, got)
				}
			}
		})
	}
}

// TestVerdictsBesideADamagedAuditEntry: where the header of the audit entry is damaged that a child
// names, its content is there all the same: the child came from no other copy of the file.
func TestVerdictsBesideADamagedAuditEntry(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	parent, child := filepath.Join(dir, "p.rvf"), filepath.Join(dir, "c.rvf")
	run(t, program, "create", parent, "--dimension", "2")
	withVectors(t, parent, numbered(0, randomRows(1, 20, 2)))
	run(t, program, "derive", parent, child)
	withVectors(t, parent, numbered(5, randomRows(2, 20, 2)))
	run(t, program, "compact", parent)
	whole := readFile(t, parent)
	if kind := segments.Type(whole[segments.TypeOffset]); kind != segments.TypeWitness {
		t.Fatalf("the file begins with a %s", kind)
	}
	for _, at := range []uint64{0, 3, 4, segments.TypeOffset} {
		for bit := range 8 {
			damaged := bytes.Clone(whole)
			damaged[at] ^= 1 << bit
			demand(t, "damage the parent", os.WriteFile(parent, damaged, 0o600))
			if got := run(t, program, "verify", child); !strings.Contains(got, "lineage attested") {
				t.Errorf("byte %d, bit %d: %s", at, bit, got)
			}
		}
	}
}
