package bucket

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rvffs/segments"
	"rvffs/store/volume"
	"rvffs/store/volume/bucket/memory"
	"rvffs/store/volume/bucket/objects"
)

// TestASmallCommitIsOneRequest counts them, inline and beside extents.
func TestASmallCommitIsOneRequest(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]Options{"inline": {}, "beside extents": {Inline: 500, InlineBeside: 100_000}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects := memory.New()
			create(t, objects, options, "a.rvf")
			p := open(t, objects, options, "a.rvf")
			p.begin()
			defer p.end()
			for range 3 {
				if _, err := p.commit(p.extent("first")); err != nil {
					t.Fatal(err)
				}
			}
			before := objects.Requests("")
			for range 20 {
				if _, err := p.commit(p.extent("one")); err != nil {
					t.Fatal(err)
				}
			}
			if count := objects.Requests("") - before; count != 20 {
				t.Errorf("20 commits were %d requests", count)
			}
		})
	}
}

// rowsOf are a VEC segment's, of two components, with these ids.
func rowsOf(ids ...uint64) []byte {
	var rows []byte
	for _, id := range ids {
		rows = binary.LittleEndian.AppendUint64(rows, id)
		rows = append(rows, "abcdefgh"...)
	}
	return rows
}

// TestALongSegmentGoesOutPartByPart streams one of 30 MiB, looks what is held meanwhile, and
// compares what can be put together by hand, and the footer, with what was written.
func TestALongSegmentGoesOutPartByPart(t *testing.T) {
	t.Parallel()
	objects := memory.New()
	create(t, objects, Options{}, "a.rvf")
	p := open(t, objects, Options{}, "a.rvf")
	p.begin()
	e := p.session.Extent(volume.ExtentSpec{Type: segments.TypeVec, Front: segments.VecPrefixSize, Seal: func(body int64) []byte {
		prefix := segments.EncodeVecPrefix(2, uint32(body/16))
		return prefix[:]
	}})
	const rows = 2_000_000
	var written []byte
	for first := uint64(0); first < rows; first += 1000 {
		ids := make([]uint64, 1000)
		for i := range ids {
			ids[i] = first + uint64(i) + first/1_000_000*5
		}
		block := rowsOf(ids...)
		written = append(written, block...)
		if err := e.Write(t.Context(), block); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if sent := objects.Requests("part"); sent != 2 {
		t.Errorf("%d parts were sent before the commit, want 2", sent)
	}
	if got := make([]byte, 100_000); e.ReadBack(t.Context(), got, 20_000_006) != nil || !bytes.Equal(got, written[20_000_000:20_100_000]) {
		t.Error("what was sent cannot be read back")
	}
	small := p.extent("small")
	if _, err := p.commit(small, e); err != nil {
		t.Fatal(err)
	}
	p.end()
	if left := objects.Uploads(); left != 0 {
		t.Errorf("%d uploads are left", left)
	}
	q := open(t, objects, Options{}, "a.rvf")
	texts, err := q.texts()
	if err != nil || len(texts) != 2 || texts[0] != "small" || !strings.HasSuffix(texts[1], string(written)) {
		t.Fatalf("%d segments are found, %v", len(texts), err)
	}
	whole := assembled(t, objects, "a.rvf")
	pinned, err := q.log.newest.Generation.Pin(t.Context())
	if err != nil || !bytes.Equal(whole, read(pinned, 0, q.log.newest.State.End)) {
		t.Errorf("what is put together by hand is something else, %v", err)
	}
	var foot *footer
	for _, key := range objects.Keys(".rvffs/x/") {
		content := objects.Content(key)
		length := int64(segments.HeaderSize + segments.VecPrefixSize + len(written))
		if int64(len(content)) > length {
			if foot, err = parseFooter(content[length:], length); err != nil {
				t.Fatal(err)
			}
		}
	}
	if foot == nil || !slices.Equal(foot.ids, []idRun{{0, 1_000_000}, {1_000_005, 1_000_000}}) || len(foot.table) != 1 || foot.table[0].offset != 0 {
		t.Errorf("the footer is %+v", foot)
	}
}

// TestARottenBitIsSeen: what is read of an extent is what was written, or an error.
func TestARottenBitIsSeen(t *testing.T) {
	t.Parallel()
	for what, offset := range map[string]int{"the first block": 1000, "the second block": blockSize + 5, "the footer": 9_000_100} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			objects := memory.New()
			create(t, objects, Options{}, "a.rvf")
			p := open(t, objects, Options{}, "a.rvf")
			if err := p.put(strings.Repeat("x", 9_000_000)); err != nil {
				t.Fatal(err)
			}
			for _, key := range objects.Keys(".rvffs/x/") {
				if len(objects.Content(key)) > 9_000_000 {
					objects.Damage(key, offset)
				}
			}
			if texts, err := open(t, objects, Options{}, "a.rvf").texts(); !errors.Is(err, volume.ErrCorrupt) {
				t.Errorf("%d segments are found, %v", len(texts), err)
			}
		})
	}
}

// TestFootersAreReadBack and nothing else is taken for one.
func TestFootersAreReadBack(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		var f footer
		for range random.IntN(4) {
			p := placed{offset: random.Int64N(1 << 40)}
			p.header[random.IntN(64)] = byte(random.IntN(256))
			f.table = append(f.table, p)
		}
		for range random.IntN(5) {
			f.ids = append(f.ids, idRun{random.Uint64(), random.Uint64()})
		}
		for range random.IntN(4) {
			f.blocks = append(f.blocks, blockSum{f.length() + 1 + random.Int64N(blockSize), random.Uint32()})
		}
		length := f.length()
		encoded := f.encode()
		got, err := parseFooter(encoded, length)
		if err != nil || !slices.Equal(got.table, f.table) || !slices.Equal(got.ids, f.ids) || !slices.Equal(got.blocks, f.blocks) {
			t.Fatalf("%+v is read as %+v, %v", f, got, err)
		}
		torn := slices.Clone(encoded)
		torn[random.IntN(len(torn))] ^= 1 << random.IntN(8)
		if _, err := parseFooter(torn, length); err == nil {
			t.Errorf("a damaged footer is read")
		}
		if _, err := parseFooter(encoded[:random.IntN(len(encoded))], length); err == nil {
			t.Errorf("a torn footer is read")
		}
		if _, err := parseFooter(encoded, length+1); err == nil {
			t.Errorf("a footer of something else is read")
		}
	}
}

// TestALongCommitThatLosesIsNotSentAgain: when another one was faster, only what the segment's
// place has to do with is sent once more.
func TestALongCommitThatLosesIsNotSentAgain(t *testing.T) {
	t.Parallel()
	objects := memory.New()
	create(t, objects, Options{}, "a.rvf")
	p, q := open(t, objects, Options{}, "a.rvf"), open(t, objects, Options{}, "a.rvf")
	p.begin()
	long := p.extent(strings.Repeat("long", 5_000_000))
	if err := q.put("faster"); err != nil {
		t.Fatal(err)
	}
	if err := long.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := objects.Bytes()
	if _, err := p.publish(long); !errors.Is(err, volume.ErrMoved) {
		t.Fatalf("publish on what is not the newest: %v", err)
	}
	if _, err := p.commit(long); err != nil {
		t.Fatal(err)
	}
	p.end()
	if sent := objects.Bytes() - before; sent > 23_000_000 {
		t.Errorf("%d bytes were sent and received", sent)
	}
	texts, err := open(t, objects, Options{}, "a.rvf").texts()
	if err != nil || len(texts) != 2 || texts[0] != "faster" || len(texts[1]) != 20_000_000 {
		t.Errorf("%d segments are found, %v", len(texts), err)
	}
}

// TestSegmentsThatEndWithAPart are complete although nothing takes the room of the parts any more.
func TestSegmentsThatEndWithAPart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const part = objects.SmallestPart
		bucket, options := memory.New(), Options{Part: part}
		create(t, bucket, options, "a.rvf")
		bucket.Delay = time.Second // so that parts wait for each other
		p := open(t, bucket, options, "a.rvf")
		p.begin()
		text := strings.Repeat("x", part-segments.HeaderSize+5*part)
		e := p.extent(text)
		_, err := p.commit(e)
		must(t, err)
		p.end()
		wants(t, bucket, options, text)
	})
}

// TestFullSegmentsAreReadyBeforeTheCommit: of a stream that brings several, the object of one that is
// full is complete before somebody waits for it. It is the same whatever happens to it on the way,
// and none stays of a stream that comes to nothing.
func TestFullSegmentsAreReadyBeforeTheCommit(t *testing.T) {
	t.Parallel()
	const size = 17 << 20
	options := Options{Longest: size}
	full := strings.Repeat("full", size/4)
	for what, happens := range map[string]func(t *testing.T, bucket *memory.Bucket, p *process, ready *Extent){
		"nothing": func(*testing.T, *memory.Bucket, *process, *Extent) {},
		"another commits": func(t *testing.T, bucket *memory.Bucket, _ *process, _ *Extent) {
			must(t, open(t, bucket, options, "a.rvf").put("another"))
		},
		"its object is lost": func(t *testing.T, bucket *memory.Bucket, _ *process, ready *Extent) {
			must(t, bucket.Delete(t.Context(), ready.parts.key(), objects.Condition{}))
			must(t, open(t, bucket, options, "a.rvf").put("another"))
			ready.stamp++ // so that it has to be made anew
		},
		"the stream is given up": func(t *testing.T, bucket *memory.Bucket, p *process, ready *Extent) {
			p.session.Drop(ready)
			if left := bucket.Keys(".rvffs/x/"); len(left) > 0 || bucket.Uploads() > 0 {
				t.Errorf("%q are left, and %d uploads", left, bucket.Uploads())
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			bucket := memory.New()
			create(t, bucket, options, "a.rvf")
			p := open(t, bucket, options, "a.rvf")
			p.begin()
			first := p.extent(full).(*Extent)
			if err := first.Write(t.Context(), []byte("x")); !errors.Is(err, volume.ErrSealed) {
				t.Fatalf("more than a segment may have is taken: %v", err)
			}
			if first.parts.ripe == nil {
				t.Fatal("nobody completes it")
			}
			<-first.parts.ripe
			if bucket.Content(first.parts.key()) == nil || bucket.Uploads() > 0 {
				t.Fatal("the object is not complete")
			}
			happens(t, bucket, p, first)
			second := p.extent("short")
			if what == "the stream is given up" {
				_, err := p.commit(second)
				must(t, err)
				p.end()
				wants(t, bucket, options, "short")
				return
			}
			if got := make([]byte, 8); first.ReadBack(t.Context(), got, 9<<20) != nil || string(got) != full[:8] {
				t.Errorf("read back is %q", got)
			}
			before := bucket.Bytes()
			_, err := p.commit(first, second)
			must(t, err)
			p.end()
			if sent := bucket.Bytes() - before; what == "nothing" && sent > 100_000 {
				t.Errorf("%d bytes were sent with the commit", sent)
			}
			want := []string{full, "short"}
			if what == "another commits" || what == "its object is lost" {
				want = append([]string{"another"}, want...)
			}
			wants(t, bucket, options, want...)
		})
	}
}

// TestSegmentsThatCannotBeMadeReady are made of what is kept on this machine when they are committed.
func TestSegmentsThatCannotBeMadeReady(t *testing.T) {
	t.Parallel()
	const size = 17 << 20
	bucket, options := memory.New(), Options{Longest: size, CommitTimeout: time.Second}
	create(t, bucket, options, "a.rvf")
	p := open(t, bucket, options, "a.rvf")
	bucket.Fault = func(r memory.Request) memory.Fault {
		if r.Kind == "complete" {
			return memory.Refused
		}
		return memory.None
	}
	p.begin()
	full := strings.Repeat("full", size/4)
	first := p.extent(full).(*Extent)
	if err := first.Write(t.Context(), []byte("x")); !errors.Is(err, volume.ErrSealed) {
		t.Fatal(err)
	}
	<-first.parts.ripe
	bucket.Fault = nil
	_, err := p.commit(first)
	must(t, err)
	p.end()
	wants(t, bucket, options, full)
	if left := bucket.Uploads(); left != 0 {
		t.Errorf("%d uploads are left", left)
	}
}
