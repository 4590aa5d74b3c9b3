package fs

import (
	"context"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store/volume/memory"
)

// belowOverlay shows texts under one name as the states of one file, below an overlay.
func belowOverlay(t *testing.T) func(order uint64, text string) (*nodefs.Inode, uint64) {
	s := show(memory.New())
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	tree := s.root.tree
	tree.overlays.found.Store(true)
	return func(order uint64, text string) (*nodefs.Inode, uint64) {
		file := &liveNode{node: node{tree: tree, rights: masked(readable)}, content: []byte(text), owner: folderOwner{s.root.folder}}
		out := fuse.EntryOut{Attr: fuse.Attr{Size: uint64(len(text))}}
		identity := nodefs.StableAttr{Mode: fuse.S_IFREG, Ino: 77, Gen: generationOf([]byte(text))}
		return tree.show(context.Background(), s.root.EmbeddedInode(), file, identity, "", order, &out), out.Size
	}
}

// openAs opens what a node shows, which must be text.
func openAs(t *testing.T, node *nodefs.Inode, text string) *steadyHandle {
	t.Helper()
	handle, _, errno := node.Operations().(nodefs.NodeOpener).Open(context.Background(), syscall.O_RDONLY)
	if errno != 0 {
		t.Fatal(errno)
	}
	opened := handle.(*steadyHandle)
	result, errno := opened.Read(context.Background(), make([]byte, 99), 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	if got, _ := result.Bytes(nil); string(got) != text {
		t.Errorf("%q is open, want %q", got, text)
	}
	return opened
}

// TestSteadyNodesOnlyGoForward: a lookup that began before a commit and is answered after
// another, which began later, does not bring the former state back.
func TestSteadyNodesOnlyGoForward(t *testing.T) {
	t.Parallel()
	show := belowOverlay(t)
	first, _ := show(1, "1")
	if again, size := show(3, "333"); again != first || size != 3 {
		t.Errorf("the next state is another node, or of %d bytes", size)
	}
	if late, size := show(2, "22"); late != first || size != 3 {
		t.Errorf("a late answer is another node, or of %d bytes", size)
	}
	openAs(t, first, "333").Release(context.Background())
}

// TestNamesWaitForThoseWhoClose: a name that is to show something else waits a moment for
// those who have it open, and not again and again for one who keeps it open.
func TestNamesWaitForThoseWhoClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		show := belowOverlay(t)
		node, _ := show(1, "1")
		open := openAs(t, node, "1")
		go func() {
			time.Sleep(closingMoment / 2)
			open.Release(context.Background())
		}()
		if got, _ := show(2, "22"); got != node {
			t.Error("it does not wait for the one who closes it")
		}
		open = openAs(t, node, "22")
		began := time.Now()
		for range 3 {
			if got, _ := show(3, "333"); got == node {
				t.Error("it shows another state while it is open")
			}
		}
		if waited := time.Since(began); waited != closingMoment {
			t.Errorf("it waits for %v", waited)
		}
		open.Release(context.Background())
		if got, _ := show(3, "333"); got != node {
			t.Error("it does not show the new state when it is closed")
		}
		openAs(t, node, "333").Release(context.Background())
	})
}
