package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// lockedLog keeps what is logged.
type lockedLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// readRaw reads the whole file of a store as the mount shows it.
func (p *place) readRaw(full string) error {
	p.Helper()
	view := p.snapshot(full).Raw()
	reader, err := view.Open(p.Context())
	if err != nil {
		p.Fatal(err)
	}
	_, err = reader.ReadContext(p.Context(), make([]byte, view.Size()), 0)
	return errors.Join(err, reader.Close())
}

// TestDamageIsTold: once something is found, whoever shows the store is told, the
// log and status.json say it, and it stays known while the store is closed.
func TestDamageIsTold(t *testing.T) {
	t.Parallel()
	for _, mode := range []state.VerifyMode{state.VerifyBackground, state.VerifyFirst} {
		rotten := person(1, 0)
		rotten[segments.HeaderSize+700] ^= 1
		log := &lockedLog{}
		p := newPlace(t, map[string][]byte{"a.rvf": rotten, "b.rvf": person(2, 0), "c.rvf": person(3, 0)},
			Options{Verify: mode, OpenStores: 1, Log: zerolog.New(log)})
		told := make(chan *Store, 10)
		p.catalog.ObserveDamage(func(s *Store) { told <- s })
		before := p.snapshot("a.rvf").Generation()
		if err := p.readRaw("a.rvf"); err != nil && !errors.Is(err, volume.ErrCorrupt) {
			t.Errorf("%s: %v", mode, err)
		}
		if s := <-told; s != p.find("a.rvf").Store {
			t.Errorf("%s: told of %s", mode, s.Path())
		}
		after := p.snapshot("a.rvf").Generation()
		if after == before {
			t.Errorf("%s: the generation from before still is the newest", mode)
		}
		for round := range 3 {
			if err := p.readRaw("a.rvf"); !errors.Is(err, volume.ErrCorrupt) {
				t.Errorf("%s, round %d: %v", mode, round, err)
			}
			text, _, err := p.find("a.rvf").Store.StatusJSON(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			var status struct {
				Damaged []state.DamagedSegment `json:"damaged_segments"`
				Verify  string                 `json:"verify"`
			}
			if err := json.Unmarshal(text, &status); err != nil || len(status.Damaged) != 1 || status.Damaged[0].Offset != 0 ||
				status.Damaged[0].Type != "vec" || status.Verify != mode.String() {
				t.Errorf("%s, round %d: status.json is %s, %v", mode, round, text, err)
			}
			for _, other := range []string{"b.rvf", "c.rvf"} { // a.rvf is closed for them
				if err := p.readRaw(other); err != nil {
					t.Errorf("%s: %s: %v", mode, other, err)
				}
			}
		}
		if got := p.snapshot("a.rvf").Generation(); got != after {
			t.Errorf("%s: the generation changes again", mode)
		}
		if said := strings.Count(log.String(), "damage found"); said != 1 || !strings.Contains(log.String(), `"store":"a.rvf"`) ||
			!strings.Contains(log.String(), `"offset":0`) || !strings.Contains(log.String(), `"segment":1`) {
			t.Errorf("%s: the log says %s", mode, log)
		}
		if len(told) > 0 {
			t.Errorf("%s: told %d times more", mode, len(told))
		}
	}
}
