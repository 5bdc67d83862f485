package exporter_test

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/net/html"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
)

// everyPage are the pages of a sidecar that has exported the sample call, and some
// that are not there.
var everyPage = []string{
	"/", "/deliveries", "/deliveries?state=dead", "/deliveries?from=x", "/deliveries?tab=refused", "/deliveries/1", "/deliveries/1?tab=response",
	"/deliveries/4?tab=span", "/deliveries/99", "/calls", "/calls/" + sampleTrace, "/calls/x", "/lookup", "/lookup?log_id=nothing", "/lookup?by=x&id=y", "/nothing",
}

func TestEveryPageSendsAStrictPolicyAndLoadsNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	s := telephoned(t, asItIs, exporter.Options{})
	policy := "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
	headers := map[string]string{
		"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
	}
	looked := 0
	for _, path := range everyPage {
		p := s.visit(t, path)
		for name, want := range headers {
			if got := p.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		if got := p.header.Get("Content-Type"); got != "text/html; charset=utf-8" {
			t.Errorf("%s is %s", path, got)
		}
		for _, n := range p.elements(func(*html.Node) bool { return true }) {
			looked++
			if reaches(n) {
				t.Errorf("%s: <%s> %v asks for something that the policy forbids", path, n.Data, n.Attr)
			}
		}
	}
	for _, path := range []string{"/metrics", "/readyz", "/assets/style.css", "/webhook/default"} {
		if got := s.visit(t, path).header.Get("Content-Security-Policy"); got != policy {
			t.Errorf("%s: the policy is %q", path, got)
		}
	}
	t.Logf("%d elements of %d pages", looked, len(everyPage))
}

// reaches tells whether an element runs or loads what is not of this listener.
func reaches(n *html.Node) bool {
	if slices.Contains([]string{"script", "style", "iframe", "object", "embed", "base", "foreignobject"}, n.Data) {
		return true
	}
	for _, a := range n.Attr {
		loads := a.Key == "src" || a.Key == "srcset" || n.Data == "link" && a.Key == "href" || a.Key == "action" || n.Data == "image" || n.Data == "use" && a.Key == "href"
		if strings.HasPrefix(a.Key, "on") || a.Key == "style" || loads && !local(a.Val) {
			return true
		}
	}
	return false
}

// local tells whether an address is of this listener, or of the page itself.
func local(address string) bool {
	return strings.HasPrefix(address, "#") || strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "//")
}

// What a screen reader and a keyboard need: one heading, landmarks, names of fields
// and tables, ids that are there once.
func TestEveryPageHasItsLandmarksAndNames(t *testing.T) {
	t.Parallel()
	s := telephoned(t, asItIs, exporter.Options{})
	for _, path := range everyPage {
		p := s.visit(t, path)
		if n := len(p.named("h1")); n != 1 || len(p.named("main")) != 1 || len(p.named("header")) != 1 || len(p.named("footer")) != 1 || attr(p.named("html")[0], "lang") != "en" {
			t.Errorf("%s: %d first headings, or a landmark is missing", path, n)
		}
		if skip := p.named("a")[0]; attr(skip, "href") != "#main" {
			t.Errorf("%s: the first link does not skip to the content", path)
		}
		labelled := map[string]bool{}
		for _, n := range p.named("label") {
			labelled[attr(n, "for")] = true
		}
		seen := map[string]bool{}
		for _, n := range p.with("id") {
			if id := attr(n, "id"); seen[id] {
				t.Errorf("%s: the id %q is there twice", path, id)
			} else {
				seen[id] = true
			}
		}
		for _, n := range p.named("input", "select") {
			if attr(n, "type") != "hidden" && !labelled[attr(n, "id")] && attr(n, "aria-label") == "" {
				t.Errorf("%s: the field %q has no label", path, attr(n, "name"))
			}
		}
		for _, n := range p.named("table") {
			if first := n.FirstChild; !strings.HasPrefix(strings.TrimSpace(textAndTags(first)), "<caption>") {
				t.Errorf("%s: a table has no caption", path)
			}
		}
		for _, n := range p.named("th") {
			if attr(n, "scope") == "" {
				t.Errorf("%s: the heading %q of a table has no scope", path, content(n))
			}
		}
		for _, n := range p.named("nav", "svg") {
			if attr(n, "aria-label") == "" && attr(n, "aria-labelledby") == "" && attr(n, "aria-hidden") == "" {
				t.Errorf("%s: a <%s> has no name", path, n.Data)
			}
		}
	}
}

// textAndTags tells what comes first in a node and its siblings.
func textAndTags(n *html.Node) string {
	for ; n != nil; n = n.NextSibling {
		switch {
		case n.Type == html.ElementNode:
			return "<" + n.Data + ">"
		case strings.TrimSpace(n.Data) != "":
			return n.Data
		}
	}
	return ""
}

// hostileText is text that means something to HTML, URLs, templates or terminals.
var hostileText = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' autofocus onfocus='alert(1)`, `javascript:alert(1)`, `</td></table><h1>mine</h1>`,
	`{{.}}${7*7}`, `?a=b&c=d#e%00`, `../../admin`, `&lt;b&gt;`, "\u202eevil\u2028", `<!--`, `]]>`, `</title><base href=//evil.example>`, `http://evil.example/`,
}

func TestHostileTextStaysTextOnThePages(t *testing.T) {
	t.Parallel()
	s := start(t, configuration(t.TempDir()), off())
	for _, text := range hostileText {
		body := encoded(t, map[string]any{
			"event":   map[string]any{"name": "message_logged"},
			"payload": map[string]any{"log_id": text, "request": map[string]any{}, "response": map[string]any{"context": map[string]any{"global": map[string]any{"session_id": text}}}},
		})
		s.accepted(t, []byte(body))
		s.accepted(t, []byte(encoded(t, map[string]any{"event": map[string]any{"name": text}, "payload": map[string]any{}})))
	}
	good := authorized(sign(hs256, `{}`, string(secret)))
	if got := say(t, s.address(t), post("/webhook/default", good+line("User-Agent", hostileText[1])+line("X-<b>", hostileText[0]), hook("header"))); got.status != got200 && got.status != http.StatusBadRequest {
		t.Fatalf("status %d", got.status)
	}
	paths := []string{"/", "/deliveries", "/calls", "/deliveries?tab=refused"}
	for id := range 2*len(hostileText) + 1 {
		paths = append(paths, fmt.Sprintf("/deliveries/%d", id+1), fmt.Sprintf("/deliveries/%d?tab=span", id+1))
	}
	for _, text := range hostileText {
		q := url.QueryEscape(text)
		for _, path := range []string{"/deliveries?id=", "/deliveries?event=", "/deliveries?source=", "/deliveries?by=log_id&id=", "/deliveries?state=", "/deliveries?from=", "/deliveries?before=", "/deliveries?tab=refused&source=", "/lookup?log_id=", "/lookup?by=", "/calls?sort=", "/deliveries/1?tab=", "/calls?state="} {
			paths = append(paths, path+q)
		}
		paths = append(paths, "/"+url.PathEscape(text), "/deliveries/"+url.PathEscape(text), "/calls/"+url.PathEscape(text))
	}
	for _, path := range paths {
		p := s.visit(t, path)
		if len(p.named("h1")) > 1 {
			t.Errorf("%s has %d first headings", path, len(p.named("h1")))
		}
		for _, n := range p.elements(func(*html.Node) bool { return true }) {
			if reaches(n) || leadsAway(n) {
				t.Errorf("%s: <%s> %v came from a payload", path, n.Data, n.Attr)
			}
		}
	}
	list := s.visit(t, "/deliveries").text
	for _, text := range hostileText[:5] {
		if !strings.Contains(list, html.EscapeString(text)) {
			t.Errorf("the list does not show %q as the text that it is", text)
		}
	}
	t.Logf("%d texts on %d pages", len(hostileText), len(paths))
}

// leadsAway tells whether a link leaves the listener.
func leadsAway(n *html.Node) bool {
	return n.Data == "a" && !local(attr(n, "href"))
}

func TestARetryNeedsPOSTAndAPageOfThisListener(t *testing.T) {
	t.Parallel()
	log := &buffer{}
	opts := off()
	opts.Logger = textLog(log)
	s := start(t, configuration(t.TempDir()), opts)
	s.accepted(t, []byte(`{"event":{"name":"surprise_logged"},"payload":{"a":1}}`))
	// It can't be retried, so 409 is the answer to who may ask.
	for name, c := range map[string]struct {
		method string
		header [2]string
		want   int
	}{
		"a link":                    {http.MethodGet, [2]string{}, http.StatusNotFound},
		"PUT":                       {http.MethodPut, [2]string{}, http.StatusNotFound},
		"another site's form":       {http.MethodPost, [2]string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		"a neighbour's form":        {http.MethodPost, [2]string{"Sec-Fetch-Site", "same-site"}, http.StatusForbidden},
		"an older browser's form":   {http.MethodPost, [2]string{"Origin", "https://evil.example"}, http.StatusForbidden},
		"a form without an origin":  {http.MethodPost, [2]string{"Origin", "null"}, http.StatusForbidden},
		"the page's own form":       {http.MethodPost, [2]string{"Sec-Fetch-Site", "same-origin"}, http.StatusConflict},
		"an older browser's own":    {http.MethodPost, [2]string{"Origin", "http://" + s.AdminAddr()}, http.StatusConflict},
		"a program without browser": {http.MethodPost, [2]string{}, http.StatusConflict},
	} {
		who := func(r *http.Request) {
			if c.header[0] != "" {
				r.Header.Set(c.header[0], c.header[1])
			}
		}
		if p := s.request(t, c.method, "/deliveries/1/retry", who); p.status != c.want {
			t.Errorf("%s: status %d, want %d", name, p.status, c.want)
		}
		// All of a reason: 303 is the answer to who may ask, and a GET only lists the reasons.
		want := map[int]int{http.StatusConflict: http.StatusSeeOther}[c.want]
		if c.method == http.MethodGet {
			want = http.StatusOK
		}
		if p := s.request(t, c.method, "/retry?reason=too_large", who, withForm(url.Values{"reason": {"too_large"}})); p.status != cmp.Or(want, c.want) {
			t.Errorf("%s, of a reason: status %d, want %d", name, p.status, cmp.Or(want, c.want))
		}
	}
}

// A page elsewhere can give its own name the address of this machine's loopback
// interface; a browser then asks here, by that name.
func TestALoopbackListenerAnswersToLoopbackNamesOnly(t *testing.T) {
	t.Parallel()
	s := start(t, configuration(t.TempDir()), off())
	_, port, _ := strings.Cut(s.AdminAddr(), ":")
	asked := 0
	for host, want := range map[string]int{
		s.AdminAddr(): got200, "127.0.0.1": got200, "127.8.9.1:1": got200, "localhost:" + port: got200, "LOCALHOST": got200, "localhost.": got200, "cdr.localhost:" + port: got200, "[::1]:" + port: got200,
		"evil.example": 421, "evil.example:" + port: 421, "localhost.evil.example": 421, "evil-localhost": 421, "127.0.0.1.evil.example": 421, "10.0.0.1": 421, "0.0.0.0": 421, "[fe80::1]": 421, "127.0.0.1evil": 421, ".": 421,
	} {
		for _, path := range []string{"/", "/deliveries", "/calls", "/lookup", "/metrics", "/readyz", "/assets/style.css"} {
			asked++
			if p := s.visit(t, path, func(r *http.Request) { r.Host = host }); p.status != want {
				t.Errorf("%s of %q: status %d, want %d", path, host, p.status, want)
			}
		}
	}
	t.Logf("%d requests", asked)
}

func TestThePasswordOfTheWebConfigGuardsEachPageAndReplacesTheCheckOfNames(t *testing.T) {
	t.Parallel()
	hash, err := bcrypt.GenerateFromPassword([]byte("open"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	cfg := configuration(t.TempDir())
	cfg.Admin.WebConfig = filepath.Join(t.TempDir(), "web.yaml")
	cfg.Store.KeepBodies = time.Hour
	write(t, cfg.Admin.WebConfig, []byte("basic_auth_users:\n  anna: "+string(hash)+"\n"))
	log := &buffer{}
	opts := off()
	opts.Logger = textLog(log)
	s := start(t, cfg, opts)
	s.accepted(t, []byte(hook("guarded")))
	elsewhere := func(r *http.Request) { r.Host = "cdr.example" }
	for _, path := range append(slices.Clone(everyPage), "/assets/style.css", "/metrics") {
		if p := s.visit(t, path, elsewhere); p.status != http.StatusUnauthorized || strings.Contains(p.text, "guarded") {
			t.Errorf("%s without a password is %d", path, p.status)
		}
	}
	if p := s.request(t, http.MethodPost, "/deliveries/1/retry", elsewhere); p.status != http.StatusUnauthorized {
		t.Errorf("a retry without a password is %d", p.status)
	}
	p := s.visit(t, "/deliveries/1", elsewhere, func(r *http.Request) { r.SetBasicAuth("anna", "open") })
	if p.status != got200 || p.id("body") == nil {
		t.Errorf("with the password the page is %d", p.status)
	}
	if !strings.Contains(log.String(), `msg="a body was looked at" delivery=1 client=127.0.0.1:`) || !strings.Contains(log.String(), "user=anna") {
		t.Errorf("the log does not say who looked:\n%s", log)
	}
}

// A web configuration may ask for neither password nor TLS.
func TestAWebConfigurationThatProtectsNothingKeepsTheCheckOfNames(t *testing.T) {
	t.Parallel()
	cfg := configuration(t.TempDir())
	cfg.Admin.WebConfig = filepath.Join(t.TempDir(), "web.yaml")
	write(t, cfg.Admin.WebConfig, []byte("http_server_config: {http2: false}\n"))
	s := start(t, cfg, off())
	for host, want := range map[string]int{s.AdminAddr(): got200, "evil.example": http.StatusMisdirectedRequest} {
		if p := s.visit(t, "/deliveries", func(r *http.Request) { r.Host = host }); p.status != want {
			t.Errorf("%s is answered %d, want %d", host, p.status, want)
		}
	}
}

func TestBodiesAreShownOnlyWhereTheyAreKeptOnPurposeAndEachViewIsLogged(t *testing.T) {
	t.Parallel()
	const said, viewed = "my mother's maiden name", "a body was looked at"
	body := strings.Replace(hook("spoken"), `"request":{}`, `"request":{"input":{"text":"`+said+`"}}`, 1)
	for name, c := range map[string]struct {
		change func(*config.Config)
		shown  bool
	}{
		"default":     {asItIs, false},
		"content":     {func(c *config.Config) { c.Mapping.Content = true }, false},
		"keep_bodies": {func(c *config.Config) { c.Store.KeepBodies = time.Hour }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := configuration(t.TempDir())
			c.change(&cfg)
			log := &buffer{}
			opts := off()
			opts.Logger = textLog(log)
			s := start(t, cfg, opts)
			s.accepted(t, []byte(body))
			for _, path := range []string{"/", "/deliveries", "/deliveries/1?tab=response", "/deliveries/1?tab=span", "/calls", "/lookup?log_id=spoken"} {
				if strings.Contains(s.visit(t, path).text, "maiden") {
					t.Errorf("%s shows what was said", path)
				}
			}
			if strings.Contains(log.String(), viewed) {
				t.Error("a view is logged that was none")
			}
			p := s.visit(t, "/deliveries/1")
			if got := strings.Contains(content(p.id("body")), said); got != c.shown || p.id("body-hidden") == nil != c.shown {
				t.Errorf("the body is shown: %t, want %t", got, c.shown)
			}
			if got := strings.Count(log.String(), viewed); (got == 1) != c.shown || strings.Contains(log.String(), "maiden") {
				t.Errorf("%d views are logged:\n%s", got, log)
			}
		})
	}
}

// What left while the configuration allowed it is still in the stored requests.
func TestTextsInStoredSpansAreHiddenWhenTheConfigurationNoLongerAllowsThem(t *testing.T) {
	t.Parallel()
	const reply, viewed = "Your balance is fifty dollars.", "texts or numbers of a call were looked at"
	log := &buffer{}
	allowed := func(c *config.Config) { c.Mapping.Content = true }
	s := telephoned(t, allowed, exporter.Options{Logger: textLog(log)})
	shown := func() (found bool) {
		for id := range 4 {
			found = found || strings.Contains(s.visit(t, fmt.Sprintf("/deliveries/%d?tab=span", id+1)).text, reply)
		}
		return found
	}
	if !shown() || !strings.Contains(log.String(), viewed) {
		t.Errorf("with mapping.content the reply is not on the pages, or the view is not logged:\n%s", log)
	}
	cfg := configuration(t.TempDir())
	if err := s.Reload(func() (config.Config, error) { return cfg, nil }); err != nil {
		t.Fatal(err)
	}
	before := strings.Count(log.String(), viewed)
	if shown() || strings.Count(log.String(), viewed) != before {
		t.Error("without mapping.content the reply is still on the pages")
	}
}

func TestCredentialsOfARequestAreRedactedOnItsPage(t *testing.T) {
	t.Parallel()
	s := start(t, configuration(t.TempDir()), off())
	token := sign(hs256, `{}`, string(secret))
	lines := authorized("Bearer "+token) + line("X-Api-Key", "hunter2") + line("Cookie", "session=hunter2") + line("User-Agent", "platform/1") + line("Proxy-Authorization", "hunter2")
	if got := say(t, s.address(t), post("/webhook/default", lines, hook("one"))); got.status != got200 {
		t.Fatalf("status %d", got.status)
	}
	p := s.visit(t, "/deliveries/1")
	if strings.Contains(p.text, token) || strings.Contains(p.text, "hunter2") {
		t.Error("the page shows a credential")
	}
	for _, want := range []string{"Authorization redacted", "X-Api-Key redacted", "Cookie redacted", "Proxy-Authorization redacted", "User-Agent platform/1"} {
		if !strings.Contains(content(p.id("headers")), want) {
			t.Errorf("the headers have no %q: %s", want, content(p.id("headers")))
		}
	}
}
