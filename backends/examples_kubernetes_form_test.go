package backends

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// podMonitor is what the examples use of a PodMonitor.
type podMonitor struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name   string            `json:"name"`
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		Selector struct {
			MatchLabels map[string]string `json:"matchLabels"`
		} `json:"selector"`
		PodMetricsEndpoints []struct {
			Port     string `json:"port"`
			Path     string `json:"path"`
			Interval string `json:"interval"`
		} `json:"podMetricsEndpoints"`
	} `json:"spec"`
}

// kubernetesForm is everything that one kustomization applies.
type kubernetesForm struct {
	namespaces  []corev1.Namespace
	sets        []appsv1.StatefulSet
	deployments []appsv1.Deployment
	budgets     []policyv1.PodDisruptionBudget
	services    []corev1.Service
	ingresses   []networkingv1.Ingress
	policies    []networkingv1.NetworkPolicy
	configMaps  map[string]map[string]string // name → file → content
}

// loadKubernetes builds a kustomization as "kubectl apply -k" does. edit changes the
// text of each file first, so that a test can see a check fail; nil changes nothing.
func loadKubernetes(t testing.TB, edit func(string) string, path ...string) *kubernetesForm {
	t.Helper()
	return buildKubernetes(t, repoPath(), edit, path...)
}

// buildKubernetes is loadKubernetes for a copy of the repository at root.
func buildKubernetes(t testing.TB, root string, edit func(string) string, path ...string) *kubernetesForm {
	t.Helper()
	files := filesys.MakeFsInMemory()
	for _, pattern := range []string{"examples/kubernetes/*/*.yaml", "collector-config/*.yaml"} {
		found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil || len(found) == 0 {
			t.Fatalf("%d files are %s (%v)", len(found), pattern, err)
		}
		for _, file := range found {
			name, err := filepath.Rel(root, file)
			if err != nil {
				t.Fatal(err)
			}
			text := readExample(t, file)
			if edit != nil {
				text = edit(text)
			}
			strictly(t, name, text, &map[string]any{}) // kustomize takes a key that is there twice
			if err := files.WriteFile("/"+filepath.ToSlash(name), []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(files, "/"+strings.Join(path, "/"))
	if err != nil {
		t.Fatalf("%s: %v", strings.Join(path, "/"), err)
	}
	f := &kubernetesForm{configMaps: map[string]map[string]string{}}
	for _, object := range built.Resources() {
		text, err := object.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		if object.GetKind() != "Namespace" && object.GetNamespace() != "cdr2otel" {
			t.Errorf("%s is in the namespace %q", object.CurId(), object.GetNamespace())
		}
		f.decode(t, object.GetApiVersion()+" "+object.GetKind(), string(text))
	}
	return f
}

// templates are those of all pods.
func (f *kubernetesForm) templates() (all []*corev1.PodTemplateSpec) {
	for i := range f.sets {
		all = append(all, &f.sets[i].Spec.Template)
	}
	for i := range f.deployments {
		all = append(all, &f.deployments[i].Spec.Template)
	}
	return all
}

// template is that of the pods of cdr2otel.
func (f *kubernetesForm) template(t testing.TB) *corev1.PodTemplateSpec {
	t.Helper()
	all := f.templates()
	if len(all) != 1 {
		t.Fatalf("there are %d kinds of pods", len(all))
	}
	return all[0]
}

// decode reads an object strictly: a field that its kind doesn't have is an error.
func (f *kubernetesForm) decode(t testing.TB, kind, text string) {
	t.Helper()
	switch kind {
	case "v1 Namespace":
		f.namespaces = append(f.namespaces, *strictly(t, kind, text, &corev1.Namespace{}))
	case "v1 ConfigMap":
		object := strictly(t, kind, text, &corev1.ConfigMap{})
		f.configMaps[object.Name] = object.Data
	case "apps/v1 StatefulSet":
		f.sets = append(f.sets, *strictly(t, kind, text, &appsv1.StatefulSet{}))
	case "apps/v1 Deployment":
		f.deployments = append(f.deployments, *strictly(t, kind, text, &appsv1.Deployment{}))
	case "policy/v1 PodDisruptionBudget":
		f.budgets = append(f.budgets, *strictly(t, kind, text, &policyv1.PodDisruptionBudget{}))
	case "v1 Service":
		f.services = append(f.services, *strictly(t, kind, text, &corev1.Service{}))
	case "networking.k8s.io/v1 Ingress":
		f.ingresses = append(f.ingresses, *strictly(t, kind, text, &networkingv1.Ingress{}))
	case "networking.k8s.io/v1 NetworkPolicy":
		f.policies = append(f.policies, *strictly(t, kind, text, &networkingv1.NetworkPolicy{}))
	default:
		t.Fatalf("no check for %s", kind)
	}
}

func strictly[T any](t testing.TB, what, text string, into *T) *T {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(text), into); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return into
}

// container finds one of a pod by name, and tells whether it is a native sidecar.
func container(pod corev1.PodSpec, name string) (c corev1.Container, sidecar bool, err error) {
	for _, c := range pod.Containers {
		if c.Name == name {
			return c, false, nil
		}
	}
	for _, c := range pod.InitContainers {
		if c.Name == name {
			return c, c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways, nil
		}
	}
	return c, false, fmt.Errorf("the pod has no container %s", name)
}

// containerPorts are a container's ports by name.
func containerPorts(c corev1.Container) map[string]int {
	ports := map[string]int{}
	for _, p := range c.Ports {
		ports[p.Name] = int(p.ContainerPort)
	}
	return ports
}

// volume finds what is mounted at path, or above it.
func volume(pod corev1.PodSpec, c corev1.Container, path string) (mount corev1.VolumeMount, v *corev1.Volume, found bool) {
	for _, m := range c.VolumeMounts {
		if path == m.MountPath || strings.HasPrefix(path, m.MountPath+"/") {
			for i := range pod.Volumes {
				if pod.Volumes[i].Name == m.Name {
					return m, &pod.Volumes[i], true
				}
			}
			return m, nil, true // a volumeClaimTemplate
		}
	}
	return mount, nil, false
}

func environment(c corev1.Container) map[string]string {
	env := map[string]string{}
	for _, e := range c.Env {
		env[e.Name] = e.Value
	}
	return env
}
