package backends

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// closingTime is what ending takes besides shutdown_delay and shutdown_timeout:
// the last commits, and closing the store.
const closingTime = 5 * time.Second

// kubernetesForms are the folders that "kubectl apply -k" takes.
var kubernetesForms = []string{"statefulset", "sidecar", "replicas"}

func TestTheKubernetesExamplesFitTheConfigurationTheyMount(t *testing.T) {
	t.Parallel()
	for _, name := range kubernetesForms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := loadKubernetes(t, nil, "examples", "kubernetes", name)
			for _, problem := range f.problems(t, f.configuration(t)) {
				t.Error(problem)
			}
		})
	}
}

func TestTheSidecarStartsBeforeTheCollectorAndSendsToIt(t *testing.T) {
	t.Parallel()
	f := loadKubernetes(t, nil, "examples", "kubernetes", "sidecar")
	pod := f.sets[0].Spec.Template.Spec
	c, sidecar, err := container(pod, "cdr2otel")
	if err != nil || !sidecar {
		t.Errorf("cdr2otel is no native sidecar (%v)", err)
	}
	if c.StartupProbe == nil {
		t.Error("without a startup probe the Collector does not wait for it")
	}
	if endpoint := environment(c)["OTEL_EXPORTER_OTLP_ENDPOINT"]; endpoint != "http://localhost:4318" {
		t.Errorf("it sends to %s", endpoint)
	}
	collector, _, err := container(pod, "collector")
	if err != nil {
		t.Fatal(err)
	}
	if collector.ReadinessProbe != nil {
		t.Error("a Collector that is not ready would take the webhooks' endpoint away")
	}
	shipped := readExample(t, repoPath("collector-config", "sidecar.yaml"))
	_, v, found := volume(pod, collector, collector.Args[1])
	if !found || v == nil || v.ConfigMap == nil || f.configMaps[v.ConfigMap.Name]["sidecar.yaml"] != shipped {
		t.Errorf("%s is not collector-config/sidecar.yaml", collector.Args[1])
	}
	for name := range environment(collector) {
		if name != "GOMEMLIMIT" && !strings.Contains(shipped, "${env:"+name) {
			t.Errorf("sidecar.yaml does not read %s", name)
		}
	}
	if queue, _, found := volume(pod, collector, environment(collector)["COLLECTOR_QUEUE_DIRECTORY"]); !found || queue.Name != "queue" {
		t.Error("the Collector's queue is on no volume")
	}
}

func TestThePodMonitorNamesPortsThatExist(t *testing.T) {
	t.Parallel()
	file := repoPath("examples", "kubernetes", "base", "podmonitor.yaml")
	monitor := strictly(t, file, readExample(t, file), &podMonitor{})
	ports := map[string]int{}
	for _, name := range kubernetesForms {
		set := loadKubernetes(t, nil, "examples", "kubernetes", name).template(t)
		for _, c := range append(set.Spec.Containers, set.Spec.InitContainers...) {
			maps.Copy(ports, containerPorts(c))
		}
		for key, value := range monitor.Spec.Selector.MatchLabels {
			if set.Labels[key] != value {
				t.Errorf("the PodMonitor's selector %s=%s does not match the pod of %s", key, value, name)
			}
		}
	}
	for _, endpoint := range monitor.Spec.PodMetricsEndpoints {
		if ports[endpoint.Port] == 0 {
			t.Errorf("no container has the port %q", endpoint.Port)
		}
	}
}

// configuration validates the file that the pod is given and returns it.
func (f *kubernetesForm) configuration(t testing.TB) effectiveConfig {
	t.Helper()
	pod := f.template(t).Spec
	c, _, err := container(pod, "cdr2otel")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Args) != 3 || c.Args[0] != "serve" || c.Args[1] != "--config" {
		t.Fatalf("args are %q", c.Args)
	}
	_, v, found := volume(pod, c, c.Args[2])
	if !found || v == nil || v.ConfigMap == nil {
		t.Fatalf("%s is in no ConfigMap", c.Args[2])
	}
	text, found := f.configMaps[v.ConfigMap.Name][path.Base(c.Args[2])]
	if !found {
		t.Fatalf("the ConfigMap has no %s", path.Base(c.Args[2]))
	}
	return validated(t, text, environment(c), secretFiles(pod, c))
}

// secretFiles are the files that the mounted Secrets become.
func secretFiles(pod corev1.PodSpec, c corev1.Container) []string {
	var files []string
	for _, m := range c.VolumeMounts {
		for _, v := range pod.Volumes {
			if v.Name == m.Name && v.Secret != nil && m.SubPath == "" {
				for _, item := range v.Secret.Items {
					files = append(files, path.Join(m.MountPath, item.Path))
				}
			}
		}
	}
	return files
}

// problems is everything in which the objects and the configuration differ.
func (f *kubernetesForm) problems(t testing.TB, cfg effectiveConfig) []string {
	t.Helper()
	if len(f.services) != 1 || len(f.ingresses) != 1 || len(f.namespaces) != 1 {
		t.Fatalf("%d Services, %d Ingresses, %d Namespaces", len(f.services), len(f.ingresses), len(f.namespaces))
	}
	var ps problemList
	if strings.HasPrefix(cfg.Store.URL, "sqlite:") {
		f.checkStore(t, &ps, cfg)
	} else {
		f.checkReplicas(t, &ps, cfg)
	}
	f.checkListeners(t, &ps, cfg)
	f.checkIngress(t, &ps, cfg)
	f.checkPolicies(t, &ps, cfg)
	f.checkConfinement(t, &ps)
	return ps
}

// problemList is what a check found.
type problemList []string

func (ps *problemList) add(format string, args ...any) {
	*ps = append(*ps, fmt.Sprintf(format, args...))
}

// checkStore: never two pods on one store, and a store that stays.
func (f *kubernetesForm) checkStore(t testing.TB, ps *problemList, cfg effectiveConfig) {
	if len(f.sets) != 1 {
		ps.add("a file needs a StatefulSet")
		return
	}
	spec := f.sets[0].Spec
	if !f.services[0].Spec.PublishNotReadyAddresses {
		ps.add("while it shuts down, nothing leads to the pod that still accepts")
	}
	if spec.ServiceName != f.services[0].Name {
		ps.add("the StatefulSet's serviceName is %s", spec.ServiceName)
	}
	if spec.Replicas == nil || *spec.Replicas != 1 {
		ps.add("SQLite needs exactly one replica")
	}
	if kept := spec.PersistentVolumeClaimRetentionPolicy; kept == nil || kept.WhenDeleted != "Retain" || kept.WhenScaled != "Retain" {
		ps.add("the store's volume goes with the StatefulSet")
	}
	c, _, err := container(spec.Template.Spec, "cdr2otel")
	if err != nil {
		ps.add("%v", err)
		return
	}
	mount, v, found := volume(spec.Template.Spec, c, path.Dir(cfg.storeFile()))
	if !found || v != nil {
		ps.add("the store %s is on no claimed volume", cfg.storeFile())
		return
	}
	claimed := false
	for _, claim := range spec.VolumeClaimTemplates {
		if claim.Name != mount.Name {
			continue
		}
		claimed = true
		if size := claim.Spec.Resources.Requests.Storage().Value(); size < memorySize(t, cfg.Store.MaxSize)*11/10 {
			ps.add("the volume of %d bytes has no room beside store.max_size", size)
		}
		if !slices.Equal(claim.Spec.AccessModes, []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOncePod}) {
			ps.add("the store can be mounted by two pods: %v", claim.Spec.AccessModes)
		}
	}
	if !claimed {
		ps.add("no volumeClaimTemplate is called %s", mount.Name)
	}
}

// checkListeners: ports, probes, and the time to end.
func (f *kubernetesForm) checkListeners(t testing.TB, ps *problemList, cfg effectiveConfig) {
	pod := f.template(t).Spec
	c, sidecar, err := container(pod, "cdr2otel")
	if err != nil {
		ps.add("%v", err)
		return
	}
	if ports := containerPorts(c); !maps.Equal(ports, listenerPorts(t, cfg)) {
		ps.add("the container's ports are %v, the configuration's %v", ports, listenerPorts(t, cfg))
	}
	for name, probe := range map[string]*corev1.Probe{"/healthz": c.LivenessProbe, "/readyz": c.ReadinessProbe, "startup": c.StartupProbe} {
		if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Port.String() != "health" {
			ps.add("the probe %s is not on the health port", name)
		} else if name != "startup" && probe.HTTPGet.Path != name {
			ps.add("the probe of %s asks %s", name, probe.HTTPGet.Path)
		}
	}
	for key, endpoint := range map[string]string{"health": cfg.Health.Endpoint, "webhook": cfg.Webhook.Endpoint, "admin": cfg.Admin.Endpoint} {
		if isLoopback(endpoint) {
			ps.add("%s.endpoint %s is reachable from inside the pod only", key, endpoint)
		}
	}
	if cfg.ShutdownDelay <= 0 {
		ps.add("shutdown_delay is 0: what is on its way is refused")
	}
	needed := cfg.ShutdownDelay + cfg.ShutdownTimeout + closingTime
	if sidecar {
		needed += 15 * time.Second // the Collector ends first
	}
	if grace := pod.TerminationGracePeriodSeconds; grace == nil || time.Duration(*grace)*time.Second < needed {
		ps.add("terminationGracePeriodSeconds is below %v", needed)
	}
	if annotations := f.template(t).Annotations; annotations["prometheus.io/port"] != fmt.Sprint(portOf(t, cfg.Admin.Endpoint)) {
		ps.add("Prometheus is sent to port %s", annotations["prometheus.io/port"])
	}
}

// checkIngress: https, the configured path and no other, bodies as large as here.
func (f *kubernetesForm) checkIngress(t testing.TB, ps *problemList, cfg effectiveConfig) {
	ingress, service := f.ingresses[0], f.services[0]
	for _, annotation := range []string{"nginx.org/client-max-body-size", "nginx.ingress.kubernetes.io/proxy-body-size"} {
		if limit := ingress.Annotations[annotation]; limit == "" || memorySize(t, limit) != memorySize(t, cfg.Webhook.MaxRequestBodySize) {
			ps.add("%s: the Ingress takes bodies of %q, the webhook listener of %s", annotation, limit, cfg.Webhook.MaxRequestBodySize)
		}
	}
	if ingress.Annotations["cert-manager.io/cluster-issuer"] == "" {
		ps.add("nothing gets a certificate for the Ingress")
	}
	if ingress.Spec.DefaultBackend != nil || len(ingress.Spec.Rules) != 1 || len(ingress.Spec.Rules[0].HTTP.Paths) != 1 {
		ps.add("the Ingress routes more than one path")
		return
	}
	rule := ingress.Spec.Rules[0]
	if len(ingress.Spec.TLS) != 1 || !slices.Equal(ingress.Spec.TLS[0].Hosts, []string{rule.Host}) {
		ps.add("the Ingress does not speak https for %q", rule.Host)
	}
	route := rule.HTTP.Paths[0]
	if route.Path != cfg.Webhook.Path || route.PathType == nil || *route.PathType != networkingv1.PathTypePrefix {
		ps.add("the Ingress routes %s, webhooks come to %s", route.Path, cfg.Webhook.Path)
	}
	if route.Backend.Service.Name != service.Name || len(service.Spec.Ports) != 1 || route.Backend.Service.Port.Name != service.Spec.Ports[0].Name {
		ps.add("the Ingress leads to %s, the Service is %s", route.Backend.Service.Name, service.Name)
		return
	}
	if target := service.Spec.Ports[0].TargetPort.String(); target != "webhook" {
		ps.add("the Service leads to the port %s", target)
	}
	for key, value := range service.Spec.Selector {
		if f.template(t).Labels[key] != value {
			ps.add("the Service selects %s=%s, which the pod has not", key, value)
		}
	}
}
