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
	"unicode"
)

// TestDocstringsNameWhatTheyDocument: the comment of an exported declaration begins with
// its name, and no comment begins with another name than that of its declaration.
func TestDocstringsNameWhatTheyDocument(t *testing.T) {
	t.Parallel()
	for _, name := range files(t) {
		if path.Ext(name) != ".go" {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, filepath.Join(root, name), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, declared := range declarations(file) {
			if wrong := declared.misnamed(); wrong != "" {
				t.Errorf("%s:%d: the comment of %s begins with %q", name, set.Position(declared.at).Line, declared.name, wrong)
			}
		}
	}
}

// declaration is one that has a name and a comment of its own.
type declaration struct {
	name    string
	at      token.Pos
	comment string
}

// declarations are those of a file; of groups, the members with comments.
func declarations(file *ast.File) (all []declaration) {
	add := func(name *ast.Ident, comment *ast.CommentGroup) {
		if comment != nil {
			all = append(all, declaration{name.Name, name.Pos(), comment.Text()})
		}
	}
	for _, declared := range file.Decls {
		switch declared := declared.(type) {
		case *ast.FuncDecl:
			add(declared.Name, declared.Doc)
		case *ast.GenDecl:
			for _, spec := range declared.Specs {
				comment := declared.Doc
				if declared.Lparen.IsValid() {
					comment = nil // of the group
				}
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					if comment == nil {
						comment = spec.Doc
					}
					add(spec.Name, comment)
				case *ast.ValueSpec:
					if comment == nil {
						comment = spec.Doc
					}
					if len(spec.Names) == 1 {
						add(spec.Names[0], comment)
					}
				}
			}
		}
	}
	return all
}

// misnamed is the word with which the comment begins where that is not the declaration's
// name, perhaps with an article before it, and should be.
func (d declaration) misnamed() string {
	words := strings.Fields(d.comment)
	if len(words) > 1 && (words[0] == "A" || words[0] == "An" || words[0] == "The") {
		words = words[1:]
	}
	if len(words) == 0 {
		return ""
	}
	first := strings.TrimRight(words[0], ",.:;")
	first, _, _ = strings.Cut(strings.TrimSuffix(first, "'s"), "'")
	switch {
	case first == d.name || strings.HasPrefix(d.name, "Test") || strings.HasPrefix(d.name, "Benchmark") || strings.HasPrefix(d.name, "Fuzz"):
		return ""
	case ast.IsExported(d.name), strings.EqualFold(first, d.name), isCompound(first):
		return words[0]
	}
	return ""
}

// isCompound reports whether a word is one that only names look like: with a capital
// letter behind a small one.
func isCompound(word string) bool {
	small := false
	for _, r := range word {
		if unicode.IsUpper(r) && small {
			return token.IsIdentifier(word)
		}
		small = unicode.IsLower(r)
	}
	return false
}

// TestCommentsNameWhatThereIs: what a comment calls by package and name is declared there.
func TestCommentsNameWhatThereIs(t *testing.T) {
	t.Parallel()
	declared := map[string]map[string]bool{} // by package name
	comments := map[string][]*ast.CommentGroup{}
	set := token.NewFileSet()
	for _, name := range files(t) {
		if path.Ext(name) != ".go" {
			continue
		}
		file, err := parser.ParseFile(set, filepath.Join(root, name), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		comments[name] = file.Comments
		in := declared[file.Name.Name]
		if in == nil {
			in = map[string]bool{}
			declared[file.Name.Name] = in
		}
		ast.Inspect(file, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.FuncDecl:
				in[node.Name.Name] = true
			case *ast.TypeSpec:
				in[node.Name.Name] = true
			case *ast.ValueSpec:
				for _, name := range node.Names {
					in[name.Name] = true
				}
			case *ast.Field:
				for _, name := range node.Names {
					in[name.Name] = true
				}
			}
			return true
		})
	}
	named := regexp.MustCompile(`\b([a-z]+)\.([A-Z]\w*)`)
	for name, groups := range comments {
		for _, group := range groups {
			for _, match := range named.FindAllStringSubmatch(group.Text(), -1) {
				// There is an fs of the standard library, too.
				if in, ours := declared[match[1]]; ours && match[1] != "fs" && !in[match[2]] {
					t.Errorf("%s:%d: a comment tells of %s, which is not there", name, set.Position(group.Pos()).Line, match[0])
				}
			}
		}
	}
}

// TestPagesNameFilesThatAreThere: a file or folder of the repository that a page of docs
// names is there.
func TestPagesNameFilesThatAreThere(t *testing.T) {
	t.Parallel()
	all := files(t)
	named := regexp.MustCompile("`((?:cmd|fs|store|segments|lineage|test|scripts|docs)/[\\w./-]*)`")
	for _, name := range all {
		if path.Ext(name) != ".md" || !strings.HasPrefix(name, "docs/") && name != "README.md" {
			continue
		}
		for _, match := range named.FindAllStringSubmatch(string(read(t, name)), -1) {
			at := strings.TrimSuffix(match[1], "/")
			if !slices.ContainsFunc(all, func(file string) bool { return within(file, at) }) {
				t.Errorf("%s tells of %s, which is not there", name, match[1])
			}
		}
	}
}
