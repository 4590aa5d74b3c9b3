package filelog_test

import (
	"math/rand/v2"
	"testing"

	"rvffs/segments"
)

// TestMasksHideWhatLooksLikeAManifest, however the bytes are cut into writes: until the
// commit the file has no such bytes, what is read back is what was given, and so is what
// arrives.
func TestMasksHideWhatLooksLikeAManifest(t *testing.T) {
	t.Parallel()
	rounds := uint64(1500)
	if testing.Short() {
		rounds = 300
	}
	alphabet := []string{"S", "SF", "SFV", "SFVR", "SFVR\x01", "SFVR\x01\x05", "\x05", "\x01\x05", "x", "SFVR\x01\x04", "SFVRSFVR\x01\x05"}
	hidden := 0
	for seed := range rounds {
		random := rand.New(rand.NewPCG(seed, 1))
		d := newDesk(t)
		s := d.begin("")
		before := d.Base().State.End
		for range 1 + random.IntN(6) {
			piece := ""
			for range random.IntN(5) {
				piece += alphabet[random.IntN(len(alphabet))]
			}
			d.more(s, piece)
		}
		shown := d.files.Content("a.rvf")[before:]
		if at := segments.LooksLikeManifest(shown); at >= 0 {
			t.Fatalf("seed %d: of %q a reader sees a manifest at %d", seed, s.text, at)
		}
		if looks := segments.LooksLikeManifest([]byte(s.text)) >= 0; looks != s.Masked() {
			t.Fatalf("seed %d: %q is said to be masked: %t", seed, s.text, s.Masked())
		} else if looks {
			hidden++
		}
		if len(s.text) > 0 {
			from := random.IntN(len(s.text))
			back := make([]byte, 1+random.IntN(len(s.text)-from))
			if err := s.ReadBack(t.Context(), back, int64(from)); err != nil || string(back) != s.text[from:from+len(back)] {
				t.Fatalf("seed %d: of %q %q is read back: %v", seed, s.text, back, err)
			}
		}
		d.publish(s)
		if d.holds(); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		if err := d.End(); err != nil {
			t.Fatal(err)
		}
	}
	if hidden < int(rounds/10) {
		t.Errorf("of %d segments %d had something to hide", rounds, hidden)
	}
}

// TestStableBytesDoNotChange: what may be carried is what no later write masks.
func TestStableBytesDoNotChange(t *testing.T) {
	t.Parallel()
	fake := fakeManifest()
	for cut := range len(fake) {
		d := newDesk(t)
		s := d.begin("some text " + fake[:cut])
		stable := s.Stable()
		start := (s.Offset() + segments.HeaderSize)
		before := string(d.files.Content("a.rvf")[start : start+stable])
		d.more(s, fake[cut:])
		if after := string(d.files.Content("a.rvf")[start : start+stable]); after != before || stable < int64(cut) {
			t.Fatalf("cut at %d: of %d stable bytes, %q became %q", cut, stable, before, after)
		}
		if err := d.End(); err != nil {
			t.Fatal(err)
		}
	}
}
