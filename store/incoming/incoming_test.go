package incoming

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"rvffs/store/memory"
	"rvffs/store/volume"
)

// shelf is a destination that keeps what it takes in.
type shelf struct {
	taken  []string
	spools int // that are open
	fails  error
	gone   string // what was taken in under this name is not there any more
}

func (s *shelf) Name() string { return "shelf" }

func (s *shelf) Admit(_ context.Context, name string, _ bool) error {
	if name == "forbidden" {
		return volume.ErrNotPermitted
	}
	return nil
}

func (s *shelf) Keep(context.Context) func(context.Context) context.Context {
	return func(ctx context.Context) context.Context { return ctx }
}

func (s *shelf) Spool(context.Context) (volume.Spool, error) {
	s.spools++
	return &memorySpool{shelf: s}, nil
}

func (s *shelf) Stands(name string) bool { return name != s.gone }

func (s *shelf) Take(ctx context.Context, file *Whole) ([]byte, error) {
	if s.fails != nil {
		return nil, s.fails
	}
	var text strings.Builder
	if err := file.Pour(ctx, func(p []byte) error { text.Write(p); return nil }); err != nil {
		return nil, err
	}
	content := text.String()
	if strings.HasPrefix(content, "bad") {
		return nil, fmt.Errorf("%w: it is bad", volume.ErrInput)
	}
	if len(content) > 10 {
		content = fmt.Sprintf("%d bytes", len(content))
	}
	s.taken = append(s.taken, file.Name+"="+content)
	return []byte("taken"), nil
}

// memorySpool is a spool that counts as one that is open.
type memorySpool struct {
	shelf *shelf
	data  []byte
}

func (m *memorySpool) ReadAt(p []byte, offset int64) (int, error) {
	if offset >= int64(len(m.data)) {
		return 0, io.EOF
	}
	n := copy(p, m.data[offset:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (m *memorySpool) WriteAt(p []byte, offset int64) (int, error) {
	if end := offset + int64(len(p)); end > int64(len(m.data)) {
		m.data = append(m.data, make([]byte, end-int64(len(m.data)))...)
	}
	return copy(m.data[offset:], p), nil
}

func (m *memorySpool) SetLength(size int64) error {
	m.data = append(m.data, make([]byte, max(0, size-int64(len(m.data))))...)[:size]
	return nil
}

func (m *memorySpool) Close() error {
	m.shelf.spools--
	return nil
}

// user does with a drop folder what programs do.
type user struct {
	t      *testing.T
	shelf  *shelf
	folder *Folder
}

func newUser(t *testing.T, options Options) *user {
	u := &user{t: t, shelf: &shelf{}}
	options.Destination = u.shelf
	options.Number = func(index uint64) uint64 { return index }
	u.folder = New(options)
	return u
}

// process is the one for which users act.
const process = 7

func (u *user) create(name string) *Upload {
	u.t.Helper()
	_, upload, err := u.folder.Create(u.t.Context(), name, process, NewAttributes(0o644, 1, 2))
	if err != nil {
		u.t.Fatal(err)
	}
	return upload
}

func (u *user) write(upload *Upload, at int64, text string) {
	u.t.Helper()
	if _, err := upload.WriteAt(u.t.Context(), []byte(text), at); err != nil {
		u.t.Fatal(err)
	}
}

// end closes a file as programs do: the writer's own close, then the last of all.
func (u *user) end(upload *Upload) error {
	err := upload.Flush(u.t.Context())
	return errors.Join(err, upload.Close(u.t.Context()))
}

func (u *user) put(name, text string) error {
	u.t.Helper()
	upload := u.create(name)
	u.write(upload, 0, text)
	return u.end(upload)
}

// over writes a file over one that is there.
func (u *user) over(name, text string) error {
	upload, err := u.folder.Find(name).Open(u.t.Context(), false)
	if err != nil {
		return err
	}
	if err := errors.Join(u.folder.Find(name).Cut(u.t.Context(), 0)); err != nil {
		return err
	}
	u.write(upload, 0, text)
	return u.end(upload)
}

// at sets the time of a file.
func (u *user) at(name string, second int64) {
	u.folder.Find(name).Change(volume.AttributeChange{UID: -1, GID: -1, Modified: time.Unix(second, 0)})
}

func (u *user) rename(from, to string) error {
	return u.folder.Rename(u.t.Context(), from, to, false)
}

// has compares the names of the folder, and what was taken in.
func (u *user) has(names, taken string) {
	u.t.Helper()
	var listed []string
	for _, l := range u.folder.List("") {
		listed = append(listed, l.Name)
	}
	if got := strings.Join(listed, " "); got != names {
		u.t.Errorf("the folder has %q, want %q", got, names)
	}
	if got := strings.Join(u.shelf.taken, " "); got != taken {
		u.t.Errorf("taken in is %q, want %q", got, taken)
	}
}

// TestFilesAreTakenInWhole at the close of all who write, or at the rename to their final
// name, and stay as receipts.
func TestFilesAreTakenInWhole(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name         string
		act          func(*user) error
		names, taken string
	}{
		{"a file", func(u *user) error { return u.put("a", "one") }, "a", "a=one"},
		{"an empty one waits for bytes", func(u *user) error {
			return errors.Join(u.end(u.create("a")), u.over("a", "one"))
		}, "a", "a=one"},
		{"any order", func(u *user) error {
			w := u.create("a")
			u.write(w, 3, "two")
			u.write(w, 0, "one")
			return u.end(w)
		}, "a", "a=onetwo"},
		{"cut and made longer", func(u *user) error {
			w := u.create("a")
			u.write(w, 0, "onetwo")
			return errors.Join(w.Truncate(u.t.Context(), 3), w.Truncate(u.t.Context(), 4), u.end(w))
		}, "a", "a=one\x00"},
		{"long", func(u *user) error {
			w := u.create("a")
			u.write(w, 0, strings.Repeat("x", 3<<20))
			return u.end(w)
		}, "a", "a=3145728 bytes"},
		{"temporary names wait", func(u *user) error {
			return errors.Join(u.put(".a.1", "1"), u.put("a.partial", "2"), u.put("a~", "3"))
		}, ".a.1 a.partial a~", ""},
		{"and their rename is the close", func(u *user) error {
			return errors.Join(u.put(".a.1", "one"), u.rename(".a.1", "a.part"), u.rename("a.part", "a"))
		}, "a", "a=one"},
		{"renamed before the close", func(u *user) error {
			w := u.create(".a")
			u.write(w, 0, "one")
			return errors.Join(u.rename(".a", "a"), u.end(w))
		}, "a", "a=one"},
		{"renamed afterwards", func(u *user) error {
			return errors.Join(u.put("a", "one"), u.rename("a", "b"))
		}, "b", "a=one"},
		{"two writers", func(u *user) error {
			w := u.create("a")
			other, err := u.folder.Find("a").Open(t.Context(), false)
			u.write(w, 0, "one")
			err = errors.Join(err, u.end(w))
			if len(u.shelf.taken) > 0 {
				err = errors.Join(err, errors.New("taken in while another writes"))
			}
			u.write(other, 3, "two")
			return errors.Join(err, u.end(other))
		}, "a", "a=onetwo"},
		{"another over a temporary one before the close is over", func(u *user) error {
			w := u.create(".a")
			u.write(w, 0, "one")
			err := w.Flush(t.Context())
			return errors.Join(err, u.over(".a", "two"), w.Close(t.Context()), u.over(".a", "three"), u.rename(".a", "a"))
		}, "a", "a=three"},
		{"cut by the second while the first is released", func(u *user) error {
			w := u.create(".a")
			u.write(w, 0, "one")
			err := w.Flush(t.Context())
			other, opening := u.folder.Find(".a").Open(t.Context(), false)
			err = errors.Join(err, opening, u.folder.Find(".a").Cut(t.Context(), 0), w.Close(t.Context()))
			u.write(other, 0, "two")
			return errors.Join(err, u.end(other), u.rename(".a", "a"))
		}, "a", "a=two"},
		{"unlinked while it is written", func(u *user) error {
			w := u.create("a")
			u.write(w, 0, "one")
			return errors.Join(u.folder.Remove(t.Context(), "a", process), u.end(w))
		}, "", ""},
		{"another one over it", func(u *user) error {
			return errors.Join(u.put("a", "one"), u.over("a", "two"))
		}, "a", "a=one a=two"},
		{"another one renamed over it", func(u *user) error {
			return errors.Join(u.put("a", "one"), u.put(".a", "two"), u.rename(".a", "a"))
		}, "a", "a=one a=two"},
		{"a receipt removed", func(u *user) error {
			return errors.Join(u.put("a", "one"), u.folder.Remove(t.Context(), "a", process))
		}, "", "a=one"},
		{"a name that replaces another waits", func(u *user) error {
			err := errors.Join(u.put("a", "one"), u.put("tmp_a", "two"))
			if len(u.shelf.taken) != 1 {
				err = errors.Join(err, errors.New("taken in before it has its name"))
			}
			return errors.Join(err, u.folder.Remove(t.Context(), "a", process), u.rename("tmp_a", "a"))
		}, "a", "a=one a=two"},
		{"and is any other where there is none", func(u *user) error { return u.put("tmp_a", "one") }, "tmp_a", "tmp_a=one"},
		{"what was taken in is removed", func(u *user) error {
			err := errors.Join(u.put("a", "one"), u.put("b", "two"))
			u.shelf.gone = "a"
			return err
		}, "b", "a=one b=two"},
		{"closed twice", func(u *user) error {
			w := u.create("a")
			u.write(w, 0, "one")
			return errors.Join(w.Flush(t.Context()), u.end(w))
		}, "a", "a=one"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t, Options{Receipts: true})
			if err := test.act(u); err != nil {
				t.Error(err)
			}
			u.has(test.names, test.taken)
			var dropped []string
			if test.taken == "" {
				dropped = strings.Fields(test.names)
			}
			if got := u.folder.Close(volume.ErrClosed); !slices.Equal(got, dropped) {
				t.Errorf("%q are dropped, want %q", got, dropped)
			}
			if u.shelf.spools != 0 {
				t.Errorf("%d spools are open", u.shelf.spools)
			}
		})
	}
}

// TestTheSameIsTakenInOnce: name, size, time and bytes of what was taken in before.
func TestTheSameIsTakenInOnce(t *testing.T) {
	t.Parallel()
	again := func(u *user, text string, second int64) error {
		err := u.put(".a", text)
		u.at(".a", second)
		return errors.Join(err, u.rename(".a", "a"))
	}
	for _, test := range []struct {
		name  string
		act   func(*user) error
		taken string
	}{
		{"the same", func(u *user) error { return again(u, "one", 5) }, "a=one"},
		{"another time", func(u *user) error { return again(u, "one", 6) }, "a=one a=one"},
		{"without a time before the close", func(u *user) error { return u.over("a", "one") }, "a=one"},
		{"three times, and a time after each", func(u *user) error {
			err := u.over("a", "one")
			u.at("a", 5)
			return errors.Join(err, u.over("a", "one"))
		}, "a=one"},
		{"the time never comes", func(u *user) error { return errors.Join(u.over("a", "one"), u.over("a", "one")) }, "a=one"},
		{"a time of this moment", func(u *user) error {
			err := u.over("a", "six")
			u.folder.Find("a").Change(volume.AttributeChange{UID: -1, GID: -1, Modified: volume.Now})
			return errors.Join(err, u.over("a", "six"))
		}, "a=one a=six a=six"},
		{"other bytes without a time", func(u *user) error { return u.over("a", "two") }, "a=one a=two"},
		{"other bytes", func(u *user) error { return again(u, "two", 5) }, "a=one a=two"},
		{"more bytes", func(u *user) error { return again(u, "three", 5) }, "a=one a=three"},
		{"removed before by the same process", func(u *user) error {
			err := u.folder.Remove(t.Context(), "a", process)
			w := u.create("a")
			u.write(w, 0, "one")
			u.at("a", 5)
			return errors.Join(err, u.end(w))
		}, "a=one"},
		{"taken out again", func(u *user) error {
			err := u.put(".a", "one")
			u.at(".a", 5)
			u.shelf.gone = "a"
			err = errors.Join(err, u.rename(".a", "a"))
			u.shelf.gone = ""
			return err
		}, "a=one a=one"},
		{"removed before by another", func(u *user) error {
			err := u.folder.Remove(t.Context(), "a", process+1)
			w := u.create("a")
			u.write(w, 0, "one")
			u.at("a", 5)
			return errors.Join(err, u.end(w))
		}, "a=one a=one"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t, Options{Receipts: true})
			err := u.put("a", "one")
			u.at("a", 5) // as many programs do after the close
			if err := errors.Join(err, test.act(u)); err != nil {
				t.Error(err)
			}
			u.has("a", test.taken)
		})
	}
}

// TestUnwrittenFilesAreRefused: one that was only made longer, as for a mapping, has no vectors.
func TestUnwrittenFilesAreRefused(t *testing.T) {
	t.Parallel()
	grow := func(u *user, w *Upload) error { return w.Truncate(u.t.Context(), 8) }
	for name, test := range map[string]struct {
		write func(*user, *Upload) error
		taken string
	}{
		"longer":                    {grow, ""},
		"a zero at the end":         {func(u *user, w *Upload) error { u.write(w, 7, "\x00"); return nil }, ""},
		"longer by a mapping's end": {func(u *user, w *Upload) error { u.write(w, 3, "\x00"); return grow(u, w) }, ""},
		"zeros that were written":   {func(u *user, w *Upload) error { u.write(w, 0, strings.Repeat("\x00", 8)); return nil }, "a=" + strings.Repeat("\x00", 8)},
		"bytes and a hole":          {func(u *user, w *Upload) error { u.write(w, 0, "x"); return grow(u, w) }, "a=x" + strings.Repeat("\x00", 7)},
		"longer first, bytes then": {func(u *user, w *Upload) error {
			err := grow(u, w)
			u.write(w, 7, "x")
			return err
		}, "a=" + strings.Repeat("\x00", 7) + "x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t, Options{Receipts: true})
			w := u.create("a")
			err := errors.Join(test.write(u, w), w.Flush(t.Context()))
			if refused := errors.Is(err, volume.ErrInput); refused != (test.taken == "") {
				t.Errorf("the close gives %v", err)
			}
			_ = w.Close(t.Context()) // which says the same once more
			if test.taken != "" {
				u.has("a", test.taken)
				return
			}
			u.has("a.error", "")
			text := make([]byte, 1000)
			n, _ := u.folder.Find("a.error").ReadAt(text, 0)
			if got := string(text[:n]); !strings.Contains(got, "no byte was written") || !strings.Contains(got, "mapping for writing does not work here") {
				t.Errorf("the reason is %q", got)
			}
		})
	}
}

// TestWhatIsRefusedTellsWhy, and nothing else of it stays.
func TestWhatIsRefusedTellsWhy(t *testing.T) {
	t.Parallel()
	reason := func(u *user, name string) string {
		text := make([]byte, 100)
		n, _ := u.folder.Find(name).ReadAt(text, 0)
		return string(text[:n])
	}
	u := newUser(t, Options{Receipts: true})
	if err := u.put("a", "bad"); !errors.Is(err, volume.ErrInput) {
		t.Errorf("bad input: %v", err)
	}
	u.has("a.error", "")
	if got := reason(u, "a.error"); got != "bad input: it is bad\n" {
		t.Errorf("it says %q", got)
	}
	if err := u.put("a", "good"); err != nil {
		t.Error(err)
	}
	u.has("a", "a=good")

	// At the rename the file waits on.
	if err := errors.Join(u.put(".b", "bad")); err != nil {
		t.Error(err)
	}
	if err := u.rename(".b", "b"); !errors.Is(err, volume.ErrInput) {
		t.Errorf("bad input: %v", err)
	}
	u.has(".b a b.error", "a=good")
	if err := errors.Join(u.folder.Remove(t.Context(), ".b", 0), u.folder.Remove(t.Context(), "b.error", 0)); err != nil {
		t.Error(err)
	}

	// Half a file is none.
	w := u.create("c")
	u.write(w, 0, "half")
	if err := w.Abandon(t.Context()); !errors.Is(err, volume.ErrInput) {
		t.Errorf("killed: %v", err)
	}
	if err := u.end(w); err == nil {
		t.Error("a file that failed is closed without an error")
	}
	w = u.create("d")
	u.write(w, 0, "half")
	if err := w.Close(t.Context()); !errors.Is(err, volume.ErrInput) {
		t.Errorf("closed by nobody: %v", err)
	}
	u.has("a c.error d.error", "a=good")

	// What was taken in is not here.
	if got := reason(u, "a"); got != string(noticeEnd[:len("good")]) {
		t.Errorf("a receipt shows %q", got)
	}
	if _, err := u.folder.Find("a").Open(t.Context(), true); !errors.Is(err, volume.ErrInput) {
		t.Errorf("appending to a receipt: %v", err)
	}
	w, err := u.folder.Find("a").Open(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteAt(t.Context(), []byte("x"), 2); !errors.Is(err, volume.ErrInput) {
		t.Errorf("writing into a receipt: %v", err)
	}
	if err := w.Refuse(errUncut); !errors.Is(err, volume.ErrInput) {
		t.Error(err)
	}
	// The vectors of what was there are in the store, and their receipt stays.
	u.has("a a.error c.error d.error", "a=good")
	if got := u.folder.Find("a").Facts(); string(got.Result) != "taken" || got.Size != 4 {
		t.Errorf("the receipt is %+v", got)
	}
	if u.shelf.spools != 0 {
		t.Errorf("%d spools are open", u.shelf.spools)
	}

	// Behind its close a file takes nothing, and stays what it is.
	w = u.create("e")
	u.write(w, 0, "good")
	if err := w.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	_, err = w.WriteAt(t.Context(), []byte("more"), 4)
	if !errors.Is(err, volume.ErrInput) || !errors.Is(w.Refuse(err), volume.ErrInput) {
		t.Errorf("writing behind the close: %v", err)
	}
	u.has("a a.error c.error d.error e", "a=good e=good")
	if _, _, err := u.folder.Create(t.Context(), "forbidden", 0, Attributes{}); !errors.Is(err, volume.ErrNotPermitted) {
		t.Error(err)
	}
	if _, _, err := u.folder.Create(t.Context(), strings.Repeat("x", 256), 0, Attributes{}); !errors.Is(err, syscall.ENAMETOOLONG) {
		t.Error(err)
	}
}

// TestWithoutReceipts nothing stays, of what was taken in or refused.
func TestWithoutReceipts(t *testing.T) {
	t.Parallel()
	u := newUser(t, Options{})
	if err := u.put("a", "bad"); !errors.Is(err, volume.ErrInput) {
		t.Error(err)
	}
	if err := errors.Join(u.put("a", "one"), u.put(".b", "two"), u.rename(".b", "b")); err != nil {
		t.Error(err)
	}
	u.has("", "a=one b=two")
}

// TestReceiptsAreBounded by the memory that there is: the oldest go.
func TestReceiptsAreBounded(t *testing.T) {
	t.Parallel()
	budget := memory.NewBudget(1 << 20)
	u := newUser(t, Options{Receipts: true, Memory: budget})
	for i := range 3000 {
		if err := u.put(fmt.Sprintf("%04d", i), "x"); err != nil {
			t.Fatal(err)
		}
	}
	listed := u.folder.List("")
	if len(listed) < 500 || len(listed) > 1024 || listed[len(listed)-1].Name != "2999" {
		t.Errorf("%d receipts are left, the newest is %s", len(listed), listed[len(listed)-1].Name)
	}
	// Those of files that are put again and again take no more than one.
	for range 3000 {
		if err := u.over(listed[0].Name, "y"); err != nil {
			t.Fatal(err)
		}
	}
	if again := u.folder.List(""); len(again) != len(listed) || len(u.folder.receipts) > 2*len(listed)+mostRemoved+1 {
		t.Errorf("%d receipts are left of %d, and %d remembered", len(again), len(listed), len(u.folder.receipts))
	}
	for _, l := range listed {
		if err := u.folder.Remove(t.Context(), l.Name, 0); err != nil {
			t.Fatal(err)
		}
	}
	if used := budget.Usage().Used; used != 0 {
		t.Errorf("%d bytes are charged for nothing", used)
	}
}
