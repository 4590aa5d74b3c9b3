package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"testing"
)

// TestKindsOfImagesStandInOneTable finds each type of image once above the wire format,
// which is in the row of its kind: whatever is to be told of a kind is asked of the table.
func TestKindsOfImagesStandInOneTable(t *testing.T) {
	t.Parallel()
	places := map[string][]string{}
	for _, s := range sources(t) {
		if s.isTest() || within(s.folder(), "test") || within(s.folder(), "segments") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, s.path), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if used, is := node.(*ast.SelectorExpr); is {
				if of, is := used.X.(*ast.Ident); is && of.Name == "segments" {
					places[used.Sel.Name] = append(places[used.Sel.Name], s.path)
				}
			}
			return true
		})
	}
	for constant, file := range map[string]string{"TypeKernel": "kernel.go", "TypeEBPF": "ebpf.go", "TypeWASM": "wasm.go", "TypeDashboard": "dashboard.go"} {
		if want := []string{"store/compute/" + file}; !slices.Equal(places[constant], want) {
			t.Errorf("segments.%s stands in %q, want it in %q", constant, places[constant], want)
		}
	}
}
