package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"rvffs/segments"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// headerStore is a store of two segments of vectors, its bytes, and where the first
// segment stands.
func headerStore(t *testing.T) (files *volumes.Files, whole []byte, offset int64) {
	t.Helper()
	files = volumes.New()
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	bring(t, s, []uint64{7, 8}, 1, 2, 3, 4)
	bring(t, s, []uint64{9}, 5, 6)
	offset = s.Current().Vectors()[0].Offset
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return files, bytes.Clone(files.Content("a.rvf")), offset
}

// damagedStore opens the store with other bytes.
func damagedStore(t *testing.T, files *volumes.Files, content []byte) *Store {
	t.Helper()
	file, err := files.Open("a.rvf", true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt(content, 0); err != nil {
		t.Fatal(err)
	}
	s, err := Open(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}})
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	return closedAtEnd(t, s)
}

// TestRecoverHeaders flips one bit of each byte of a header that the manifest knows.
// Appends and verifications name the remedy, a list changes nothing, and the remedy
// brings back the very bytes that were there.
func TestRecoverHeaders(t *testing.T) {
	t.Parallel()
	for _, at := range []int64{0, 1, 2, 3, 4, 5, 16, 17, 20, 23} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			t.Parallel()
			files, whole, offset := headerStore(t)
			damaged := bytes.Clone(whole)
			damaged[offset+at] ^= 4
			s := damagedStore(t, files, damaged)
			if _, err := s.Ingest(context.Background(), nil, []float32{1, 1}); err == nil || !strings.Contains(err.Error(), "rvffs recover a.rvf") {
				t.Errorf("append: %v", err)
			}
			if found, err := s.Verify(context.Background()); err != nil || found.Damages == 0 || !strings.Contains(fmt.Sprint(found.Findings), "rvffs recover a.rvf") {
				t.Errorf("verify: %+v, %v", found, err)
			}
			for _, list := range []bool{true, false} {
				repairs, err := s.RecoverHeaders(context.Background(), list)
				if err != nil || len(repairs) != 1 || !repairs[0].Whole || repairs[0].Offset != offset || repairs[0].Type != "vec" {
					t.Errorf("list %t: %+v, %v", list, repairs, err)
				}
				if list && !bytes.Equal(files.Content("a.rvf"), damaged) {
					t.Error("a list changes the file")
				}
			}
			if !bytes.Equal(files.Content("a.rvf"), whole) {
				t.Error("it is not the file that it was")
			}
			if result, err := s.Ingest(context.Background(), nil, []float32{1, 1}); err != nil || result.Accepted != 1 {
				t.Errorf("append: %+v, %v", result, err)
			}
			if got := contents(t, s); len(got) != 4 || got[10] == nil || got[7][1] != 2 {
				t.Errorf("%v", got)
			}
			if repairs, err := s.RecoverHeaders(context.Background(), false); err != nil || len(repairs) > 0 {
				t.Errorf("once more: %+v, %v", repairs, err)
			}
		})
	}
}

// TestFlippedBitsOfHeaders says for each bit of a header what verify makes of it, and what
// recover: whatever is damage to the one is told by the other, and mended or left.
func TestFlippedBitsOfHeaders(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	files, whole, offset := headerStore(t)
	for bit := range int64(8 * segments.HeaderSize) {
		damaged := bytes.Clone(whole)
		damaged[offset+bit/8] ^= 1 << (bit % 8)
		damages, notes, mended := 1, 0, true
		switch at := bit / 8; {
		case at == 6 && bit%8 == 0: // compressed, says the flag alone
			mended = false
		case at == 6 || at == 7, at == 33 && bit%8 > 1, at >= 34 && at < 40, at >= 60:
			damages, notes = 0, 1
		case at >= 24 && at < 32: // the time, which may be any
			damages = 0
		case at == 33, at >= 40 && at < 60:
			mended = false
		}
		file, err := files.Open("a.rvf", true)
		if err == nil {
			_, err = file.WriteAt(damaged, 0)
		}
		if err = errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
		s, err := Open(ctx, "a.rvf", Options{Shelf: filelog.Shelf{Files: files}})
		if err != nil {
			t.Fatal(err)
		}
		found, err := s.Verify(ctx)
		if err != nil || min(found.Damages, 1) != damages || found.Damages == 0 && found.Notes != notes {
			t.Errorf("byte %d bit %d: %d damages, want %d, %d notes, want %d: %v, %v", bit/8, bit%8, found.Damages, damages, found.Notes, notes, found.Findings, err)
		}
		repairs, err := s.RecoverHeaders(ctx, false)
		if err != nil || len(repairs) != damages || damages > 0 && repairs[0].Whole != mended {
			t.Errorf("byte %d bit %d: recover: %+v, %v", bit/8, bit%8, repairs, err)
		}
		if back := bytes.Equal(files.Content("a.rvf"), whole); back != (damages > 0 && mended) {
			t.Errorf("byte %d bit %d: the file is what it was: %t", bit/8, bit%8, back)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestLostContentIsTold by recover as by verify, and nothing changes.
func TestLostContentIsTold(t *testing.T) {
	t.Parallel()
	files, content, offset := headerStore(t)
	content[offset+segments.HeaderSize+9] ^= 1
	s := damagedStore(t, files, content)
	for _, list := range []bool{true, false} {
		repairs, err := s.RecoverHeaders(t.Context(), list)
		if err != nil || len(repairs) != 1 || repairs[0].Whole || repairs[0].Offset != offset {
			t.Errorf("%+v, %v", repairs, err)
		}
	}
	if !bytes.Equal(files.Content("a.rvf"), content) {
		t.Error("the file has changed")
	}
}

// TestHeadersWithoutProof stay as they are.
func TestHeadersWithoutProof(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]int64{"the hash as well": 41, "the content as well": segments.HeaderSize + 9} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files, content, offset := headerStore(t)
			content[offset] ^= 1
			content[offset+at] ^= 1
			s := damagedStore(t, files, content)
			repairs, err := s.RecoverHeaders(context.Background(), false)
			if err != nil || len(repairs) != 1 || repairs[0].Whole || repairs[0].Reason == "" {
				t.Errorf("%+v, %v", repairs, err)
			}
			if !bytes.Equal(files.Content("a.rvf"), content) {
				t.Error("the file was changed")
			}
		})
	}
}

// TestTornRepair leaves a header that is damaged no worse: whatever part of the write a
// crash leaves, the next one makes it whole.
func TestTornRepair(t *testing.T) {
	t.Parallel()
	for written := range int64(24) {
		files, whole, offset := headerStore(t)
		torn := bytes.Clone(whole)
		for _, at := range []int64{0, 4, 16} {
			torn[offset+at] ^= 2
		}
		copy(torn[offset:offset+written], whole[offset:])
		s := damagedStore(t, files, torn)
		if _, err := s.RecoverHeaders(context.Background(), false); err != nil || !bytes.Equal(files.Content("a.rvf"), whole) {
			t.Errorf("after %d bytes: %v", written, err)
		}
	}
}
