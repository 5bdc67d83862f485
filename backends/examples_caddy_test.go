package backends

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

func TestTheCaddyfilesRouteWebhooksOnlyAndTakeWholeBodies(t *testing.T) {
	t.Parallel()
	cfg := validated(t, readExample(t, repoPath("examples", "compose", "cdr2otel.yaml")), nil, []string{"/run/secrets/live", "/run/secrets/draft"})
	for name, upstream := range map[string]string{"Caddyfile": "localhost:8080", "replicas.Caddyfile": "replica-1:8080 replica-2:8080"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := repoPath("examples", name)
			text := readExample(t, file)
			for what, want := range map[string]string{
				"the path":             "@webhooks path " + cfg.Webhook.Path + " " + cfg.Webhook.Path + "/*\n",
				"the size of bodies":   "max_size " + cfg.Webhook.MaxRequestBodySize + " ",
				"waiting for a start":  "lb_try_duration 30s\n",
				"anything else is 404": "handle {\n\t\trespond 404\n\t}\n",
			} {
				if strings.Count(text, want) != 1 {
					t.Errorf("%s: it lacks %q", what, want)
				}
			}
			if n := strings.Count(text, "reverse_proxy"); n != 1 {
				t.Errorf("%d ways lead to cdr2otel", n)
			}
			if name != "Caddyfile" && !strings.Contains(text, "health_uri /readyz\n\t\t\thealth_port "+fmt.Sprint(portOf(t, cfg.Health.Endpoint))+"\n") {
				t.Error("it sends to replicas that can't acknowledge")
			}
			t.Run("caddy accepts it", func(t *testing.T) {
				check := exec.CommandContext(t.Context(), toolPath(t, "caddy"), "adapt", "--config", file, "--adapter", "caddyfile", "--validate")
				check.Env = append(cleanEnvironment(), "WEBHOOK_HOST=http://cdr2otel.example.com", "WEBHOOK_UPSTREAM="+upstream, "HOME="+scratch(t))
				if out, err := check.CombinedOutput(); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			})
		})
	}
}
