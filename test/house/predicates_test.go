package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// functions visits the functions and methods of all Go files.
func functions(t *testing.T, visit func(at token.Position, declared *ast.FuncDecl)) {
	t.Helper()
	for _, name := range files(t) {
		if path.Ext(name) != ".go" {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, filepath.Join(root, name), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, declared := range file.Decls {
			if declared, is := declared.(*ast.FuncDecl); is {
				at := set.Position(declared.Pos())
				at.Filename = name
				visit(at, declared)
			}
		}
	}
}

// isPredicate reports whether a function answers yes or no: its only result is a bool, or
// the only bool among them, or the last.
func isPredicate(declared *ast.FuncDecl) bool {
	if declared.Type.Results == nil {
		return false
	}
	bools, last := 0, false
	for _, field := range declared.Type.Results.List {
		name, named := field.Type.(*ast.Ident)
		if last = named && name.Name == "bool"; last {
			bools += max(1, len(field.Names))
		}
	}
	return bools == 1 || last
}

// saysWhether is how docstrings of predicates do not tell what they report.
var saysWhether = regexp.MustCompile(`\b(says|tells|decides|checks|returns|determines) (whether|if|true)\b`)

// TestPredicatesReport: the docstring of a function that answers yes or no says in its
// first sentence what it "reports whether", and not what it "says". One whose answer is
// all that it gives has the words in any case, or implements what has them.
func TestPredicatesReport(t *testing.T) {
	t.Parallel()
	functions(t, func(at token.Position, declared *ast.FuncDecl) {
		if !isPredicate(declared) {
			return
		}
		text := strings.Join(strings.Fields(declared.Doc.Text()), " ")
		first, _, _ := strings.Cut(text+" ", ". ")
		if wrong := saysWhether.FindString(first); wrong != "" {
			t.Errorf("%s:%d: %s %q, and should report it", at.Filename, at.Line, declared.Name.Name, wrong)
		}
		reports := strings.Contains(text, "eports whether ") || strings.Contains(first, " implements ")
		if declared.Type.Results.NumFields() == 1 && text != "" && !reports {
			t.Errorf("%s:%d: %s does not say what it reports", at.Filename, at.Line, declared.Name.Name)
		}
	})
}

// vague are names that say nothing of what a function does, where no receiver does.
var vague = []string{
	"first", "number", "small", "again", "place", "payload", "facts",
	"besides", "do", "doubted", "dress", "examined", "held", "hides", "kept", "refused", "taken", "through",
}

// TestFunctionsSayWhatTheyDo: none that has no receiver has a name of which that is all
// that it says.
func TestFunctionsSayWhatTheyDo(t *testing.T) {
	t.Parallel()
	functions(t, func(at token.Position, declared *ast.FuncDecl) {
		if declared.Recv == nil && slices.Contains(vague, declared.Name.Name) {
			t.Errorf("%s:%d: what is done by a function called %s?", at.Filename, at.Line, declared.Name.Name)
		}
	})
}
