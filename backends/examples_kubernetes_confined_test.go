package backends

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// checkPolicies: who may reach which port, and what may be reached.
func (f *kubernetesForm) checkPolicies(t testing.TB, ps *problemList, cfg effectiveConfig) {
	into, outOf := map[int][]string{}, map[int]bool{}
	for _, policy := range f.policies {
		for key, value := range policy.Spec.PodSelector.MatchLabels {
			if f.template(t).Labels[key] != value {
				ps.add("%s selects no pod of ours", policy.Name)
			}
		}
		for _, rule := range policy.Spec.Ingress {
			who := peers(ps, policy.Name, rule.From)
			for _, p := range rule.Ports {
				into[p.Port.IntValue()] = append(into[p.Port.IntValue()], who...)
			}
		}
		for _, rule := range policy.Spec.Egress {
			peers(ps, policy.Name, rule.To)
			for _, p := range rule.Ports {
				outOf[p.Port.IntValue()] = true
			}
		}
	}
	if !slices.ContainsFunc(f.policies, func(p networkingv1.NetworkPolicy) bool {
		return slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeIngress) && slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
	}) {
		ps.add("no policy closes the pod in both directions")
	}
	ports := listenerPorts(t, cfg)
	if who := into[ports["webhook"]]; !slices.Equal(who, []string{"ingress-nginx", "nginx-ingress"}) {
		ps.add("the webhooks are open to %q", who)
	}
	if who := into[ports["admin"]]; !slices.Equal(who, []string{"monitoring"}) {
		ps.add("the admin listener is open to %q", who)
	}
	if who := into[ports["health"]]; who != nil {
		ps.add("the health listener is open to %q; the kubelet needs no rule", who)
	}
	if !outOf[53] {
		ps.add("no name can be resolved")
	}
	for _, endpoint := range f.destinations(t) {
		if !isLoopback(strings.TrimPrefix(endpoint, "http://")) && !outOf[portOf(t, endpoint)] {
			ps.add("nothing may be sent to %s", endpoint)
		}
	}
}

// destinations are the endpoints that the pod's containers send to.
func (f *kubernetesForm) destinations(t testing.TB) []string {
	var all []string
	pod := f.template(t).Spec
	for _, c := range slices.Concat(pod.Containers, pod.InitContainers) {
		for _, e := range c.Env {
			if e.Name == "OTEL_EXPORTER_OTLP_ENDPOINT" || e.Name == "TRACES_ENDPOINT" || e.Name == "STORE_URL" {
				all = append(all, e.Value)
			}
		}
	}
	return all
}

// peers are the namespaces of a rule; one that lets everybody in is a problem.
func peers(ps *problemList, policy string, list []networkingv1.NetworkPolicyPeer) []string {
	var who []string
	for _, peer := range list {
		if peer.NamespaceSelector == nil || peer.NamespaceSelector.MatchLabels[corev1.LabelMetadataName] == "" {
			ps.add("%s names no namespace", policy)
			continue
		}
		who = append(who, peer.NamespaceSelector.MatchLabels[corev1.LabelMetadataName])
	}
	if len(who) == 0 {
		ps.add("%s has a rule for everybody", policy)
	}
	return who
}

// checkConfinement: what a container may do, and what it may use.
func (f *kubernetesForm) checkConfinement(t testing.TB, ps *problemList) {
	if level := f.namespaces[0].Labels["pod-security.kubernetes.io/enforce"]; level != "restricted" {
		ps.add("the namespace enforces %q", level)
	}
	if f.configMaps["cdr2otel"] == nil {
		ps.add("a change of the configuration would restart the pod")
	}
	pod := f.template(t).Spec
	if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
		ps.add("the pod gets a token for the cluster's API")
	}
	s := pod.SecurityContext
	if s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.RunAsUser == nil || *s.RunAsUser == 0 || s.RunAsGroup == nil || s.FSGroup == nil || *s.FSGroup != *s.RunAsGroup {
		ps.add("the pod may run as root, or can't write its volume")
	}
	if s == nil || s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		ps.add("the pod has no seccomp profile")
	}
	for _, v := range pod.Volumes {
		if v.Secret != nil && (v.Secret.DefaultMode == nil || *v.Secret.DefaultMode&0o337 != 0) {
			ps.add("the secrets can be read by more than the pod's group")
		}
	}
	for _, c := range slices.Concat(pod.Containers, pod.InitContainers) {
		confined(ps, c)
		if !pinnedImage.MatchString(c.Image) {
			ps.add("%s: the image %s is not pinned", c.Name, c.Image)
		}
		if c.Resources.Limits.Memory().IsZero() || !c.Resources.Limits.Cpu().IsZero() {
			ps.add("%s needs a limit on memory and none on the processor", c.Name)
		}
		fitsMemory(t, c.Name, c.Resources.Limits.Memory().Value(), environment(c)["GOMEMLIMIT"])
		for _, m := range c.VolumeMounts {
			if m.SubPath != "" {
				ps.add("%s: %s never changes while the pod runs", c.Name, m.MountPath)
			}
		}
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.FieldRef == nil {
				ps.add("%s: %s is no plain value; secrets are files", c.Name, e.Name)
			}
		}
	}
}

func confined(ps *problemList, c corev1.Container) {
	s := c.SecurityContext
	if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation {
		ps.add("%s may gain privileges", c.Name)
	}
	if s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
		ps.add("%s can write its root file system", c.Name)
	}
	if s == nil || s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 {
		ps.add("%s has capabilities", c.Name)
	}
}

// Each check is seen to fail on an example that is wrong in one place.
func TestAWrongKubernetesExampleIsFound(t *testing.T) {
	t.Parallel()
	for _, wrong := range []struct{ old, new, problem string }{
		{"replicas: 1", "replicas: 2", "exactly one replica"},
		{"whenDeleted: Retain", "whenDeleted: Delete", "goes with the StatefulSet"},
		{"[ReadWriteOncePod]", "[ReadWriteMany]", "mounted by two pods"},
		{"storage: 12Gi", "storage: 10Gi", "no room beside"},
		{"mountPath: /var/lib/cdr2otel", "mountPath: /data", "on no claimed volume"},
		{"containerPort: 13134", "containerPort: 13133", "the container's ports"},
		{"path: /readyz", "path: /healthz", "asks /healthz"},
		{"port: health\n            periodSeconds: 10", "port: admin\n            periodSeconds: 10", "not on the health port"},
		{"endpoint: 0.0.0.0:9464", "endpoint: 127.0.0.1:9464", "inside the pod only"},
		{"terminationGracePeriodSeconds: 40", "terminationGracePeriodSeconds: 30", "terminationGracePeriodSeconds"},
		{"shutdown_timeout: 20s", "shutdown_timeout: 60s", "terminationGracePeriodSeconds"},
		{`prometheus.io/port: "9464"`, `prometheus.io/port: "8080"`, "Prometheus is sent to"},
		{"nginx.org/client-max-body-size: 8m", "nginx.org/client-max-body-size: 1m", "nginx.org/client-max-body-size: the Ingress takes bodies of"},
		{"proxy-body-size: 8m", "proxy-body-size: 1m", "proxy-body-size: the Ingress takes bodies of"},
		{"max_request_body_size: 8MiB", "max_request_body_size: 16MiB", "takes bodies of"},
		{"path: /webhook\n            pathType", "path: /\n            pathType", "the Ingress routes /"},
		{"host: *host", "host: example.com", "https"},
		{"targetPort: webhook", "targetPort: admin", "leads to the port admin"},
		{"publishNotReadyAddresses: true", "publishNotReadyAddresses: false", "still accepts"},
		{"kubernetes.io/metadata.name: ingress-nginx", "kubernetes.io/metadata.name: other", "the webhooks are open to"},
		{"- port: 9464", "- port: 13134", "the health listener is open"},
		{"policyTypes: [Ingress, Egress]", "policyTypes: [Ingress]", "both directions"},
		{"- port: 4318", "- port: 4317", "nothing may be sent to"},
		{"enforce: restricted", "enforce: baseline", "the namespace enforces"},
		{"disableNameSuffixHash: true", "disableNameSuffixHash: false", "would restart the pod"},
		{"runAsNonRoot: true", "runAsNonRoot: false", "may run as root"},
		{"readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "write its root"},
		{"drop: [ALL]", "drop: [NET_RAW]", "has capabilities"},
		{"allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true", "gain privileges"},
		{"defaultMode: 0440", "defaultMode: 0444", "the secrets can be read"},
		{"type: RuntimeDefault", "type: Unconfined", "seccomp"},
		{"mountPath: /etc/cdr2otel/config\n", "mountPath: /etc/cdr2otel/config\n              subPath: x\n", "never changes"},
	} {
		t.Run(wrong.new, func(t *testing.T) {
			t.Parallel()
			findsWrong(t, "statefulset", wrong.old, wrong.new, wrong.problem)
		})
	}
}

// findsWrong changes a form in one place and wants the problem to be found.
func findsWrong(t *testing.T, form, old, replacement, problem string) {
	t.Helper()
	right := loadKubernetes(t, nil, "examples", "kubernetes", form)
	changed := false
	edited := loadKubernetes(t, func(text string) string {
		changed = changed || strings.Contains(text, old)
		return strings.ReplaceAll(text, old, replacement)
	}, "examples", "kubernetes", form)
	if !changed {
		t.Fatalf("the example has no %q", old)
	}
	cfg := right.configuration(t)
	if text := edited.configMaps["cdr2otel"]["cdr2otel.yaml"]; text != right.configMaps["cdr2otel"]["cdr2otel.yaml"] {
		cfg = edited.configuration(t)
	}
	if problems := fmt.Sprint(edited.problems(t, cfg)); !strings.Contains(problems, problem) {
		t.Errorf("found %s", problems)
	}
}
