package compute

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// wasmModules are WebAssembly modules. One of the same role and target takes the place of
// another, and the one of the lowest bootstrap priority is the first.
var wasmModules = &Kind{
	Type: segments.TypeWASM, Folder: wasmFolder, headerSize: segments.WASMHeaderSize,
	payloadLimit: segments.WASMHeaderSize + segments.MaxWASM, trade: wasmTrade{},
	order: func(a, b image) int {
		return cmp.Compare(a.(*WASMModule).Header.BootstrapPriority, b.(*WASMModule).Header.BootstrapPriority)
	},
}

// What is shown of a WebAssembly module.
const (
	wasmFolder = "wasm"

	PartWASMModule Part = wasmFolder + "/module.wasm"
	PartWASMHeader Part = wasmFolder + "/" + headerJSON
)

type wasmTrade struct{}

func (wasmTrade) parts() map[Part]partKind {
	return map[Part]partKind{
		PartWASMModule: {limit: segments.MaxWASM, embed: embedder.putWASMModule},
		PartWASMHeader: {limit: maxHeaderJSON, needsImage: true, embed: fromMemory(embedder.putWASMHeader)},
	}
}

func (wasmTrade) slot(prefix []byte) (any, error) {
	type slot struct {
		role   segments.WASMRole
		target segments.WASMTarget
	}
	header, err := segments.ParseWASMHeader(prefix)
	return slot{header.Role, header.Target}, err
}

// WASMModule is one embedded WebAssembly module.
type WASMModule struct {
	Embedded
	Header segments.WASMHeader
}

func (wasmTrade) parse(_ context.Context, p payload, entry segments.DirectoryEntry) (image, error) {
	parsed, err := segments.ParseWASM(p.prefix, p.view.Size())
	if err != nil {
		return nil, err
	}
	image, err := p.image(parsed.ModuleOffset, parsed.ModuleLength, parsed.Header.Compression, uint64(parsed.Header.BytecodeSize), segments.MaxWASM)
	if err != nil {
		return nil, err
	}
	module := &WASMModule{Header: parsed.Header}
	module.Embedded, err = p.embedded(entry, image, parsed.Header.Hash)
	if err == nil {
		module.stored, err = state.SubView(p.view, parsed.ModuleOffset, parsed.ModuleLength)
	}
	return module, err
}

func (m *WASMModule) label() string { return m.Header.Role.String() }

func (m *WASMModule) problems() []string { return m.Header.Problems() }

func (m *WASMModule) files() []state.NamedView {
	return []state.NamedView{{Name: PartWASMModule.file(), View: m.Image}}
}

// ExtractWASM finds all modules that can be read, those of the lowest bootstrap
// priority first, and checks their hashes. No module is no error.
func (s *Images) ExtractWASM(ctx context.Context) ([]*WASMModule, error) {
	snapshot, err := s.env.Snapshot(ctx)
	var modules []*WASMModule
	if err == nil {
		modules, err = findAll[*WASMModule](ctx, snapshot, wasmModules)
	}
	for _, module := range modules {
		err = errors.Join(err, module.Check(ctx))
	}
	if err != nil {
		return nil, fmt.Errorf("extract WASM modules from store %q: %w", s.env.Name(), err)
	}
	return modules, nil
}

// WASMConfig says how a WebAssembly module is embedded.
type WASMConfig struct {
	// Header holds what the header is to say; version, sizes, hash and compression
	// are filled in. segments.DetectWASM tells what a module says of itself.
	Header segments.WASMHeader
	// Compress stores the module compressed with zstd if that saves a tenth.
	Compress bool
}

// EmbedWASM embeds a WebAssembly module of size bytes and commits. A module of the
// same role and target is replaced, others stay. Over the format's limit is
// ErrTooLarge.
func (s *Images) EmbedWASM(ctx context.Context, module io.ReaderAt, size int64, config WASMConfig) (epoch uint32, err error) {
	if epoch, err = s.embedder().placeWASM(ctx, module, size, config, nil); err != nil {
		return 0, fmt.Errorf("embed WASM module into store %q: %w", s.env.Name(), err)
	}
	return epoch, nil
}

func (s embedder) placeWASM(ctx context.Context, module io.ReaderAt, size int64, config WASMConfig, source *segments.DirectoryEntry) (epoch uint32, err error) {
	header := config.Header
	header.Compression = segments.CompressionNone
	e := &embedding{kind: wasmModules, image: module, size: size, source: source}
	if config.Compress {
		packed, failed := s.compress(ctx, e, segments.MaxWASM)
		if failed != nil {
			return 0, failed
		}
		if packed != nil {
			defer func() { err = errors.Join(err, packed.Close()) }()
			header.Compression = segments.CompressionZstd
		}
	}
	if err := problemsError(header.Problems()); err != nil {
		return 0, err
	}
	e.head = func(hash lineage.Hash) ([]byte, error) {
		header.Hash = hash
		head, err := segments.BuildWASM(header, size, e.size)
		return head[:], err
	}
	return s.embed(ctx, e)
}

// putWASMModule embeds a module of which nothing is said but what it says itself. It
// takes the place, role and priority of the module that is shown.
func (s embedder) putWASMModule(ctx context.Context, module io.ReaderAt, size int64, options EmbedOptions) (uint32, error) {
	detected, err := segments.DetectWASM(module, size)
	if errors.Is(err, segments.ErrPayload) {
		err = fmt.Errorf("%w: %w", volume.ErrInput, err)
	}
	if err != nil {
		return 0, err
	}
	return s.onNewest(ctx, func(snapshot *state.Snapshot) (uint32, error) {
		header := detected
		source, err := replaceable(ctx, snapshot, wasmModules)
		if err != nil {
			return 0, err
		}
		old, err := findFirst(ctx, snapshot, wasmModules, anyImage[*WASMModule])
		if err == nil {
			source = &old.Entry
			if err = old.intact(ctx); err == nil {
				header.Role, header.BootstrapPriority, header.InterpreterType = old.Header.Role, old.Header.BootstrapPriority, old.Header.InterpreterType
			}
		}
		if err != nil && !errors.Is(err, volume.ErrNotFound) && !errors.Is(err, volume.ErrCorrupt) {
			return 0, err
		}
		return s.placeWASM(ctx, module, size, WASMConfig{Header: header, Compress: options.Compress}, source)
	})
}

func (s embedder) putWASMHeader(ctx context.Context, document []byte) (uint32, error) {
	return s.onNewest(ctx, func(snapshot *state.Snapshot) (epoch uint32, err error) {
		module, err := described[*WASMModule](ctx, snapshot, wasmModules)
		if err != nil {
			return 0, err
		}
		header := module.Header
		if err := editWASM(document, module, &header); err != nil {
			return 0, err
		}
		if _, err := module.newHash(ctx); err != nil {
			return 0, err
		}
		reader, err := module.Image.Open(ctx)
		if err != nil {
			return 0, err
		}
		compress := module.Header.Compression != segments.CompressionNone
		epoch, err = s.placeWASM(ctx, state.ReaderAt(ctx, reader), module.Image.Size(), WASMConfig{Header: header, Compress: compress}, &module.Entry)
		return epoch, errors.Join(err, reader.Close())
	})
}
