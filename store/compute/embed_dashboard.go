package compute

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"rvffs/lineage"
	"rvffs/segments"
)

// DashboardConfig says how a dashboard is embedded.
type DashboardConfig struct {
	Framework segments.DashboardFramework
	// EntryPath is the file to begin with; empty: none is named.
	EntryPath string
	BuildTime uint64 // seconds since the Unix epoch
}

// DashboardFile is one file to be embedded.
type DashboardFile struct {
	Path    string // relative, with slashes
	Content io.ReaderAt
	Size    int64 // bytes
}

// EmbedDashboard embeds the files of a dashboard, uncompressed, and commits. The
// dashboard that was there is replaced. Paths that are absolute, lead upwards, come
// twice, or are a file and a folder are ErrInput; over the format's limit is
// ErrTooLarge.
func (s *Images) EmbedDashboard(ctx context.Context, files []DashboardFile, config DashboardConfig) (epoch uint32, err error) {
	if epoch, err = s.embedder().placeDashboard(ctx, files, config); err != nil {
		return 0, fmt.Errorf("embed dashboard into store %q: %w", s.env.Name(), err)
	}
	return epoch, nil
}

func (s embedder) placeDashboard(ctx context.Context, files []DashboardFile, config DashboardConfig) (uint32, error) {
	table := make([]segments.DashboardFile, len(files))
	bundle := &joined{}
	for i, file := range files {
		table[i] = segments.DashboardFile{Path: file.Path, Length: file.Size}
	}
	e := &embedding{kind: segments.TypeDashboard, image: bundle}
	e.head = func(hash lineage.Hash) ([]byte, error) {
		front, err := segments.BuildBundleFront(config.EntryPath, table)
		if err != nil {
			return nil, err
		}
		if bundle.parts == nil {
			bundle.add(bytes.NewReader(front), int64(len(front)))
			for _, file := range files {
				bundle.add(file.Content, file.Size)
			}
		}
		if bundle.size > segments.MaxDashboard {
			return nil, fmt.Errorf("%w: dashboard of %d bytes", segments.ErrTooLarge, bundle.size)
		}
		e.size = bundle.size
		header := segments.DashboardHeader{
			Version: segments.DashboardVersion, Framework: config.Framework, BundleSize: uint64(bundle.size),
			FileCount: uint32(len(files)), EntryPathLength: uint16(len(config.EntryPath)), BuildTime: config.BuildTime, Hash: hash,
		}
		if err := refused(header.Problems()); err != nil {
			return nil, err
		}
		head := header.Encode()
		return head[:], nil
	}
	return s.embed(ctx, e)
}

// joined is several runs of bytes, one behind the other.
type joined struct {
	parts []joinedPart
	size  int64
}

type joinedPart struct {
	reader io.ReaderAt
	start  int64
	size   int64
}

func (j *joined) add(reader io.ReaderAt, size int64) {
	j.parts = append(j.parts, joinedPart{reader, j.size, size})
	j.size += size
}

// ReadAt implements io.ReaderAt.
func (j *joined) ReadAt(p []byte, offset int64) (int, error) {
	n := 0
	for _, part := range j.parts {
		at := offset + int64(n) - part.start
		if n == len(p) || at < 0 || at >= part.size {
			continue
		}
		wanted := p[n:min(int64(len(p)), int64(n)+part.size-at)]
		read, err := part.reader.ReadAt(wanted, at)
		if n += read; read < len(wanted) {
			return n, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
