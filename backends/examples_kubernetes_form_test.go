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
	"sigs.k8s.io/yaml"
)

// kustomization is what the examples use of a kustomization.yaml.
type kustomization struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Namespace  string   `json:"namespace"`
	Resources  []string `json:"resources"`
	Patches    []struct {
		Path string `json:"path"`
	} `json:"patches"`
	ConfigMapGenerator []struct {
		Name  string   `json:"name"`
		Files []string `json:"files"`
	} `json:"configMapGenerator"`
	GeneratorOptions struct {
		DisableNameSuffixHash bool `json:"disableNameSuffixHash"`
	} `json:"generatorOptions"`
	Images []struct {
		Name    string `json:"name"`
		NewName string `json:"newName"`
		NewTag  string `json:"newTag"`
	} `json:"images"`
}

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
	hashedNames bool
	edit        func(string) string
}

// loadKubernetes reads a kustomization as kustomize does. edit changes the text of
// each object first, so that a test can see a check fail; nil changes nothing.
func loadKubernetes(t testing.TB, edit func(string) string, path ...string) *kubernetesForm {
	t.Helper()
	if edit == nil {
		edit = func(s string) string { return s }
	}
	f := &kubernetesForm{configMaps: map[string]map[string]string{}, edit: edit}
	f.add(t, repoPath(path...))
	return f
}

func (f *kubernetesForm) add(t testing.TB, dir string) {
	t.Helper()
	var k kustomization
	strictly(t, filepath.Join(dir, "kustomization.yaml"), readExample(t, filepath.Join(dir, "kustomization.yaml")), &k)
	for _, generated := range k.ConfigMapGenerator {
		files := map[string]string{}
		for _, name := range generated.Files {
			if strings.Contains(name, "/") {
				t.Errorf("%s: kustomize reads no file outside its folder: %s", dir, name)
			}
			files[name] = f.edit(readExample(t, filepath.Join(dir, name)))
		}
		f.configMaps[generated.Name] = files
		f.hashedNames = f.hashedNames || !k.GeneratorOptions.DisableNameSuffixHash
	}
	for _, resource := range k.Resources {
		path := filepath.Join(dir, resource)
		if filepath.Ext(path) != ".yaml" {
			f.add(t, path)
			continue
		}
		f.decode(t, path)
	}
	for _, patch := range k.Patches {
		f.patchService(t, filepath.Join(dir, patch.Path))
	}
	for _, image := range k.Images {
		f.setImage(image.Name, image.NewName+":"+image.NewTag)
	}
}

// patchService is a strategic merge of a Service without lists: what the patch says
// takes the place of what was there.
func (f *kubernetesForm) patchService(t testing.TB, path string) {
	t.Helper()
	text := f.edit(readExample(t, path))
	patch := strictly(t, path, text, &corev1.Service{})
	for i := range f.services {
		if s := &f.services[i]; s.Name == patch.Name && s.Kind == patch.Kind && len(patch.Spec.Ports) == 0 {
			strictly(t, path, text, s)
			return
		}
	}
	t.Fatalf("%s: no check for this patch", path)
}

// setImage is kustomize's images.
func (f *kubernetesForm) setImage(name, image string) {
	for _, template := range f.templates() {
		for _, list := range [][]corev1.Container{template.Spec.InitContainers, template.Spec.Containers} {
			for j := range list {
				if list[j].Image == name {
					list[j].Image = image
				}
			}
		}
	}
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

// decode reads the one object of a file strictly: a field that its kind doesn't
// have, or has twice, is an error.
func (f *kubernetesForm) decode(t testing.TB, path string) {
	t.Helper()
	text := f.edit(readExample(t, path))
	var object struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := yaml.Unmarshal([]byte(text), &object); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	switch object.APIVersion + " " + object.Kind {
	case "v1 Namespace":
		f.namespaces = append(f.namespaces, *strictly(t, path, text, &corev1.Namespace{}))
	case "apps/v1 StatefulSet":
		f.sets = append(f.sets, *strictly(t, path, text, &appsv1.StatefulSet{}))
	case "apps/v1 Deployment":
		f.deployments = append(f.deployments, *strictly(t, path, text, &appsv1.Deployment{}))
	case "policy/v1 PodDisruptionBudget":
		f.budgets = append(f.budgets, *strictly(t, path, text, &policyv1.PodDisruptionBudget{}))
	case "v1 Service":
		f.services = append(f.services, *strictly(t, path, text, &corev1.Service{}))
	case "networking.k8s.io/v1 Ingress":
		f.ingresses = append(f.ingresses, *strictly(t, path, text, &networkingv1.Ingress{}))
	case "networking.k8s.io/v1 NetworkPolicy":
		f.policies = append(f.policies, *strictly(t, path, text, &networkingv1.NetworkPolicy{}))
	default:
		t.Fatalf("%s: no check for %s %s", path, object.APIVersion, object.Kind)
	}
}

func strictly[T any](t testing.TB, path, text string, into *T) *T {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(text), into); err != nil {
		t.Fatalf("%s: %v", path, err)
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
