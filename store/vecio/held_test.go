package vecio

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
)

// TestHeldIsWhatIsHeld compares what decoders say of themselves in the middle of a
// record with what they take.
func TestHeldIsWhatIsHeld(t *testing.T) {
	const streams = 20
	long := strings.Repeat("0.5,", 60_000)
	row := bytes.Repeat([]byte{0, 0, 0, 63}, 60_000)
	for name, stream := range map[string]struct {
		format Format
		bytes  []byte
	}{
		"half a line of JSON":   {JSON, []byte("[" + long)},
		"half a line of CSV":    {CSV, []byte(long)},
		"half a row":            {RawF32, row},
		"half a row of fvecs":   {Fvecs, append([]byte{0xff, 0xff, 0, 0}, row...)},
		"half a header of NPY":  {NPY, append([]byte(npyMagic+"\x01\x00\xff\xff{"), bytes.Repeat([]byte(" "), 60_000)...)},
		"whole rows":            {RawF32, bytes.Repeat([]byte{0, 0, 0, 63}, 65535)},
		"whole rows, converted": {JSON, []byte("[" + strings.Repeat("1,", 65534) + "1]\n")},
	} {
		measure := func(use func(Decoder)) int64 {
			decoders := make([]Decoder, streams)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			for i := range decoders {
				decoders[i] = NewDecoder(stream.format, &probeSink{dimension: 65535}, Options{})
				use(decoders[i])
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			runtime.KeepAlive(decoders)
			return (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / streams
		}
		var said int
		took := measure(func(d Decoder) {
			if _, err := d.Write(stream.bytes); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			said = d.Held()
		})
		const slack = 16 << 10
		if int64(said) < took-slack || int64(said) > took+slack {
			t.Errorf("%s: %d bytes, it says %d", name, took, said)
		}
		if !strings.HasPrefix(name, "whole") {
			continue
		}
		if rest := measure(func(d Decoder) {
			if _, err := d.Write(stream.bytes); err != nil {
				t.Fatal(err)
			}
			d.Trim()
		}); rest > slack {
			t.Errorf("%s: %d bytes when trimmed", name, rest)
		}
	}
}
