package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"cdr2otel/exporter"
	"cdr2otel/exporter/internal/admin"
)

// running is a sidecar that answers on the health listener of this configuration.
type running struct {
	url    string
	status admin.Status
}

// findSidecar asks the health listener. nil: nothing of ours answers.
func (x *examination) findSidecar(ctx context.Context) *running {
	host, port, err := net.SplitHostPort(x.cfg.Health.Endpoint)
	if err != nil || port == "0" {
		return nil
	}
	base := "http://" + net.JoinHostPort(reachable(host), port)
	client := plainClient()
	defer client.CloseIdleConnections()
	began := time.Now()
	response, err := get(ctx, client, base+"/readyz")
	if err != nil {
		return nil
	}
	r := &running{url: base}
	var fields map[string]json.RawMessage
	if json.Unmarshal(response.body, &fields) != nil || fields["store_limit_bytes"] == nil || json.Unmarshal(response.body, &r.status) != nil {
		return nil // somebody else
	}
	x.heard("the running sidecar", response.date, began)
	return r
}

// reachable is the host to ask when a listener is on host.
func reachable(host string) string {
	switch host {
	case "", "0.0.0.0", "::":
		return "localhost"
	}
	return host
}

// sidecar says what the running one says of itself.
func (x *examination) sidecar() {
	if x.running == nil {
		x.note(checkSidecar, "none answers on health.endpoint (%s): this is checked for one about to start", x.cfg.Health.Endpoint)
		return
	}
	s := x.running.status
	if s.NotReady != "" {
		x.fail(checkSidecar, "see docs/runbook.md; webhooks that are refused are lost", "it runs but can't acknowledge: %s", oneLine(s.NotReady, 200))
	} else {
		x.ok(checkSidecar, "it runs and is ready; the store has %s of %s", size(s.StoreBytes), size(s.StoreLimit))
	}
	for _, signal := range []string{"traces", "logs"} {
		if d := s.Delivery[signal]; d.State == admin.SignalHeld {
			x.warn(checkSidecar, "see what otlp "+signal+" says below; nothing is lost meanwhile", "%s are held: %s", signal, oneLine(d.Why(), 200))
		}
	}
	x.refused(s.RefusedByReason)
	if dead := s.Events["dead"]; dead > 0 {
		x.warn(checkSidecar, "docs/runbook.md says what to do with dead letters", "%s could not be exported", count(int(dead), "event"))
	}
	if s.StoreLimit > 0 && s.StoreBytes > s.StoreLimit/10*8 {
		x.warn(checkSidecar, "find out why nothing leaves, or raise store.max_size", "the store is %d %% full", s.StoreBytes*100/s.StoreLimit)
	}
}

// refused says what was refused since the start.
func (x *examination) refused(byReason map[string]int64) {
	for _, reason := range slices.Sorted(maps.Keys(byReason)) {
		x.warn(checkSidecar, clause(admin.RefusalHint(reason)), "%s refused since its start, lost if the platform sent it: %s",
			count(int(byReason[reason]), "webhook"), oneLine(admin.RefusalText(reason), 200))
	}
}

// listeners checks that the three addresses answer, or can be taken when no sidecar
// runs.
func (x *examination) listeners(ctx context.Context) {
	for _, l := range []struct {
		name, endpoint string
		ask            func(context.Context, string) error
	}{
		{"webhook", x.cfg.Webhook.Endpoint, x.askWebhook},
		{"health", x.cfg.Health.Endpoint, askHealth},
		{"admin", x.cfg.Admin.Endpoint, askAdmin},
	} {
		x.listener(ctx, l.name, l.endpoint, l.ask)
	}
}

func (x *examination) listener(ctx context.Context, name, endpoint string, ask func(context.Context, string) error) {
	check := checkListener + " " + name
	host, port, err := net.SplitHostPort(endpoint)
	switch {
	case err != nil:
		x.fail(check, "write it as host:port", "%s.endpoint: %v", name, err)
		return
	case port == "0":
		x.note(check, "%s: a free port at each start, so nothing can be asked there", endpoint)
		return
	case x.running == nil:
		x.canListen(ctx, check, name, endpoint)
		return
	}
	if err := ask(ctx, net.JoinHostPort(reachable(host), port)); err != nil {
		x.fail(check, "it runs with another configuration, or is shutting down: restart it with this one",
			"%s: the running sidecar does not answer there: %s", endpoint, oneLine(err.Error(), 200))
		return
	}
	x.ok(check, "%s: answered by the running sidecar", endpoint)
}

func (x *examination) canListen(ctx context.Context, check, name, endpoint string) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", endpoint)
	if err != nil {
		seen, do := exporter.ExplainListen(name+".endpoint", endpoint, err)
		x.fail(check, do, "%s", seen)
		return
	}
	if err := l.Close(); err != nil {
		x.fail(check, "try again", "%s: %v", endpoint, err)
		return
	}
	x.ok(check, "%s: free", endpoint)
}

// askWebhook sends what is no webhook: only the listener of webhooks refuses the
// method and names POST.
func (x *examination) askWebhook(ctx context.Context, address string) error {
	scheme := "http"
	client := plainClient()
	if x.cfg.Webhook.TLSEnabled() {
		if x.cfg.Webhook.TLS.ClientCAFile != "" {
			return dial(ctx, address) // it would want a certificate that only clients have
		}
		chain, err := x.webhookChain(ctx)
		if err != nil {
			return err
		}
		scheme, client = "https", pinnedClient(chain[0])
	}
	defer client.CloseIdleConnections()
	response, err := get(ctx, client, scheme+"://"+address+x.cfg.Webhook.Path)
	if err != nil {
		return err
	}
	if response.status != http.StatusMethodNotAllowed || !slices.Contains(response.header["Allow"], http.MethodPost) {
		return fmt.Errorf("it answers %d, unlike a listener for webhooks at %s", response.status, x.cfg.Webhook.Path)
	}
	return nil
}

func askHealth(ctx context.Context, address string) error {
	client := plainClient()
	defer client.CloseIdleConnections()
	response, err := get(ctx, client, "http://"+address+"/healthz")
	if err == nil && response.status != http.StatusOK {
		err = fmt.Errorf("/healthz answers %d", response.status)
	}
	return err
}

// askAdmin takes any answer that the pages or what guards them may give: a password
// is asked for (401), or TLS (400).
func askAdmin(ctx context.Context, address string) error {
	client := plainClient()
	defer client.CloseIdleConnections()
	response, err := get(ctx, client, "http://"+address+"/healthz")
	if err != nil {
		return err
	}
	switch response.status {
	case http.StatusOK, http.StatusUnauthorized, http.StatusBadRequest:
		return nil
	}
	return fmt.Errorf("/healthz answers %d", response.status)
}

func dial(ctx context.Context, address string) error {
	d := net.Dialer{Timeout: askTimeout}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// answer of a listener.
type answer struct {
	status int
	header http.Header
	date   time.Time // zero: it did not say
	body   []byte
}

// maxAnswer is what is read of one, in bytes.
const maxAnswer = 1 << 20

func get(ctx context.Context, client *http.Client, url string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("User-Agent", exporter.DoctorAgent)
	return do(client, request)
}

func do(client *http.Client, request *http.Request) (answer, error) {
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return answer{}, err
	}
	a := answer{status: response.StatusCode, header: response.Header, body: body}
	if at, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		a.date = at
	}
	return a, nil
}
