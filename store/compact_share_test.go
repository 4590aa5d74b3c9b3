package store

import (
	"context"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"rvffs/store/throttle"
	"rvffs/store/volume"
	volumes "rvffs/store/volume/memory"
)

// slowFiles need a millisecond for each read and write. The time is that of a
// synctest bubble.
type slowFiles struct{ *volumes.Files }

type slowFile struct{ volume.File }

func (s slowFiles) Open(name string, write bool) (volume.File, error) {
	file, err := s.Files.Open(name, write)
	return slowFile{file}, err
}

func (s slowFiles) Create(name string, perm os.FileMode) (volume.File, error) {
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
			s, err := Create("a.rvf", CreateOptions{Dimension: 2048}, Options{Files: files})
			if err != nil {
				t.Fatal(err)
			}
			bring(t, s, nil, make([]float32, 4000*2048)...)
			file, err := files.Open("a.rvf", true)
			if err != nil {
				t.Fatal(err)
			}
			end := s.Current().Size()
			for i := range uint64(100) {
				encoded := encodedSegment(unknownType, 1000+i, noise(3000))
				if _, err := file.WriteAt(encoded, end); err != nil {
					t.Fatal(err)
				}
				end += int64(len(encoded))
			}
			if _, err := s.Snapshot(context.Background()); err != nil { // sees what is new in the file
				t.Fatal(err)
			}
			began := time.Now()
			if _, err := s.compact(context.Background(), nil, share); err != nil {
				t.Fatal(err)
			}
			elapsed = time.Since(began)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
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
