package admin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed assets templates
var files embed.FS

// pages are the pages of the admin listener.
type pages struct {
	cfg       Config
	templates map[string]*template.Template // by name of the file, without its ending
	assetsTag string                        // changes with what the assets hold
}

// view is what the layout of every page shows.
type view struct {
	Title   string
	Section string // path of the entry of the navigation that it belongs to
	Data    any

	// Filled in by render.
	Version, Assets string
	Now             time.Time
	Sections        []section
}

// section is an entry of the navigation.
type section struct{ Path, Name string }

var sections = []section{
	{"/", "Overview"},
	{"/deliveries", "Deliveries"},
	{"/calls", "Calls"},
	{"/lookup", "Lookup"},
	{"/metrics", "Metrics"},
	{"/readyz", "Health"},
}

// newPages parses the templates, which are part of the program: that they parse
// is a test's business, not the operator's.
func newPages(cfg Config) *pages {
	p := &pages{cfg: cfg, templates: map[string]*template.Template{}, assetsTag: tagOf("assets")}
	layout := template.Must(template.New("layout.html").Funcs(p.functions()).ParseFS(files, "templates/layout.html"))
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		panic(err) // a pattern that is no pattern
	}
	for _, name := range names {
		if base := path.Base(name); base != "layout.html" {
			t := template.Must(template.Must(layout.Clone()).ParseFS(files, name))
			p.templates[strings.TrimSuffix(base, ".html")] = t
		}
	}
	return p
}

// tagOf is short, and another one as soon as a file of the directory changes.
func tagOf(dir string) string {
	h := sha256.New()
	entries, err := files.ReadDir(dir)
	if err != nil {
		panic(err) // it is embedded
	}
	for _, e := range entries {
		content, err := files.ReadFile(dir + "/" + e.Name())
		if err != nil {
			panic(err)
		}
		h.Write(content)
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

// render answers with a page. It is made before its first byte leaves, so that
// an error of a template is a 500 and not half a page.
func (p *pages) render(w http.ResponseWriter, r *http.Request, status int, name string, v view) {
	v.Version, v.Assets, v.Sections, v.Now = p.cfg.Version, p.assetsTag, sections, p.cfg.Now()
	var page bytes.Buffer
	if err := p.templates[name].ExecuteTemplate(&page, "layout.html", v); err != nil {
		p.cfg.Logger.Error("a page could not be made; please report it", "page", name, "error", err)
		http.Error(w, "This page could not be made. The log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = page.WriteTo(w) // who asked is gone: nothing to do
	}
}

// note is a page that is one message.
type note struct {
	Headline string
	Text     string
}

func (p *pages) notFound(w http.ResponseWriter, r *http.Request) {
	p.renderNote(w, r, http.StatusNotFound, "", note{"No such page", "Nothing is at this address. The navigation above leads to everything there is."})
}

// renderNote answers with a message instead of what was asked for.
func (p *pages) renderNote(w http.ResponseWriter, r *http.Request, status int, section string, n note) {
	p.render(w, r, status, "note", view{Title: n.Headline, Section: section, Data: n})
}

// failed answers when the store can't be read. Why is in the log: it may name
// files.
func (p *pages) failed(w http.ResponseWriter, r *http.Request, section string, err error) {
	switch {
	case errors.Is(r.Context().Err(), context.Canceled): // nobody waits any more
	case p.isAway(r, err) && wantsJSON(r):
		p.refuse(w, http.StatusServiceUnavailable, "the store does not answer, ask again")
	case p.isAway(r, err):
		p.renderNote(w, r, http.StatusServiceUnavailable, section, note{"The store does not answer", "Health says why, as far as it is known, and whether webhooks are still taken. Then ask again."})
	default:
		p.cfg.Logger.Error("a page could not read the store", "page", section, "error", err)
		if wantsJSON(r) {
			p.refuse(w, http.StatusInternalServerError, "the store can't be read, the log says why")
			return
		}
		p.renderNote(w, r, http.StatusInternalServerError, section, note{"The store can't be read", "The log of this process says why. Health shows whether webhooks are still taken."})
	}
}

// isAway tells whether an error will be over by itself. The store logs it.
func (p *pages) isAway(r *http.Request, err error) bool {
	return r.Context().Err() != nil || errors.Is(err, p.cfg.Unavailable)
}

// patience is how long a page waits for a store that hangs. Whoever looks during an
// outage is told, and may ask again.
const patience = 10 * time.Second

// patient makes a page that reads the store.
func patient(page http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		page(w, r.WithContext(ctx))
	}
}

// asset answers with a file that pages load. Its address changes with its content.
func (p *pages) asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	content, err := files.ReadFile("assets/" + name)
	if err != nil {
		p.notFound(w, r)
		return
	}
	if r.URL.RawQuery == p.assetsTag {
		w.Header().Set("Cache-Control", "private, max-age=604800, immutable")
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
}
