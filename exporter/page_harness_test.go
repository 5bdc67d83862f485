package exporter_test

import (
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// page is a page of the admin listener as a browser reads it.
type page struct {
	status int
	header http.Header
	text   string
	root   *html.Node
}

// visit asks for one, without following where it leads.
func (s *sidecar) visit(t testing.TB, path string, edit ...func(*http.Request)) page {
	t.Helper()
	return s.request(t, http.MethodGet, path, edit...)
}

func (s *sidecar) request(t testing.TB, method, path string, edit ...func(*http.Request)) page {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.AdminAddr()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range edit {
		change(req)
	}
	resp, err := s.HTTPClient.Transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	return page{resp.StatusCode, resp.Header, string(body), root}
}

// withHeader is an edit of a request.
func withHeader(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// elements are all that match, in the order of the page.
func (p page) elements(match func(*html.Node) bool) []*html.Node {
	var found []*html.Node
	for n := range p.root.Descendants() {
		if n.Type == html.ElementNode && match(n) {
			found = append(found, n)
		}
	}
	return found
}

// named are the elements with one of these names.
func (p page) named(names ...string) []*html.Node {
	return p.elements(func(n *html.Node) bool { return slices.Contains(names, n.Data) })
}

// with are the elements that have an attribute.
func (p page) with(key string) []*html.Node {
	return p.elements(func(n *html.Node) bool { return attr(n, key) != "" })
}

// id is the element with that id; nil if there is none.
func (p page) id(id string) *html.Node {
	for _, n := range p.elements(func(n *html.Node) bool { return attr(n, "id") == id }) {
		return n
	}
	return nil
}

// attr is an attribute of an element, "" if it has none.
func attr(n *html.Node, key string) string {
	if n == nil {
		return ""
	}
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// content is the text of an element as it is read, its blanks folded.
func content(n *html.Node) string {
	if n == nil {
		return ""
	}
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// rows are the deliveries of a list, as their ids.
func (p page) rows() []string {
	var ids []string
	for _, n := range p.with("data-id") {
		ids = append(ids, attr(n, "data-id"))
	}
	return ids
}

// textLog is a logger that writes what an operator would read.
func textLog(to io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
