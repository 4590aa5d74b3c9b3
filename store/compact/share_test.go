package compact

import (
	"bytes"
	"context"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"rvffs/segments"
	"rvffs/store/throttle"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// slowFiles need a millisecond for each read and write. The time is that of a
// synctest bubble.
type slowFiles struct{ *volumes.Files }

type slowFile struct{ filelog.File }

func (s slowFiles) Open(name string, write bool) (filelog.File, error) {
	file, err := s.Files.Open(name, write)
	return slowFile{file}, err
}

func (s slowFiles) Create(name string, perm os.FileMode) (filelog.File, error) {
	file, err := s.Files.Create(name, perm)
	return slowFile{file}, err
}

func (f slowFile) ReadAt(p []byte, offset int64) (int, error) {
	time.Sleep(time.Millisecond)
	return f.File.ReadAt(p, offset)
}

func (f slowFile) WriteAt(p []byte, offset int64) (int, error) {
	time.Sleep(time.Millisecond)
	return f.File.WriteAt(p, offset)
}

// unknownType is one that no engine understands.
const unknownType = segments.Type(0xF7)

// TestActivityHasTheRuntimesWords says what is under way by the share that it takes.
func TestActivityHasTheRuntimesWords(t *testing.T) {
	t.Parallel()
	c := New(Environment{})
	for share, want := range map[throttle.Share]string{throttle.FullSpeed: "running", throttle.Background: "running", throttle.Emergency: "emergency"} {
		c.progress.begin(share)
		c.progress.Expect(7)
		c.progress.Done(3)
		if activity, done, total := c.Progress(); activity != want || done != 3 || total != 7 {
			t.Errorf("with a share of %d %% it is %s, %d of %d", share, activity, done, total)
		}
		c.progress.end()
	}
	if activity, done, total := c.Progress(); activity != "idle" || done != 0 || total != 0 {
		t.Errorf("afterwards it is %s, %d of %d", activity, done, total)
	}
}

// TestCompactionKeepsToItsShare: a compaction in the background leaves the disk to
// others for 70 % of its time, an urgent one for 40 %, one that was asked for not at
// all.
func TestCompactionKeepsToItsShare(t *testing.T) {
	t.Parallel()
	if throttle.Background != 30 || throttle.Emergency != 60 || due.share() != throttle.Background || emergency.share() != throttle.Emergency {
		t.Errorf("shares %d and %d, taken %d and %d", throttle.Background, throttle.Emergency, due.share(), emergency.share())
	}
	for share, want := range map[throttle.Share]time.Duration{30: 70 * time.Second, 60: 20 * time.Second, 100: 0} {
		if got := share.Pause(30 * time.Second); got != want {
			t.Errorf("a share of %d %% rests %v after 30 s, want %v", share, got, want)
		}
	}
	// Vectors and other segments are copied in many steps each, so that what cannot
	// rest, such as the last step, hardly counts.
	took := func(share throttle.Share) (elapsed time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			files := slowFiles{volumes.New()}
			s := newStore(t, files, 2048, nil)
			s.Stop() // it is asked, and does nothing by itself
			s.ingest(t, 4000, nil)
			file, err := files.Open("a.rvf", true)
			if err != nil {
				t.Fatal(err)
			}
			end := s.head.Current().Size()
			payload := bytes.Repeat([]byte{7}, 3000)
			for i := range uint64(100) {
				header := segments.Header{
					Version: segments.HeaderVersion, Type: unknownType, ID: 1000 + i, PayloadLength: uint64(len(payload)), ContentHash: segments.ContentHash(payload),
				}
				encoded := header.Encode()
				if _, err := file.WriteAt(append(encoded[:], payload...), end); err != nil {
					t.Fatal(err)
				}
				end += int64(len(encoded) + len(payload))
			}
			if _, err := s.head.Look(context.Background()); err != nil { // sees what is new in the file
				t.Fatal(err)
			}
			began := time.Now()
			if _, err := s.run(context.Background(), nil, nil, share); err != nil {
				t.Fatal(err)
			}
			elapsed = time.Since(began)
		})
		return elapsed
	}
	full := took(throttle.FullSpeed)
	for _, share := range []throttle.Share{throttle.Background, throttle.Emergency} {
		ratio := float64(took(share)) / float64(full)
		want := 100 / float64(share)
		if ratio < 0.9*want || ratio > 1.05*want {
			t.Errorf("a compaction with a share of %d %% takes %.2f times as long as at full speed, want about %.2f", share, ratio, want)
		}
	}
}
