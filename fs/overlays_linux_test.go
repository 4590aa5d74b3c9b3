package fs

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestWhoMayBeAnOverlay is everybody who may mount, and who is not known to ask for himself.
func TestWhoMayBeAnOverlay(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]bool{
		"Name:\tdf\nCapPrm:\tffffffffffffffff\nCapEff:\t0000000000000000\nCapBnd:\tff\n": false,
		"Name:\tmount\nCapEff:\t000001ffffffffff\nCapBnd:\tff\n":                         true,
		"Name:\tx\nCapEff:\t0000000000200000\n":                                          true,
		"Name:\tx\nCapEff:\tffffffffffdfffff\n":                                          false,
		"Name:\tx\nCapEff:\t":                                                            true,
		"":                                                                               true,
	} {
		if got := mayMount([]byte(status)); got != want {
			t.Errorf("%q may mount: %t", status, got)
		}
	}
	for line, want := range map[string]struct {
		number int
		asleep bool
	}{
		"running\n":                         {0, false},
		"431 0x3 0x6 0x0 0x0 0x0 0x0 1 2\n": {431, true},
		"-1 0x7ffc 0x7f\n":                  {-1, true},
		"":                                  {-1, true},
	} {
		if number, asleep := callOf([]byte(line)); number != want.number || asleep != want.asleep {
			t.Errorf("%q is call %d, asleep: %t", line, number, asleep)
		}
	}
	if asksForItself(0) {
		t.Error("who cannot be seen is no overlay")
	}
	if own, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", unix.Gettid())); err == nil && mayMount(own) && asksForItself(uint32(os.Getpid())) {
		t.Error("who does something else is no overlay")
	}
}
