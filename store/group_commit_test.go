package store

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"rvffs/segments"
	"rvffs/store/compute"
	"rvffs/store/state"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// gatedFiles lets syncs wait until its gate is open, and counts them.
type gatedFiles struct {
	*volumes.Files
	gate  chan struct{}
	syncs atomic.Int64
}

type gatedFile struct {
	filelog.File
	files *gatedFiles
}

func (g *gatedFiles) Open(name string, write bool) (filelog.File, error) {
	file, err := g.Files.Open(name, write)
	if err != nil || !write || name != "a.rvf" {
		return file, err
	}
	return &gatedFile{file, g}, nil
}

func (f *gatedFile) SyncData() error {
	f.files.syncs.Add(1)
	<-f.files.gate
	return f.File.SyncData()
}

// readBack is an extent of which a test says what it is to read it back.
type readBack struct {
	volume.Extent
	read func() error
}

// ReadBack implements volume.Extent.
func (r readBack) ReadBack(context.Context, []byte, int64) error { return r.read() }

// TestCommitsThatWaitShareSyncs lets five streams ask for a commit while a sixth
// one's is under way: theirs must become one.
func TestCommitsThatWaitShareSyncs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		files := &gatedFiles{Files: volumes.New(), gate: make(chan struct{})}
		s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: files}})
		if err != nil {
			t.Fatal(err)
		}
		var streams sync.WaitGroup
		commit := func(id uint64) {
			streams.Go(func() {
				a := s.NewAppender()
				err := a.Append(context.Background(), []uint64{id}, make([]byte, 8))
				if err == nil {
					_, _, err = a.Commit(context.Background())
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		commit(0)
		synctest.Wait() // it stands at the gate
		const waiting = 5
		for id := range uint64(waiting) {
			commit(id + 1)
		}
		synctest.Wait() // all stand in the queue behind it
		close(files.gate)
		streams.Wait()
		if got := files.syncs.Load(); got != 4 {
			t.Errorf("%d syncs for six streams, want two pairs", got)
		}
		if epoch := s.Current().Epoch(); epoch != 2 {
			t.Errorf("epoch %d, want 2", epoch)
		}
		if found := contents(t, s); len(found) != waiting+1 {
			t.Errorf("%d vectors", len(found))
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestReplacingSharesACommit: changes that only add stand before, behind and around
// one that replaces an image. All become one commit, in which the image is replaced
// and everything added is there, whatever their order.
func TestReplacingSharesACommit(t *testing.T) {
	t.Parallel()
	for name, order := range map[string]string{
		"a stream before": "sk", "a stream behind": "ks", "between streams": "sks", "a deletion and streams": "dssk",
		"two kinds, which take turns": "spsk",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx := context.Background()
				files := &gatedFiles{Files: volumes.New(), gate: make(chan struct{}, 1000)}
				for range cap(files.gate) {
					files.gate <- struct{}{}
				}
				s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: files}})
				if err != nil {
					t.Fatal(err)
				}
				old, image, program := noise(500), noise(800), append([]byte("\x7fELF"), noise(300)...)
				if err := write(t, s, compute.PartKernelImage, old); err != nil {
					t.Fatal(err)
				}
				bring(t, s, []uint64{1, 2}, 1, 1, 2, 2)
				want := map[uint64][]float32{1: {1, 1}, 2: {2, 2}}

				session, err := s.log.Begin(ctx)
				if err != nil {
					t.Fatal(err)
				}
				before := session.Base().Epoch()
				var changes sync.WaitGroup
				err = session.ReadBack(ctx, readBack{read: func() error { // the changes gather meanwhile
					for i, change := range order {
						changes.Go(func() {
							var err error
							switch change {
							case 's':
								_, err = s.Ingest(ctx, []uint64{uint64(10 + i)}, []float32{float32(i), 5})
							case 'd':
								_, err = s.Delete(ctx, []uint64{1})
							case 'k':
								err = write(t, s, compute.PartKernelImage, image)
							case 'p':
								err = write(t, s, compute.PartEBPFProgram, program)
							}
							if err != nil {
								t.Errorf("change %d (%c): %v", i, change, err)
							}
						})
						switch change {
						case 's':
							want[uint64(10+i)] = []float32{float32(i), 5}
						case 'd':
							delete(want, 1)
						}
						synctest.Wait() // its commit stands in the queue
					}
					return nil
				}}, nil, 0)
				if err != nil {
					t.Error(err)
				}
				changes.Wait()
				if err := session.End(); err != nil {
					t.Fatal(err)
				}
				epochs := uint32(1)
				if strings.Count(order, "k")+strings.Count(order, "p") > 1 {
					epochs = uint32(len(order))
				}
				if got := s.Current().Epoch() - before; got != epochs {
					t.Errorf("%d commits, want %d", got, epochs)
				}
				for _, snapshot := range []*state.Snapshot{s.Current(), reopenStore(t, s)} {
					if kernels := snapshot.OfType(segments.TypeKernel); len(kernels) != 1 {
						t.Errorf("%d kernels: %+v", len(kernels), kernels)
					}
					if got, err := kernelImage(snapshot); err != nil || !bytes.Equal(got, image) {
						t.Errorf("a kernel of %d bytes, want the new one of %d, %v", len(got), len(image), err)
					}
					if programs := len(snapshot.OfType(segments.TypeEBPF)); programs != strings.Count(order, "p") {
						t.Errorf("%d programs", programs)
					}
				}
				sameContents(t, contents(t, s), want)
				if found := verify(t, s.Current()); found.Damages > 0 {
					t.Error(describeFindings(found))
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
