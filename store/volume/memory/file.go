package memory

import (
	"errors"
	"io"
	"os"
	"slices"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
)

// file is a file that is open.
type file struct {
	files  *Files
	node   *Node
	locks  bool
	closed bool
}

func (f *file) ReadAt(p []byte, offset int64) (int, error) {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	if err := f.files.refuse("read", "file"); err != nil {
		return 0, err
	}
	if offset >= int64(len(f.node.Content)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.Content[offset:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) WriteAt(p []byte, offset int64) (int, error) {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	if err := f.files.refuse("write", "file"); err != nil {
		var short *ShortWrite
		if !errors.As(err, &short) {
			return 0, err
		}
		p = p[:len(p)-max(1, len(p)/short.Divisor)]
		f.node.Write(p, offset)
		f.files.note(fileChange{Kind: DidWrite, node: f.node.Number, offset: offset, Data: slices.Clone(p)})
		return len(p), err
	}
	f.node.Write(p, offset)
	f.files.note(fileChange{Kind: DidWrite, node: f.node.Number, offset: offset, Data: slices.Clone(p)})
	return len(p), nil
}

func (n *Node) Write(p []byte, offset int64) {
	n.resize(max(int64(len(n.Content)), offset+int64(len(p))))
	copy(n.Content[offset:], p)
	n.modified = time.Now()
}

func (n *Node) resize(size int64) {
	if size <= int64(len(n.Content)) {
		n.Content = n.Content[:size]
		return
	}
	n.Content = append(n.Content, make([]byte, size-int64(len(n.Content)))...)
}

func (f *file) Truncate(size int64) error {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	if err := f.files.refuse("truncate", "file"); err != nil {
		return err
	}
	f.node.resize(size)
	f.node.modified = time.Now()
	f.files.note(fileChange{Kind: DidTruncate, node: f.node.Number, offset: size})
	return nil
}

func (f *file) SyncData() error {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	if err := f.files.refuse("sync", "file"); err != nil {
		f.files.note(fileChange{Kind: didFailSync, node: f.node.Number})
		return err
	}
	f.files.note(fileChange{Kind: DidSync, node: f.node.Number})
	return nil
}

func (f *file) Describe() (volume.FileInfo, error) {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	if f.files.FailLooks {
		if err := f.files.refuse("describe", "file"); err != nil {
			return volume.FileInfo{}, err
		}
	}
	return f.files.info(f.node), nil
}

func (f *file) TryLock() (bool, error) {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	if f.node.locked && !f.locks {
		return false, nil
	}
	f.node.locked, f.locks = true, true
	return true, nil
}

func (f *file) Close() error {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	if f.closed {
		return os.ErrClosed
	}
	f.closed = true
	f.files.used--
	if f.locks {
		f.node.locked = false
	}
	return nil
}

func (f *file) Attributes() (filelog.FileAttributes, error) {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	return f.node.Attributes, nil
}

func (f *file) SetAttributes(attributes filelog.FileAttributes) error {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	if err := f.files.refuse("set attributes", "file"); err != nil {
		return err
	}
	f.node.Attributes = attributes
	return nil
}

func (f *file) StartWriteback(int64, int64) {}
