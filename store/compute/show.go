package compute

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"rvffs/segments"
	"rvffs/store/shared"
	"rvffs/store/state"
)

// KernelFiles shows the first kernel that the manifest names: image, cmdline,
// header.json and header.bin, or error.txt when it is damaged; nothing when there
// is none. When there are several, all/ shows each in a folder of its own.
func KernelFiles(ctx context.Context, s *state.Snapshot) (*state.ViewTree, error) {
	return showTree(ctx, &shownTrees.Of(s).kernel, func(ctx context.Context) ([]state.NamedView, error) {
		return showEmbedded(ctx, s, segments.TypeKernel, kernelOf, nil, func(k *Kernel) (string, []state.NamedView, error) {
			header, err := k.describe().view(k.hashed)
			return k.Header.Architecture.String(), []state.NamedView{
				{Name: "image", View: k.Image}, {Name: "cmdline", View: k.Cmdline}, {Name: "header.bin", View: k.HeaderBinary}, {Name: "header.json", View: header},
			}, err
		})
	})
}

// EBPFFiles is Kernel for eBPF programs: program.o, btf, header.json and header.bin.
func EBPFFiles(ctx context.Context, s *state.Snapshot) (*state.ViewTree, error) {
	return showTree(ctx, &shownTrees.Of(s).ebpf, func(ctx context.Context) ([]state.NamedView, error) {
		return showEmbedded(ctx, s, segments.TypeEBPF, ebpfOf, nil, func(p *EBPFProgram) (string, []state.NamedView, error) {
			header, err := p.describe().view(p.hashed)
			return p.Header.ProgramType.String(), []state.NamedView{
				{Name: "program.o", View: p.Image}, {Name: "btf", View: p.BTF}, {Name: "header.bin", View: p.HeaderBinary}, {Name: "header.json", View: header},
			}, err
		})
	})
}

// WASMFiles is Kernel for WebAssembly modules: module.wasm, header.json and header.bin
// of the one with the lowest bootstrap priority.
func WASMFiles(ctx context.Context, s *state.Snapshot) (*state.ViewTree, error) {
	return showTree(ctx, &shownTrees.Of(s).wasm, func(ctx context.Context) ([]state.NamedView, error) {
		order := func(a, b *WASMModule) int { return cmp.Compare(a.Header.BootstrapPriority, b.Header.BootstrapPriority) }
		return showEmbedded(ctx, s, segments.TypeWASM, wasmOf, order, func(m *WASMModule) (string, []state.NamedView, error) {
			header, err := m.describe().view(m.hashed)
			return m.Header.Role.String(), []state.NamedView{
				{Name: "module.wasm", View: m.Image}, {Name: "header.bin", View: m.HeaderBinary}, {Name: "header.json", View: header},
			}, err
		})
	})
}

// DashboardFiles shows the first dashboard that the manifest names: the files of its
// bundle by their paths, and header.json and header.bin unless files have these
// names. A compressed bundle is shown as it is.
func DashboardFiles(ctx context.Context, s *state.Snapshot) (*state.ViewTree, error) {
	return showTree(ctx, &shownTrees.Of(s).dashboard, func(ctx context.Context) ([]state.NamedView, error) {
		views, err := showEmbedded(ctx, s, segments.TypeDashboard, dashboardOf, nil, func(d *Dashboard) (string, []state.NamedView, error) {
			header, err := d.describe().view(d.hashed)
			files := slices.Clone(d.Files)
			if d.Header.Compression != segments.DashboardUncompressed {
				files = append(files, state.NamedView{Name: "bundle." + d.Header.Compression.String(), View: d.Image})
			}
			for _, own := range []state.NamedView{{Name: "header.bin", View: d.HeaderBinary}, {Name: "header.json", View: header}} {
				if !slices.ContainsFunc(d.Files, func(file state.NamedView) bool { return hides(file.Name, own.Name) }) {
					files = append(files, own)
				}
			}
			return d.Header.Framework.String(), files, err
		})
		// Only the first counts: a file of the bundle may be called all/… too.
		if len(views) > 0 && len(s.OfType(segments.TypeDashboard)) > 1 {
			views = slices.DeleteFunc(views, func(view state.NamedView) bool { return view.Extra })
		}
		return views, err
	})
}

// shownTrees keeps the folders of a snapshot's images.
var shownTrees state.Attachment[computeTrees]

type computeTrees struct{ kernel, ebpf, wasm, dashboard shared.Once[*state.ViewTree] }

// showTree makes a folder of files, once.
func showTree(ctx context.Context, known *shared.Once[*state.ViewTree], list func(context.Context) ([]state.NamedView, error)) (*state.ViewTree, error) {
	return known.Get(ctx, func(ctx context.Context) (*state.ViewTree, error) {
		files, err := list(ctx)
		if err != nil {
			return nil, err
		}
		return state.NewViewTree(files), nil
	})
}

// hides says whether a file, or a folder on its path, has the name.
func hides(path, name string) bool {
	return path == name || len(path) > len(name) && path[:len(name)] == name && path[len(name)] == '/'
}

// shown is one embedded segment as files, or why there are none.
type shown[T any] struct {
	entry segments.DirectoryEntry
	label string
	files []state.NamedView
	value *T // nil if it cannot be read
}

// showEmbedded makes files of the segments of a type. The first in directory order,
// or in the given order, stands in the folder itself.
func showEmbedded[T any](ctx context.Context, s *state.Snapshot, kind segments.Type, parse func(context.Context, payload, segments.DirectoryEntry) (*T, error),
	order func(a, b *T) int, list func(*T) (string, []state.NamedView, error)) ([]state.NamedView, error) {
	var all []shown[T]
	err := eachEmbedded(ctx, s, kind, parse, func(entry segments.DirectoryEntry, value *T, err error) (bool, error) {
		one := shown[T]{entry: entry, label: "damaged", value: value}
		if err != nil {
			text := fmt.Sprintf("The %s at offset %d cannot be read.\n\n%v\n", kind, entry.Offset, err)
			one.files = []state.NamedView{{Name: "error.txt", View: state.TextView([]byte(text))}}
		} else if one.label, one.files, err = list(value); err != nil {
			return false, err
		}
		all = append(all, one)
		return true, nil
	})
	if err != nil || len(all) == 0 {
		return nil, err
	}
	if order != nil {
		slices.SortStableFunc(all, func(a, b shown[T]) int {
			switch {
			case a.value != nil && b.value != nil:
				return order(a.value, b.value)
			case a.value != nil:
				return -1
			case b.value != nil:
				return 1
			}
			return 0
		})
	}
	views := slices.Clone(all[0].files)
	if len(all) == 1 {
		return views, nil
	}
	taken := map[string]bool{}
	for _, one := range all {
		folder := fmt.Sprintf("all/%06d-%s/", one.entry.SegmentID, one.label)
		if taken[folder] {
			folder = fmt.Sprintf("all/%06d-%s@%d/", one.entry.SegmentID, one.label, one.entry.Offset)
		}
		taken[folder] = true
		for _, file := range one.files {
			views = append(views, state.NamedView{Name: folder + file.Name, View: file.View, Extra: true})
		}
	}
	return views, nil
}

// CheckEmbedded compares every image with its hash and calls visit for each, with
// the verdict, or the reason why it cannot be read, and what is odd about its
// header.
func CheckEmbedded(ctx context.Context, s *state.Snapshot, visit func(segments.DirectoryEntry, Integrity, []string, error)) error {
	for _, step := range []func() error{
		func() error {
			return checkEach(ctx, s, segments.TypeKernel, kernelOf, visit, func(k *Kernel) (*Embedded, []string) { return &k.Embedded, k.Header.Problems() })
		},
		func() error {
			return checkEach(ctx, s, segments.TypeEBPF, ebpfOf, visit, func(p *EBPFProgram) (*Embedded, []string) { return &p.Embedded, p.Header.Problems() })
		},
		func() error {
			return checkEach(ctx, s, segments.TypeWASM, wasmOf, visit, func(m *WASMModule) (*Embedded, []string) { return &m.Embedded, m.Header.Problems() })
		},
		func() error {
			return checkEach(ctx, s, segments.TypeDashboard, dashboardOf, visit, func(d *Dashboard) (*Embedded, []string) { return &d.Embedded, d.Header.Problems() })
		},
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// checkEach is CheckEmbedded for the segments of one type.
func checkEach[T any](ctx context.Context, s *state.Snapshot, kind segments.Type, parse func(context.Context, payload, segments.DirectoryEntry) (*T, error),
	visit func(segments.DirectoryEntry, Integrity, []string, error), image func(*T) (*Embedded, []string)) error {
	return eachEmbedded(ctx, s, kind, parse, func(entry segments.DirectoryEntry, found *T, err error) (bool, error) {
		if err != nil {
			visit(entry, IntegrityUnreadable, nil, err)
			return true, nil
		}
		embedded, problems := image(found)
		if err := embedded.Check(ctx); err != nil {
			return false, err
		}
		visit(entry, embedded.Integrity, problems, nil)
		return true, nil
	})
}

// eachReadable calls visit for each segment of a type with the reason why it cannot
// be read, nil if it can.
func eachReadable(ctx context.Context, s *state.Snapshot, kind segments.Type, visit func(segments.DirectoryEntry, error)) error {
	switch kind {
	case segments.TypeKernel:
		return readEach(ctx, s, kind, kernelOf, visit)
	case segments.TypeEBPF:
		return readEach(ctx, s, kind, ebpfOf, visit)
	case segments.TypeWASM:
		return readEach(ctx, s, kind, wasmOf, visit)
	}
	return readEach(ctx, s, kind, dashboardOf, visit)
}

func readEach[T any](ctx context.Context, s *state.Snapshot, kind segments.Type, parse func(context.Context, payload, segments.DirectoryEntry) (*T, error), visit func(segments.DirectoryEntry, error)) error {
	return eachEmbedded(ctx, s, kind, parse, func(entry segments.DirectoryEntry, _ *T, err error) (bool, error) {
		visit(entry, err)
		return true, nil
	})
}
