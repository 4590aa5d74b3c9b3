package objectstore

import (
	"errors"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"testing"
)

// Spoiler stands between clients and a server, and spoils some of the requests that change
// something.
type Spoiler struct {
	URL string

	mu      sync.Mutex
	random  *rand.Rand
	oneIn   int
	spoiled map[string]int
	gone    bool
}

// spoilings are what may become of a request: it does not arrive, or it does and the answer
// is lost, or another one.
var spoilings = map[string]struct {
	arrives bool
	answer  int // 0: the connection breaks
}{
	"lost":                         {false, 0},
	"refused by 503":               {false, http.StatusServiceUnavailable},
	"refused by 500":               {false, http.StatusInternalServerError},
	"done, and the answer is lost": {true, 0},
	"done, and answered by 500":    {true, http.StatusInternalServerError},
	"done, and answered by 412":    {true, http.StatusPreconditionFailed},
	"done, and answered by 409":    {true, http.StatusConflict},
}

// ways are their names, in an order that does not change.
var ways = slices.Sorted(maps.Keys(spoilings))

// Spoil starts one in front of a server, which spoils one in so many of the requests that
// write or delete.
func Spoil(t testing.TB, endpoint string, oneIn int, seed uint64) *Spoiler {
	t.Helper()
	behind, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	s := &Spoiler{oneIn: oneIn, random: rand.New(rand.NewPCG(seed, 1)), spoiled: map[string]int{}}
	forward := &httputil.ReverseProxy{
		// The name of the host is part of what is signed.
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(behind); r.Out.Host = r.In.Host },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		how, spoils := s.choose(r)
		if !spoils {
			forward.ServeHTTP(w, r)
			return
		}
		chosen := spoilings[how]
		if chosen.arrives {
			unseen := httptest.NewRecorder()
			forward.ServeHTTP(unseen, r)
			if unseen.Code >= http.StatusBadRequest { // who has lost is told so
				chosen.answer = unseen.Code
			}
		}
		if chosen.answer == 0 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(chosen.answer)
	}))
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// choose says how a request is spoiled, if it is.
func (s *Spoiler) choose(r *http.Request) (how string, spoils bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return "lost", true
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead || s.random.IntN(s.oneIn) > 0 {
		return "", false
	}
	how = ways[s.random.IntN(len(ways))]
	s.spoiled[how]++
	return how, true
}

// Gone has nothing arrive any more, or everything again.
func (s *Spoiler) Gone(gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = gone
}

// Check fails unless each way to spoil was taken.
func (s *Spoiler) Check() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range spoilings {
		if s.spoiled[name] == 0 {
			return errors.New("nothing was " + name)
		}
	}
	return nil
}
