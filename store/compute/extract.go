package compute

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Embedded is what all embedded images have in common.
type Embedded struct {
	Entry segments.DirectoryEntry
	// Image is the image as it was embedded, decompressed; HeaderBinary is the
	// header as it stands in the file.
	Image        state.View
	HeaderBinary state.View
	// Integrity is the verdict on the image's hash. It is empty where nobody has
	// asked for it.
	Integrity Integrity

	hashed hashedImage
	stored state.View // the image as the file holds it
}

// Check finds out whether the image is what its header says, and keeps that in
// Integrity. The error is one of the disk, or of ctx.
func (e *Embedded) Check(ctx context.Context) (err error) {
	e.Integrity, err = e.hashed.integrity(ctx)
	return err
}

// intact makes sure that the segment is what was written.
func (e *Embedded) intact(ctx context.Context) error {
	return e.hashed.segment.Intact(ctx)
}

// Kernel is one embedded kernel.
type Kernel struct {
	Embedded
	Header  segments.KernelHeader
	Binding *segments.KernelBinding // nil in the plain layout
	Cmdline state.View
}

// EBPFProgram is one embedded eBPF program; BTF is empty when there is none.
type EBPFProgram struct {
	Embedded
	Header segments.EBPFHeader
	BTF    state.View
}

// WASMModule is one embedded WebAssembly module.
type WASMModule struct {
	Embedded
	Header segments.WASMHeader
}

// Dashboard is an embedded dashboard: its files, by their paths. Image is the whole
// bundle. A compressed bundle has no files.
type Dashboard struct {
	Embedded
	Header    segments.DashboardHeader
	EntryPath string
	Files     []state.NamedView
}

// ExtractKernel finds the first kernel in directory order, or the first for one of
// the given architectures, and checks its hash. ErrNotFound means that there is
// none, ErrCorrupt that it cannot be read. An image that is not what its header
// says is no error: Integrity tells.
func (s *Images) ExtractKernel(ctx context.Context, architectures ...segments.KernelArchitecture) (*Kernel, error) {
	kernel, err := extract(ctx, s, segments.TypeKernel, kernelOf, func(k *Kernel) bool {
		return len(architectures) == 0 || slices.Contains(architectures, k.Header.Architecture)
	})
	if err == nil {
		err = kernel.Check(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("extract kernel from store %q: %w", s.env.Name(), err)
	}
	return kernel, nil
}

// ExtractEBPF is ExtractKernel for eBPF programs, of the given types if there are
// any.
func (s *Images) ExtractEBPF(ctx context.Context, types ...segments.EBPFProgramType) (*EBPFProgram, error) {
	program, err := extract(ctx, s, segments.TypeEBPF, ebpfOf, func(p *EBPFProgram) bool {
		return len(types) == 0 || slices.Contains(types, p.Header.ProgramType)
	})
	if err == nil {
		err = program.Check(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("extract eBPF program from store %q: %w", s.env.Name(), err)
	}
	return program, nil
}

// ExtractWASM finds all modules that can be read, those of the lowest bootstrap
// priority first, and checks their hashes. No module is no error.
func (s *Images) ExtractWASM(ctx context.Context) ([]*WASMModule, error) {
	snapshot, err := s.env.Snapshot(ctx)
	var modules []*WASMModule
	if err == nil {
		modules, err = listModules(ctx, snapshot)
	}
	for _, module := range modules {
		err = errors.Join(err, module.Check(ctx))
	}
	if err != nil {
		return nil, fmt.Errorf("extract WASM modules from store %q: %w", s.env.Name(), err)
	}
	return modules, nil
}

// listModules lists the modules that can be read in the order in which they start.
func listModules(ctx context.Context, s *state.Snapshot) ([]*WASMModule, error) {
	var modules []*WASMModule
	err := eachEmbedded(ctx, s, segments.TypeWASM, wasmOf, func(_ segments.DirectoryEntry, module *WASMModule, err error) (bool, error) {
		if err == nil {
			modules = append(modules, module)
		}
		return true, nil
	})
	slices.SortStableFunc(modules, func(a, b *WASMModule) int {
		return cmp.Compare(a.Header.BootstrapPriority, b.Header.BootstrapPriority)
	})
	return modules, err
}

// ExtractDashboard is ExtractKernel for the dashboard.
func (s *Images) ExtractDashboard(ctx context.Context) (*Dashboard, error) {
	dashboard, err := extract(ctx, s, segments.TypeDashboard, dashboardOf, func(*Dashboard) bool { return true })
	if err == nil {
		err = dashboard.Check(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("extract dashboard from store %q: %w", s.env.Name(), err)
	}
	return dashboard, nil
}

// extract finds the first segment of a type that wanted likes. One that cannot be
// read is an error only if nothing else is found.
func extract[T any](ctx context.Context, s *Images, kind segments.Type, parse func(context.Context, payload, segments.DirectoryEntry) (*T, error), wanted func(*T) bool) (*T, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	snapshot, err := s.env.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return first(ctx, snapshot, kind, parse, wanted)
}

// first is extract on one snapshot.
func first[T any](ctx context.Context, s *state.Snapshot, kind segments.Type, parse func(context.Context, payload, segments.DirectoryEntry) (*T, error), wanted func(*T) bool) (*T, error) {
	var found *T
	var damage error
	err := eachEmbedded(ctx, s, kind, parse,
		func(_ segments.DirectoryEntry, one *T, err error) (bool, error) {
			switch {
			case err != nil:
				damage = errors.Join(damage, err)
			case wanted(one):
				found = one
			}
			return found == nil, nil
		})
	switch {
	case err != nil:
		return nil, err
	case found == nil && damage != nil:
		return nil, damage
	case found == nil:
		return nil, fmt.Errorf("%w: the store holds no such %s", volume.ErrNotFound, kind)
	}
	return found, nil
}

// maxEmbedded bounds how many segments of one type are looked at.
const maxEmbedded = 1024

// eachEmbedded calls visit for each segment of a type in directory order, with what
// parse found or why it cannot be read, until visit returns false. Errors of the
// disk end it.
func eachEmbedded[T any](ctx context.Context, s *state.Snapshot, kind segments.Type, parse func(context.Context, payload, segments.DirectoryEntry) (*T, error),
	visit func(segments.DirectoryEntry, *T, error) (bool, error)) error {
	left := maxEmbedded
	for _, entry := range s.Named() {
		if entry.Type != kind {
			continue
		}
		if left--; left < 0 {
			return nil
		}
		var found *T
		err := s.With(ctx, state.Looking, func(reading *state.Reading) error {
			p, err := openPayload(reading, entry)
			if err == nil {
				found, err = parse(ctx, p, entry)
			}
			return err
		})
		if err != nil {
			if errors.Is(err, volume.ErrStale) {
				return err
			}
			if err = volume.AsCorrupt(err); !errors.Is(err, volume.ErrCorrupt) {
				return fmt.Errorf("read the %s at offset %d: %w", kind, entry.Offset, err)
			}
			err = fmt.Errorf("the %s at offset %d: %w", kind, entry.Offset, err)
		}
		more, err := visit(entry, found, err)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

func kernelOf(_ context.Context, p payload, entry segments.DirectoryEntry) (*Kernel, error) {
	parsed, err := segments.ParseKernel(p.prefix, p.view.Size())
	if err != nil {
		return nil, err
	}
	kernel := &Kernel{Header: parsed.Header, Binding: parsed.Binding}
	if kernel.Cmdline, err = state.SubView(p.view, parsed.CmdlineOffset, parsed.CmdlineLength); err != nil {
		return nil, err
	}
	image, err := p.image(parsed.ImageOffset, parsed.ImageLength, parsed.Header.Compression, parsed.Header.ImageSize, segments.MaxKernelImage)
	if err != nil {
		return nil, err
	}
	kernel.Embedded, err = p.embedded(entry, image, parsed.Header.ImageHash, segments.KernelHeaderSize)
	if err == nil {
		kernel.stored, err = state.SubView(p.view, parsed.ImageOffset, parsed.ImageLength)
	}
	return kernel, err
}

func ebpfOf(_ context.Context, p payload, entry segments.DirectoryEntry) (*EBPFProgram, error) {
	parsed, err := segments.ParseEBPF(p.prefix, p.view.Size())
	if err != nil {
		return nil, err
	}
	program := &EBPFProgram{Header: parsed.Header}
	if program.BTF, err = state.SubView(p.view, parsed.BTFOffset, parsed.BTFLength); err != nil {
		return nil, err
	}
	image, err := state.SubView(p.view, parsed.ProgramOffset, parsed.ProgramLength)
	if err != nil {
		return nil, err
	}
	program.Embedded, err = p.embedded(entry, image, parsed.Header.ProgramHash, segments.EBPFHeaderSize)
	return program, err
}

func wasmOf(_ context.Context, p payload, entry segments.DirectoryEntry) (*WASMModule, error) {
	parsed, err := segments.ParseWASM(p.prefix, p.view.Size())
	if err != nil {
		return nil, err
	}
	image, err := p.image(parsed.ModuleOffset, parsed.ModuleLength, parsed.Header.Compression, uint64(parsed.Header.BytecodeSize), segments.MaxWASM)
	if err != nil {
		return nil, err
	}
	module := &WASMModule{Header: parsed.Header}
	module.Embedded, err = p.embedded(entry, image, parsed.Header.Hash, segments.WASMHeaderSize)
	if err == nil {
		module.stored, err = state.SubView(p.view, parsed.ModuleOffset, parsed.ModuleLength)
	}
	return module, err
}

func dashboardOf(ctx context.Context, p payload, entry segments.DirectoryEntry) (*Dashboard, error) {
	parsed, err := segments.ParseDashboard(p.prefix, p.view.Size())
	if err != nil {
		return nil, err
	}
	bundle, err := state.SubView(p.view, parsed.BundleOffset, parsed.BundleLength)
	if err != nil {
		return nil, err
	}
	dashboard := &Dashboard{Header: parsed.Header}
	if dashboard.Embedded, err = p.embedded(entry, bundle, parsed.Header.Hash, segments.DashboardHeaderSize); err != nil {
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

// embedded puts together what all embedded images have in common.
func (p payload) embedded(entry segments.DirectoryEntry, image state.View, hash [32]byte, header int64) (Embedded, error) {
	binary, err := state.SubView(p.view, 0, header)
	hashed := hashedImage{key: p.inner(), segment: p.segment, view: image, hash: hash}
	return Embedded{Entry: entry, Image: CheckedView{image, hashed}, HeaderBinary: binary, hashed: hashed, stored: image}, err
}
