package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// lockTypes are those of fields that are locks.
var lockTypes = []string{"sync.Mutex", "sync.RWMutex", "shared.Turn"}

// TestLocksAreDocumented: the order of locks in docs/architecture.md has a row for each
// lock that there is, with the file that it is in, and none for others.
func TestLocksAreDocumented(t *testing.T) {
	t.Parallel()
	documented := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z]+\\.[A-Za-z]+\\.[A-Za-z]+)` \\| `([^`]+)` \\|").FindAllStringSubmatch(string(read(t, "docs/architecture.md")), -1) {
		if documented[row[1]] != "" {
			t.Errorf("docs/architecture.md has two rows for the lock %s", row[1])
		}
		documented[row[1]] = row[2]
	}
	found := locks(t)
	for _, lock := range slices.Sorted(maps.Keys(found)) {
		switch at := documented[lock]; at {
		case found[lock]:
		case "":
			t.Errorf("docs/architecture.md says nothing of the lock %s in %s: what may be taken while it is held?", lock, found[lock])
		default:
			t.Errorf("docs/architecture.md says that the lock %s is in %s, and it is in %s", lock, at, found[lock])
		}
	}
	for lock, at := range documented {
		if found[lock] == "" {
			t.Errorf("docs/architecture.md tells of the lock %s in %s, which is not there", lock, at)
		}
	}
}

// locks are the fields of all types that are locks, as package.Type.field, with the files
// that they are in.
func locks(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, name := range files(t) {
		if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "test/") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		note := func(owner string, fields []*ast.Field) {
			for _, field := range fields {
				if !slices.Contains(lockTypes, selector(field.Type)) {
					continue
				}
				if len(field.Names) == 0 {
					t.Errorf("%s: %s embeds a lock, which all its users could take", name, owner)
				}
				for _, its := range field.Names {
					found[file.Name.Name+"."+owner+"."+its.Name] = name
				}
			}
		}
		ast.Inspect(file, func(node ast.Node) bool {
			switch declared := node.(type) {
			case *ast.TypeSpec:
				if structure, is := declared.Type.(*ast.StructType); is {
					note(declared.Name.Name, structure.Fields.List)
				}
			case *ast.ValueSpec:
				if slices.Contains(lockTypes, selector(declared.Type)) {
					t.Errorf("%s: a lock that is no part of what it guards", name)
				}
			}
			return true
		})
	}
	if len(found) == 0 {
		t.Fatal("no locks found")
	}
	return found
}

// selector is a type of another package as it is written.
func selector(expression ast.Expr) string {
	if selected, is := expression.(*ast.SelectorExpr); is {
		if from, is := selected.X.(*ast.Ident); is {
			return from.Name + "." + selected.Sel.Name
		}
	}
	return ""
}
