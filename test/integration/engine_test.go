package integration

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"rvffs/segments"
	"rvffs/store"
	"rvffs/store/compute"
	"rvffs/store/rows"
	"rvffs/store/rows/rowstest"
	"rvffs/store/state"
	"rvffs/store/storetest"
	"rvffs/store/vecio"
	"rvffs/store/volume/directory"
	"rvffs/test/integration/rawfile"
)

// What the tests do through the Go interface of package store, as another
// program beside a mount.

// withEngine opens a store for writing and uses it. A mount may hold the lock
// for a moment longer than its last commit; the engine waits for it.
func withEngine(t testing.TB, path string, use func(context.Context, *store.Store) error) {
	t.Helper()
	opened, err := store.Open(context.Background(), filepath.Base(path), store.Options{Shelf: storetest.Shelf(t, path), TurnWait: patience})
	if err != nil {
		t.Fatal(err)
	}
	limit, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := errors.Join(use(limit, opened), opened.Close()); err != nil {
		t.Fatal(err)
	}
}

// engineDelete deletes vectors; all of them must be live.
func engineDelete(t testing.TB, path string, ids ...uint64) {
	t.Helper()
	withEngine(t, path, func(limit context.Context, opened *store.Store) error {
		result, err := opened.Delete(limit, ids)
		if err == nil && (result.Deleted != uint64(len(ids)) || result.Missing != 0) {
			err = fmt.Errorf("of %d ids %d were deleted, %d missing", len(ids), result.Deleted, result.Missing)
		}
		return err
	})
}

// engineCompact rewrites the file.
func engineCompact(t testing.TB, path string) {
	t.Helper()
	withEngine(t, path, func(limit context.Context, opened *store.Store) error {
		_, err := opened.Compact(limit)
		return err
	})
}

// engineKernel embeds a kernel.
func engineKernel(t testing.TB, path string, image []byte, cmdline string) {
	t.Helper()
	withEngine(t, path, func(limit context.Context, opened *store.Store) error {
		header := segments.KernelHeader{Type: segments.KernelMicroLinux}
		_, err := opened.EmbedKernel(limit, bytes.NewReader(image), int64(len(image)), compute.KernelConfig{Header: header, Cmdline: cmdline})
		return err
	})
}

// engineEBPF embeds a program.
func engineEBPF(t testing.TB, path string, program, btf []byte) {
	t.Helper()
	withEngine(t, path, func(limit context.Context, opened *store.Store) error {
		_, err := opened.EmbedEBPF(limit, bytes.NewReader(program), int64(len(program)), btf, compute.EBPFConfig{})
		return err
	})
}

// engineHolds compares what the engine reads from a file with the model and with
// the independent reader.
func engineHolds(path string, want model) (err error) {
	file, err := rawfile.Read(path)
	if err != nil {
		return err
	}
	shelf, err := directory.OpenShelf(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shelf.Close()) }()
	opened, err := store.OpenReadOnly(context.Background(), filepath.Base(path), store.Options{Shelf: shelf})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	snapshot, err := opened.Snapshot(context.Background())
	if err != nil {
		return err
	}
	got := map[uint64][]float32{}
	var inOrder, inRows []byte
	err = rowstest.Visit(context.Background(), rows.Of(snapshot), func(ids []uint64, rows []byte) error {
		width := len(rows) / len(ids)
		for _, id := range ids {
			inOrder = binary.LittleEndian.AppendUint64(inOrder, id)
		}
		inRows = append(inRows, rows...)
		for i, id := range ids {
			if _, twice := got[id]; twice {
				return fmt.Errorf("id %d came twice", id)
			}
			got[id] = floats(rows[i*width : (i+1)*width])
		}
		return nil
	})
	if err == nil {
		err = errors.Join(vectorFileIs(snapshot, vecio.FileIDs, inOrder), vectorFileIs(snapshot, vecio.FileF32, inRows))
	}
	if err != nil {
		return err
	}
	status, err := opened.Status(context.Background())
	if err != nil {
		return err
	}
	newest := file.Newest()
	identity, known := opened.Identity()
	if known != (newest.Identity != nil) {
		return fmt.Errorf("identity known: %v", known)
	}
	if known {
		encoded, err := identity.AppendBinary(nil)
		if err != nil || !bytes.Equal(encoded, newest.Identity.Bytes()) {
			return fmt.Errorf("identity %+v (%v), want %+v", identity, err, newest.Identity)
		}
	}
	return errors.Join(
		want.differs(got),
		expect("live vectors", status.LiveVectors, uint64(len(want))),
		expect("distinct ids", status.TotalVectors, uint64(file.StoredIDs())),
		expect("epoch", status.Epoch, newest.Epoch),
		expect("dimension", status.Dimension, int(newest.Dimension)),
		expect("metric", status.Metric, newest.MetricName()))
}

// vectorFileIs compares a file of vectors, without what stands before its rows.
func vectorFileIs(snapshot *state.Snapshot, format vecio.FileFormat, want []byte) error {
	view, err := rows.File(context.Background(), rows.Of(snapshot), format)
	if err != nil {
		return err
	}
	reader, err := view.Open(context.Background())
	if err != nil {
		return err
	}
	got := make([]byte, view.Size())
	if n, err := reader.ReadContext(context.Background(), got, 0); n < len(got) {
		return errors.Join(fmt.Errorf("%s: %d of %d bytes: %w", format.FileName(), n, len(got), err), reader.Close())
	}
	if !bytes.HasSuffix(got, want) || len(got) > len(want) && format == vecio.FileF32 || len(got) > len(want)+128 {
		return errors.Join(fmt.Errorf("%s has %d bytes of rows, want %d, or others", format.FileName(), len(got), len(want)), reader.Close())
	}
	return reader.Close()
}

// floats decodes a row.
func floats(row []byte) []float32 {
	vector := make([]float32, len(row)/4)
	for i := range vector {
		vector[i] = math.Float32frombits(binary.LittleEndian.Uint32(row[4*i:]))
	}
	return vector
}
