package objectstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"
)

// Spoiler stands between clients and a server, and spoils some of their requests.
type Spoiler struct {
	URL string

	forward *httputil.ReverseProxy
	late    sync.WaitGroup // requests that are forwarded after their answer

	mu      sync.Mutex
	random  *rand.Rand
	oneIn   int
	spoiled map[string]int
	answers map[string][]answer // former ones to questions, by what was asked
	always  string
	other   chan struct{} // closed when always changes
}

// spoiling is what may become of a request that changes something.
type spoiling struct {
	when   arrival
	answer int // 0: the connection breaks; own: the server's
}

// arrival is when a request arrives at the server.
type arrival uint8

const (
	nowhere    arrival = iota
	atOnce             // in time
	late               // with a delay
	afterwards         // when its sender waits for it no more
	again              // in time, and once more afterwards
)

// The answers that are none of those of the protocol.
const (
	broken = 0
	own    = -1
)

// spoilings are the ways: a request does not arrive, or it does and the answer is lost, or
// is another one, or it arrives later than all think.
var spoilings = map[string]spoiling{
	Lost:                        {nowhere, broken},
	Busy:                        {nowhere, http.StatusServiceUnavailable},
	"refused by 500":            {nowhere, http.StatusInternalServerError},
	Unsaid:                      {atOnce, broken},
	"done, and answered by 500": {atOnce, http.StatusInternalServerError},
	"done, and answered by 412": {atOnce, http.StatusPreconditionFailed},
	"done, and answered by 409": {atOnce, http.StatusConflict},
	"delayed":                   {late, own},
	"done after its answer":     {afterwards, broken},
	"done twice":                {again, own},
}

// The names of some of them. Older is the way to spoil a question: the answer is a former one.
// What hangs arrives when something else becomes of requests, if somebody waits for it still.
const (
	Hangs  = "hangs"
	Lost   = "lost"
	Busy   = "refused by 503"
	Unsaid = "done, and the answer is lost"
	Older  = "answered by an older state"
)

// ways are their names, in an order that does not change.
var ways = slices.Sorted(maps.Keys(spoilings))

const (
	// longestDelay is how much later a request arrives at most.
	longestDelay = 500 * time.Millisecond
	// remembered is how many former answers to one question are kept, and longestAnswer how
	// long one may be.
	remembered    = 4
	longestAnswer = 1 << 20
	// questions is how much more seldom a question is spoiled than what changes something.
	questions = 4
)

// answer is one to a question.
type answer struct {
	header  http.Header
	status  int
	content []byte
}

// Spoil starts one in front of a server, which spoils one in so many of the requests that
// write or delete, and some of the others.
func Spoil(t testing.TB, endpoint string, oneIn int, seed uint64) *Spoiler {
	t.Helper()
	return SpoilAt(t, "127.0.0.1:0", endpoint, oneIn, seed)
}

// SpoilAt is Spoil at an address of this machine.
func SpoilAt(t testing.TB, address, endpoint string, oneIn int, seed uint64) *Spoiler {
	t.Helper()
	behind, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	s := &Spoiler{oneIn: oneIn, random: rand.New(rand.NewPCG(seed, 1)), spoiled: map[string]int{}, answers: map[string][]answer{}, other: make(chan struct{})}
	s.forward = &httputil.ReverseProxy{
		// The name of the host is part of what is signed.
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(behind); r.Out.Host = r.In.Host },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(s)
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(func() {
		server.Close()
		s.late.Wait()
	})
	s.URL = server.URL
	return s
}

// ServeHTTP implements http.Handler.
func (s *Spoiler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	how, delay := s.choose(r)
	if how == "" {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			s.ask(w, r)
			return
		}
		s.forward.ServeHTTP(w, r)
		return
	}
	if how == Hangs {
		select {
		case <-s.next():
			s.forward.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
		return
	}
	chosen := spoilings[how]
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	send := func(ctx context.Context) *httptest.ResponseRecorder {
		copied := r.Clone(ctx)
		copied.Body = io.NopCloser(bytes.NewReader(body))
		seen := httptest.NewRecorder()
		s.forward.ServeHTTP(seen, copied)
		return seen
	}
	if chosen.when == late {
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
		}
	}
	var seen *httptest.ResponseRecorder
	if chosen.when == atOnce || chosen.when == late || chosen.when == again {
		seen = send(r.Context())
		if seen.Code >= http.StatusBadRequest { // who has lost is told so
			chosen.answer = own
		}
	}
	if chosen.when == afterwards || chosen.when == again {
		s.later(delay, send)
	}
	switch chosen.answer {
	case broken:
		panic(http.ErrAbortHandler)
	case own:
		answer{seen.Header(), seen.Code, seen.Body.Bytes()}.give(w)
	default:
		w.WriteHeader(chosen.answer)
	}
}

// later has a request arrive when its sender does not wait for it any more.
func (s *Spoiler) later(delay time.Duration, send func(context.Context) *httptest.ResponseRecorder) {
	s.late.Go(func() {
		defer func() { _ = recover() }() // the server is gone already
		time.Sleep(delay)
		send(context.Background())
	})
}

// ask passes a question on, or answers it as if the newest changes were not there yet.
func (s *Spoiler) ask(w http.ResponseWriter, r *http.Request) {
	if former := s.former(r); former != nil {
		if former.header.Get("Etag") == r.Header.Get("If-None-Match") {
			former = &answer{former.header, http.StatusNotModified, nil}
		}
		former.give(w)
		return
	}
	keeper := &keepingWriter{ResponseWriter: w}
	s.forward.ServeHTTP(keeper, r)
	if keeper.kept() {
		s.remember(question(r), answer{w.Header().Clone(), keeper.status, keeper.content.Bytes()})
	}
}

// question names what a request asks for.
func question(r *http.Request) string { return r.URL.String() + " " + r.Header.Get("Range") }

// give sends an answer.
func (a answer) give(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	if a.status == http.StatusNotModified {
		w.Header().Del("Content-Length")
	}
	w.WriteHeader(a.status)
	if len(a.content) > 0 {
		_, _ = w.Write(a.content) // who has asked may be gone
	}
}

// keepingWriter passes an answer on and keeps it, if it is short.
type keepingWriter struct {
	http.ResponseWriter
	status  int
	content bytes.Buffer
	long    bool
}

// WriteHeader implements http.ResponseWriter.
func (k *keepingWriter) WriteHeader(status int) {
	k.status = status
	k.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (k *keepingWriter) Write(p []byte) (int, error) {
	if k.content.Len()+len(p) > longestAnswer {
		k.long = true
	} else {
		k.content.Write(p)
	}
	return k.ResponseWriter.Write(p)
}

// kept reports whether the answer is one that can be given again.
func (k *keepingWriter) kept() bool {
	return !k.long && (k.status == http.StatusOK || k.status == http.StatusPartialContent)
}

// former is an answer that a question had before its newest one, nil for the true one. It is
// one about an object: listings are left alone.
func (s *Spoiler) former(r *http.Request) *answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.answers[question(r)]
	if r.Method != http.MethodGet || len(known) < 2 || s.random.IntN(s.oneIn*questions) > 0 {
		return nil
	}
	s.spoiled[Older]++
	return &known[s.random.IntN(len(known)-1)]
}

// remember keeps an answer, if it is another one than the last.
func (s *Spoiler) remember(question string, a answer) {
	tag := a.header.Get("Etag")
	if tag == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.answers[question]
	if slices.ContainsFunc(known, func(k answer) bool { return k.header.Get("Etag") == tag }) {
		return
	}
	if known = append(known, a); len(known) > remembered {
		known = known[1:]
	}
	s.answers[question] = known
}

// choose says how a request that changes something is spoiled, "" if it is not.
func (s *Spoiler) choose(r *http.Request) (how string, delay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.always != "" {
		return s.always, 0
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead || s.random.IntN(s.oneIn) > 0 {
		return "", 0
	}
	how = ways[s.random.IntN(len(ways))]
	s.spoiled[how]++
	return how, time.Duration(s.random.Int64N(int64(longestDelay)))
}

// Always spoils every request in one way, reads too, or with an empty one as many as before.
func (s *Spoiler) Always(how string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.always = how
	close(s.other)
	s.other = make(chan struct{})
}

// next is closed when something else becomes of requests.
func (s *Spoiler) next() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.other
}

// Spoiled counts the requests that were spoiled.
func (s *Spoiler) Spoiled() (count int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.spoiled {
		count += n
	}
	return count
}

// Check fails unless requests were spoiled in each way by one of the spoilers.
func Check(spoilers ...*Spoiler) (missing error) {
	for _, name := range append(slices.Clone(ways), Older) {
		count := 0
		for _, s := range spoilers {
			s.mu.Lock()
			count += s.spoiled[name]
			s.mu.Unlock()
		}
		if count == 0 {
			missing = errors.Join(missing, fmt.Errorf("nothing was %s", name))
		}
	}
	return missing
}
