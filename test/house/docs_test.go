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

// vocabulary is what comments may name of the repository.
type vocabulary struct {
	words   map[string]bool            // all that any code is made of
	in      map[string]map[string]bool // names that are declared, by package name
	members map[string]map[string]bool // fields and methods, by the name of their type
	embeds  map[string][]string        // whose members a type has too, by its name
	files   []string
}

// learn takes a file's names in.
func (v *vocabulary) learn(file *ast.File) {
	add := func(to map[string]map[string]bool, of, name string) {
		if to[of] == nil {
			to[of] = map[string]bool{}
		}
		to[of][name] = true
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.Ident:
			v.words[node.Name] = true
		case *ast.FuncDecl:
			add(v.in, file.Name.Name, node.Name.Name)
			if node.Recv != nil {
				add(v.members, typeName(node.Recv.List[0].Type), node.Name.Name)
			}
		case *ast.TypeSpec:
			add(v.in, file.Name.Name, node.Name.Name)
			add(v.members, node.Name.Name, "")
			v.embeds[node.Name.Name] = append(v.embeds[node.Name.Name], typeName(node.Type))
			ast.Inspect(node.Type, func(within ast.Node) bool {
				if field, is := within.(*ast.Field); is {
					for _, name := range field.Names {
						add(v.members, node.Name.Name, name.Name)
					}
					if len(field.Names) == 0 {
						v.embeds[node.Name.Name] = append(v.embeds[node.Name.Name], typeName(field.Type))
					}
				}
				return true
			})
		case *ast.ValueSpec:
			for _, name := range node.Names {
				add(v.in, file.Name.Name, name.Name)
			}
		case *ast.Field:
			for _, name := range node.Names {
				add(v.in, file.Name.Name, name.Name)
			}
		}
		return true
	})
}

// typeName is the name of a type, without its package, parameters and stars; none where
// it has no name.
func typeName(of ast.Expr) string {
	switch of := of.(type) {
	case *ast.Ident:
		return of.Name
	case *ast.StarExpr:
		return typeName(of.X)
	case *ast.SelectorExpr:
		return of.Sel.Name
	case *ast.IndexExpr:
		return typeName(of.X)
	case *ast.IndexListExpr:
		return typeName(of.X)
	}
	return ""
}

// has reports whether any type of a name may have a member: what is embedded of other
// modules may have any.
func (v *vocabulary) has(of, member string) bool {
	members, ours := v.members[of]
	return !ours || members[member] || slices.ContainsFunc(v.embeds[of], func(embedded string) bool {
		return embedded != "" && embedded != of && v.has(embedded, member)
	})
}

var (
	ofPackage = regexp.MustCompile(`\b([a-z]+)\.([A-Z]\w*)`)
	ofType    = regexp.MustCompile(`\b([A-Za-z]\w*)\.([A-Za-z]\w*)\b`)
	ofFile    = regexp.MustCompile(`(?:^|[^\w*…-])([\w/]+\.go)\b`)
	compound  = regexp.MustCompile(`(?:^|[^\w./-])([a-z]{2,}[A-Z]\w*)`) // a word like eBPF is none
	likened   = regexp.MustCompile(`^(\w+) is ([a-z]\w*)\b`)
)

// endings of files and the like, which are no members of anything.
var endings = []string{"go", "js", "json", "rvf"}

// gone gives the words of a comment that name what is declared nowhere.
func (v *vocabulary) gone(text string) (words []string) {
	for _, match := range ofPackage.FindAllStringSubmatch(text, -1) {
		// There is an fs of the standard library, too.
		if in, ours := v.in[match[1]]; ours && match[1] != "fs" && !in[match[2]] {
			words = append(words, match[0])
		}
	}
	for _, match := range ofType.FindAllStringSubmatch(text, -1) {
		if _, isPackage := v.in[match[1]]; !isPackage && !slices.Contains(endings, match[2]) && !v.has(match[1], match[2]) {
			words = append(words, match[0])
		}
	}
	for _, match := range ofFile.FindAllStringSubmatch(text, -1) {
		if !slices.ContainsFunc(v.files, func(file string) bool { return file == match[1] || strings.HasSuffix(file, "/"+match[1]) }) {
			words = append(words, match[1])
		}
	}
	for _, match := range compound.FindAllStringSubmatch(text, -1) {
		if !v.words[match[1]] {
			words = append(words, match[1])
		}
	}
	return words
}

// TestCommentsNameWhatThereIs: what a comment calls by package and name is declared there,
// what it calls by type and name is a member of such a type, and a word that only a name
// looks like is one somewhere; files that it names are there. Where a docstring says that a thing is another, with a small
// letter where the package has that other with a capital one, it tells of what has been
// renamed.
func TestCommentsNameWhatThereIs(t *testing.T) {
	t.Parallel()
	known := vocabulary{map[string]bool{}, map[string]map[string]bool{}, map[string]map[string]bool{}, map[string][]string{}, files(t)}
	set := token.NewFileSet()
	parsed := map[string]*ast.File{}
	for _, name := range files(t) {
		if path.Ext(name) != ".go" {
			continue
		}
		file, err := parser.ParseFile(set, filepath.Join(root, name), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		parsed[name] = file
		known.learn(file)
	}
	for name, file := range parsed {
		for _, group := range file.Comments {
			for _, word := range known.gone(group.Text()) {
				t.Errorf("%s:%d: a comment tells of %s, which is not there", name, set.Position(group.Pos()).Line, word)
			}
		}
		in := known.in[file.Name.Name]
		for _, d := range declarations(file) {
			match := likened.FindStringSubmatch(d.comment)
			if match == nil || match[1] != d.name || strings.EqualFold(match[2], d.name) || in[match[2]] {
				continue
			}
			if in[strings.ToUpper(match[2][:1])+match[2][1:]] {
				t.Errorf("%s:%d: %s is %s, which is not there", name, set.Position(d.at).Line, d.name, match[2])
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
