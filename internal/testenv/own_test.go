package testenv

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A test that skips with the t of the test around it ends the wrong one, and panics:
// on a machine that has the service nobody sees it. So everything that may skip is
// called with the t that the innermost function got.
func TestEveryTestSkipsWithItsOwnT(t *testing.T) {
	t.Parallel()
	files := testFiles(t, os.DirFS("../.."))
	mistakes, skipping := borrowed(files)
	for _, m := range mistakes {
		t.Error(m)
	}
	if len(skipping) < 10 {
		t.Errorf("only %d functions may skip: %v; are they still found?", len(skipping), skipping)
	}
}

func TestATOfTheTestAroundIsFound(t *testing.T) {
	t.Parallel()
	const outer = `package p
func Need(t testing.TB) string { t.Helper(); t.Skip("x"); return "" }
func schema(t *testing.T) string { return Need(t) }
func TestOwn(t *testing.T) { t.Run("a", func(t *testing.T) { schema(t); t.Skip() }) }
func TestFails(t *testing.T) { t.Run("a", func(*testing.T) { t.Fatal("vet finds it") }) }
`
	for name, body := range map[string]string{
		"a closure that skips":             `func TestA(t *testing.T) { f(func() { t.Skipf("x") }) }`,
		"a closure that calls a helper":    `func TestA(t *testing.T) { f(func() { schema(t) }) }`,
		"a subtest with the t around it":   `func TestA(t *testing.T) { t.Run("a", func(t2 *testing.T) { schema(t) }) }`,
		"a t that was stored":              `func (p *process) memory() { p.t.Skip("x") }`,
		"a t that was stored, to a helper": `func (p *process) memory() { Need(p.t) }`,
	} {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, "x_test.go", outer+body, 0)
		if err != nil {
			t.Fatal(err)
		}
		if mistakes, _ := borrowed([]testFile{{".", fset, file}}); len(mistakes) != 1 {
			t.Errorf("%s: found %q, want one mistake", name, mistakes)
		}
	}
}

// testFile is a file of tests, or one that helps them.
type testFile struct {
	dir  string
	fset *token.FileSet
	*ast.File
}

// testFiles are those that import testing.
func testFiles(t testing.TB, root fs.FS) (files []testFile) {
	t.Helper()
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || path == "tools") {
			return fs.SkipDir
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, i := range file.Imports {
			if i.Path.Value == `"testing"` {
				files = append(files, testFile{filepath.Dir(path), fset, file})
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// borrowed finds the calls that may skip a test and are not given the t of the function
// around them, and all functions that may skip.
func borrowed(files []testFile) (mistakes []string, skipping map[string]bool) {
	skipping = map[string]bool{}
	for more := true; more; { // a function that calls one that may skip may skip
		more = false
		for _, file := range files {
			for _, d := range file.Decls {
				f, ok := d.(*ast.FuncDecl)
				if !ok || f.Recv != nil || f.Body == nil {
					continue
				}
				for _, s := range skips(file, f, skipping) {
					if name := file.Name.Name + "." + f.Name.Name; s.own && !skipping[name] && !strings.HasPrefix(f.Name.Name, "Test") {
						skipping[name], more = true, true
					}
				}
			}
		}
	}
	for _, file := range files {
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
				for _, s := range skips(file, f, skipping) {
					if !s.own {
						mistakes = append(mistakes, file.fset.Position(s.at).String()+": may skip with a t that is not its own")
					}
				}
			}
		}
	}
	return mistakes, skipping
}

// skip is a call that may skip.
type skip struct {
	at  token.Pos
	own bool // the t is a parameter of the innermost function around it
}

// skips are the calls in a function that may skip.
func skips(file testFile, f *ast.FuncDecl, skipping map[string]bool) (all []skip) {
	var in func(params *ast.FieldList, body *ast.BlockStmt)
	in = func(params *ast.FieldList, body *ast.BlockStmt) {
		ast.Inspect(body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncLit:
				in(n.Type.Params, n.Body)
				return false
			case *ast.CallExpr:
				if t := skipped(file, n, skipping); t != nil {
					all = append(all, skip{n.Pos(), isParam(params, t)})
				}
			}
			return true
		})
	}
	in(f.Type.Params, f.Body)
	return all
}

// skipped is the test that a call may skip, nil when it may skip none.
func skipped(file testFile, call *ast.CallExpr, skipping map[string]bool) ast.Expr {
	name := ""
	switch fun := call.Fun.(type) {
	case *ast.Ident:
		name = file.Name.Name + "." + fun.Name
	case *ast.SelectorExpr:
		if strings.HasPrefix(fun.Sel.Name, "Skip") && (isTest(fun.X)) {
			return fun.X
		}
		if x, ok := fun.X.(*ast.Ident); ok {
			name = x.Name + "." + fun.Sel.Name
		}
	}
	if skipping[name] && len(call.Args) > 0 {
		return call.Args[0]
	}
	return nil
}

// isTest tells whether an expression is named as tests are here: t, b, or a field t.
func isTest(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name == "t" || x.Name == "b"
	case *ast.SelectorExpr:
		return x.Sel.Name == "t"
	}
	return false
}

func isParam(params *ast.FieldList, t ast.Expr) bool {
	id, ok := t.(*ast.Ident)
	if !ok {
		return false
	}
	for _, field := range params.List {
		for _, name := range field.Names {
			if name.Name == id.Name {
				return true
			}
		}
	}
	return false
}
