package compute

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/state"
)

// dashboards are bundles of files for a browser. A store has one, which the next replaces.
var dashboards = &Kind{
	Type: segments.TypeDashboard, Folder: "dashboard", headerSize: segments.DashboardHeaderSize,
	payloadLimit: segments.DashboardHeaderSize + segments.MaxDashboard, trade: dashboardTrade{},
	alone: true, // a file of the bundle may be called all/… too
}

type dashboardTrade struct{}

func (dashboardTrade) parts() map[Part]partKind { return nil }

func (dashboardTrade) slot([]byte) (any, error) { return nil, nil }

// Dashboard is an embedded dashboard: its files, by their paths. Image is the whole
// bundle. A compressed bundle has no files.
type Dashboard struct {
	Embedded
	Header    segments.DashboardHeader
	EntryPath string
	Files     []state.NamedView
}

func (dashboardTrade) parse(ctx context.Context, p payload, entry segments.DirectoryEntry) (image, error) {
	parsed, err := segments.ParseDashboard(p.prefix, p.view.Size())
	if err != nil {
		return nil, err
	}
	bundle, err := state.SubView(p.view, parsed.BundleOffset, parsed.BundleLength)
	if err != nil {
		return nil, err
	}
	dashboard := &Dashboard{Header: parsed.Header}
	if dashboard.Embedded, err = p.embedded(entry, bundle, parsed.Header.Hash); err != nil {
		return nil, err
	}
	if parsed.Header.Compression != segments.DashboardUncompressed {
		return dashboard, nil
	}
	reader, err := bundle.Open(ctx)
	if err != nil {
		return nil, err
	}
	var files []segments.DashboardFile
	dashboard.EntryPath, files, err = segments.ParseBundle(state.ReaderAt(ctx, reader), parsed.Header)
	if err = errors.Join(err, reader.Close()); err != nil {
		return nil, err
	}
	for _, file := range files {
		view, err := state.SubView(bundle, file.Offset, file.Length)
		if err != nil {
			return nil, err
		}
		dashboard.Files = append(dashboard.Files, state.NamedView{Name: file.Path, View: CheckedView{view, dashboard.hashed}})
	}
	return dashboard, nil
}

func (d *Dashboard) label() string { return d.Header.Framework.String() }

func (d *Dashboard) problems() []string { return d.Header.Problems() }

func (d *Dashboard) files() []state.NamedView {
	if d.Header.Compression != segments.DashboardUncompressed {
		return []state.NamedView{{Name: "bundle." + d.Header.Compression.String(), View: d.Image}}
	}
	return d.Files
}

// ExtractDashboard is ExtractKernel for the dashboard.
func (s *Images) ExtractDashboard(ctx context.Context) (*Dashboard, error) {
	dashboard, err := extract(ctx, s, dashboards, anyImage[*Dashboard])
	if err != nil {
		return nil, fmt.Errorf("extract dashboard from store %q: %w", s.env.Name(), err)
	}
	return dashboard, nil
}

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
	e := &embedding{kind: dashboards, image: bundle}
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
		if err := problemsError(header.Problems()); err != nil {
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
