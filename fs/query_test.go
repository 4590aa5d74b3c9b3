package fs

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rs/zerolog"

	"rvffs/store"
	"rvffs/store/catalog"
	"rvffs/store/memory"
	"rvffs/store/search"
	"rvffs/store/storetest"
)

// conversation opens the query file of a new store with id i at (i, 0, 0, …), for i
// below 20, without a mount.
func conversation(t *testing.T, flags uint32) *queryHandle {
	t.Helper()
	directory := t.TempDir()
	s, err := store.Create(context.Background(), "a.rvf", store.CreateOptions{Dimension: 2}, store.Options{Shelf: storetest.Shelf(t, directory+"/a.rvf")})
	if err != nil {
		t.Fatal(err)
	}
	vectors := make([]float32, 40)
	for i := range 20 {
		vectors[2*i] = float32(i)
	}
	if _, err := s.Ingest(context.Background(), nil, vectors); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	stores, err := openCatalog(directory, catalog.Options{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stores.Close(); err != nil {
			t.Error(err)
		}
	})
	entry, err := stores.Root().Lookup(context.Background(), "a.rvf")
	if err != nil {
		t.Fatal(err)
	}
	budget := memory.NewBudget(64 << 20)
	node := &queryNode{node: node{tree: &tree{catalog: stores, memory: budget, log: zerolog.Nop(), life: context.Background()}}, store: entry.Store}
	handle, _, errno := node.Open(context.Background(), flags)
	if errno != 0 {
		t.Fatal(errno)
	}
	return handle.(*queryHandle)
}

// says writes at an offset and expects an error number.
func (h *queryHandle) says(t *testing.T, text string, offset int64, want syscall.Errno) {
	t.Helper()
	if count, errno := h.Write(context.Background(), []byte(text), offset); errno != want || want == 0 && int(count) != len(text) {
		t.Errorf("writing %.20q at %d: %d, %v, want %v", text, offset, count, errno, want)
	}
}

// hears reads at an offset and expects what begins with want.
func (h *queryHandle) hears(t *testing.T, ctx context.Context, offset int64, want string, wantErrno syscall.Errno) {
	t.Helper()
	result, errno := h.Read(ctx, make([]byte, 1000), offset)
	if errno != wantErrno {
		t.Errorf("reading at %d: %v, want %v", offset, errno, wantErrno)
	}
	if errno != 0 {
		return
	}
	got, _ := result.Bytes(nil)
	if !strings.HasPrefix(string(got), want) || want == "" && len(got) > 0 {
		t.Errorf("reading at %d: %q, want %q", offset, got, want)
	}
}

func TestConversation(t *testing.T) {
	t.Parallel()
	const one, two = `{"id":5,"k":1}`, `[9,0]`
	const answer, other = `{"id":4,"distance":1}` + "\n", `{"id":9,"distance":0}` + "\n"
	ctx := context.Background()
	for name, talk := range map[string]func(t *testing.T, h *queryHandle){
		"nothing asked": func(t *testing.T, h *queryHandle) { h.hears(t, ctx, 0, "", 0) },
		"the answer begins where the question ends": func(t *testing.T, h *queryHandle) {
			h.says(t, one, 0, 0)
			h.hears(t, ctx, 14, answer, 0)
			h.hears(t, ctx, 20, answer[6:], 0)
			h.hears(t, ctx, 14+int64(len(answer)), "", 0)
			h.hears(t, ctx, 14+int64(len(answer)), "", 0)
			h.hears(t, ctx, 20, "", syscall.EINVAL)
		},
		"or at 0 for those who go back": func(t *testing.T, h *queryHandle) {
			h.says(t, one, 0, 0)
			h.hears(t, ctx, 0, answer, 0)
			h.hears(t, ctx, 6, answer[6:], 0)
			h.hears(t, ctx, int64(len(answer)), "", 0)
		},
		"a question after an answer": func(t *testing.T, h *queryHandle) {
			h.says(t, one, 0, 0)
			h.hears(t, ctx, 14, answer, 0)
			h.says(t, two, 36, 0)
			h.hears(t, ctx, 41, other, 0)
			h.says(t, one, 7, 0)
			h.hears(t, ctx, 21, answer, 0)
		},
		"a question that was not meant": func(t *testing.T, h *queryHandle) {
			h.says(t, one, 0, 0)
			h.says(t, two, 0, 0)
			h.hears(t, ctx, 5, other, 0)
		},
		"a hole": func(t *testing.T, h *queryHandle) {
			h.says(t, one[:5], 0, 0)
			h.says(t, one[5:], 6, syscall.EINVAL)
			h.says(t, one[5:], 5, 0)
			h.hears(t, ctx, 14, answer, 0)
		},
		"a bad question, and a good one": func(t *testing.T, h *queryHandle) {
			h.says(t, "[1]", 0, 0)
			h.hears(t, ctx, 3, "", syscall.EINVAL)
			h.hears(t, ctx, 0, "", syscall.EINVAL)
			h.says(t, one, 3, 0)
			h.hears(t, ctx, 17, answer, 0)
		},
		"too long a question": func(t *testing.T, h *queryHandle) {
			h.says(t, strings.Repeat(" ", search.MaxQueryBytes), 0, 0)
			h.says(t, "[", search.MaxQueryBytes, syscall.EFBIG)
			h.says(t, "[", search.MaxQueryBytes, syscall.EFBIG)
			h.says(t, one, 0, 0)
			h.hears(t, ctx, 14, answer, 0)
		},
		"a reader who goes away": func(t *testing.T, h *queryHandle) {
			gone, leave := context.WithCancel(ctx)
			leave()
			h.says(t, one, 0, 0)
			h.hears(t, gone, 14, "", syscall.EINTR)
			h.hears(t, ctx, 14, answer, 0)
		},
		"a writer who waits for another and goes away": func(t *testing.T, h *queryHandle) {
			gone, leave := context.WithCancel(ctx)
			leave()
			if err := h.turn.Take(ctx); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if _, errno := h.Write(gone, []byte(two), 0); errno != syscall.EINTR {
					t.Errorf("written beside another: %v", errno)
				}
			}
			h.turn.Give()
			h.says(t, one, 0, 0)
			h.hears(t, ctx, 14, answer, 0)
		},
		"a reader who waits for another and goes away": func(t *testing.T, h *queryHandle) {
			gone, leave := context.WithCancel(ctx)
			leave()
			h.says(t, one, 0, 0)
			if err := h.turn.Take(ctx); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				h.hears(t, gone, 14, "", syscall.EINTR)
			}
			h.turn.Give()
			h.hears(t, ctx, 14, answer, 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			talk(t, conversation(t, syscall.O_RDWR))
		})
	}
}

func TestAppendingQuestions(t *testing.T) {
	t.Parallel()
	h := conversation(t, syscall.O_RDWR|syscall.O_APPEND)
	h.says(t, `{"id":5,`, 0, 0)
	h.says(t, `"k":1}`, 0, 0)
	h.hears(t, context.Background(), 14, `{"id":4,"distance":1}`, 0)
}

// TestTwoUsersOfOneDescriptor lets two programs ask and read through one descriptor at
// the same time. Neither can know whose answer it reads, but each answer is one.
func TestTwoUsersOfOneDescriptor(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := conversation(t, syscall.O_RDWR|syscall.O_APPEND)
	var users sync.WaitGroup
	for _, question := range []string{`{"id":5,"k":1}` + "\n", `{"id":19,"k":1}` + "\n"} {
		users.Go(func() {
			for range 200 {
				if count, errno := h.Write(ctx, []byte(question), 0); errno != 0 || int(count) != len(question) {
					t.Errorf("asking: %d, %v", count, errno)
				}
				result, errno := h.Read(ctx, make([]byte, 1000), 0)
				if errno != 0 {
					t.Errorf("reading: %v", errno)
					continue
				}
				got, _ := result.Bytes(nil)
				for line := range strings.Lines(string(got)) {
					var answer struct {
						ID       int
						Distance float64
					}
					if err := json.Unmarshal([]byte(line), &answer); err != nil || answer.ID != 4 && answer.ID != 18 || answer.Distance != 1 {
						t.Errorf("%q is nobody's answer: %v", line, err)
					}
				}
			}
		})
	}
	users.Wait()
}

// TestConversationIsCharged: what a descriptor holds for its user counts, and nobody
// gets what others hold.
func TestConversationIsCharged(t *testing.T) {
	t.Parallel()
	h := conversation(t, syscall.O_RDWR)
	budget := h.node.tree.memory
	used := func() int64 { return budget.Usage().Used }
	expect := func(when string, least, most int64) {
		t.Helper()
		if used := used(); used < least || used > most {
			t.Errorf("%s: %d bytes, want %d to %d", when, used, least, most)
		}
	}
	ctx := context.Background()
	piece := strings.Repeat(" ", 1<<20)
	expect("open", 0, 0)
	for i := range 5 {
		h.says(t, piece, int64(i)<<20, 0)
	}
	expect("a question", 5<<20, 10<<20)
	h.says(t, "[2,0]", 5<<20, 0)
	h.hears(t, ctx, 5<<20+5, `{"id":2,`, 0)
	expect("an answer", 100, 10_000)
	h.hears(t, ctx, 5<<20+1005, "", 0)
	expect("an answer that was read", 0, 0)
	h.says(t, "[2,0]", 7<<20, 0)
	h.hears(t, ctx, 7<<20+5, `{"id":2,`, 0)
	h.says(t, "[3,0]", 8<<20, 0)
	expect("a new question", 5, 1000)

	others := budget.Charge()
	others.Force(40 << 20)
	h.says(t, piece, 8<<20+5, syscall.ENOMEM)
	if err := others.Set(63 << 20); err != nil {
		t.Fatal(err)
	}
	h.hears(t, ctx, 8<<20+5, "", syscall.ENOMEM)
	others.Free()
	h.hears(t, ctx, 8<<20+5, `{"id":3,`, 0)
	h.Release(ctx)
	expect("released", 0, 0)
}
