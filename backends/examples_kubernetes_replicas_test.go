package backends

import (
	"net/url"
	"path"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// checkReplicas: several pods without a volume, of which there is always one that
// can acknowledge.
func (f *kubernetesForm) checkReplicas(t testing.TB, ps *problemList, cfg effectiveConfig) {
	if len(f.deployments) != 1 || len(f.budgets) != 1 {
		ps.add("%d Deployments, %d PodDisruptionBudgets", len(f.deployments), len(f.budgets))
		return
	}
	spec := f.deployments[0].Spec
	if spec.Replicas == nil || *spec.Replicas < 2 {
		ps.add("one replica is none")
	}
	if r := spec.Strategy.RollingUpdate; r == nil || r.MaxUnavailable == nil || r.MaxUnavailable.String() != "0" || r.MaxSurge.IntValue() < 1 {
		ps.add("an update ends a pod before another one is ready")
	}
	if f.services[0].Spec.PublishNotReadyAddresses {
		ps.add("webhooks go to pods that can't acknowledge")
	}
	c, _, err := container(spec.Template.Spec, "cdr2otel")
	if err != nil {
		ps.add("%v", err)
		return
	}
	if p := c.ReadinessProbe; p != nil && time.Duration(p.PeriodSeconds*p.FailureThreshold)*time.Second > cfg.ShutdownDelay/2 {
		ps.add("a pod that can't acknowledge gets webhooks for too long")
	}
	if !slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool {
		return e.Name == "OTEL_RESOURCE_ATTRIBUTES" && e.Value == "service.instance.id=$(POD_UID),k8s.pod.name=$(POD_NAME)"
	}) || !slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool {
		return e.Name == "POD_UID" && e.ValueFrom != nil && e.ValueFrom.FieldRef.FieldPath == "metadata.uid"
	}) {
		ps.add("the metrics of pods can't be told apart")
	}
	f.checkSpread(ps, spec)
	f.checkDatabase(ps, spec.Template.Spec, c)
	budget := f.budgets[0].Spec
	if budget.MaxUnavailable == nil || budget.MaxUnavailable.String() != "1" || !selects(budget.Selector, spec.Template.Labels) {
		ps.add("more than one pod may be evicted at a time")
	}
	if evict := budget.UnhealthyPodEvictionPolicy; evict == nil || *evict != "AlwaysAllow" {
		ps.add("while the database is down, no node can be emptied")
	}
}

func (f *kubernetesForm) checkSpread(ps *problemList, spec appsv1.DeploymentSpec) {
	if !slices.ContainsFunc(spec.Template.Spec.TopologySpreadConstraints, func(c corev1.TopologySpreadConstraint) bool {
		return c.TopologyKey == corev1.LabelHostname && c.MaxSkew == 1 && c.WhenUnsatisfiable == corev1.DoNotSchedule && selects(c.LabelSelector, spec.Template.Labels)
	}) {
		ps.add("all pods may be on one node")
	}
}

// checkDatabase: the server is verified, and its password is in a mounted file.
func (f *kubernetesForm) checkDatabase(ps *problemList, pod corev1.PodSpec, c corev1.Container) {
	u, err := url.Parse(environment(c)["STORE_URL"])
	if err != nil || u.User == nil {
		ps.add("STORE_URL is no URL of a database")
		return
	}
	if _, has := u.User.Password(); has {
		ps.add("the URL holds a password")
	}
	if mode := u.Query().Get("sslmode"); mode != "verify-full" {
		ps.add("sslmode is %q", mode)
	}
	for _, parameter := range []string{"sslrootcert", "passfile"} {
		file := u.Query().Get(parameter)
		if !slices.Contains(secretFiles(pod, c), path.Clean(file)) {
			ps.add("%s: no Secret has %s", parameter, file)
		}
	}
	if len(pod.Volumes) != 3 || slices.ContainsFunc(pod.Volumes, func(v corev1.Volume) bool { return v.ConfigMap == nil && v.Secret == nil }) {
		ps.add("something of a pod outlives it")
	}
}

func selects(s *metav1.LabelSelector, labels map[string]string) bool {
	if s == nil || len(s.MatchLabels) == 0 {
		return false
	}
	for key, value := range s.MatchLabels {
		if labels[key] != value {
			return false
		}
	}
	return true
}

// While the one process drains, replicas run beside it in its namespace: a call must not
// be divided between two stores.
func TestReplicasAndTheOneProcessGetNoWebhooksOfEachOther(t *testing.T) {
	t.Parallel()
	load := func(name string) *kubernetesForm { return loadKubernetes(t, nil, "examples", "kubernetes", name) }
	replicas := load("replicas")
	for _, name := range []string{"statefulset", "sidecar"} {
		single := load(name)
		for _, way := range []struct{ from, to *kubernetesForm }{{replicas, single}, {single, replicas}} {
			service := &metav1.LabelSelector{MatchLabels: way.from.services[0].Spec.Selector}
			if selects(service, way.to.template(t).Labels) {
				t.Errorf("%s: a Service leads to the pods of the other form: %v", name, service.MatchLabels)
			}
		}
		if selects(replicas.budgets[0].Spec.Selector, single.template(t).Labels) {
			t.Errorf("%s: the PodDisruptionBudget of replicas counts its pod", name)
		}
	}
}

func TestAWrongExampleOfReplicasIsFound(t *testing.T) {
	t.Parallel()
	for _, wrong := range []struct{ old, new, problem string }{
		{"replicas: 3", "replicas: 1", "one replica is none"},
		{"maxUnavailable: 0", "maxUnavailable: 1", "before another one is ready"},
		{"publishNotReadyAddresses: false", "publishNotReadyAddresses: true", "can't acknowledge"},
		{"periodSeconds: 2\n            timeoutSeconds: 2\n            failureThreshold: 1", "periodSeconds: 5\n            failureThreshold: 3", "for too long"},
		{"fieldPath: metadata.uid", "fieldPath: metadata.name", "told apart"},
		{"whenUnsatisfiable: DoNotSchedule", "whenUnsatisfiable: ScheduleAnyway", "on one node"},
		{"cdr2otel@postgres-rw", "cdr2otel:secret@postgres-rw", "holds a password"},
		{"sslmode=verify-full", "sslmode=require", "sslmode is"},
		{"&passfile=/etc/cdr2otel/database/pgpass", "&passfile=/etc/elsewhere/pgpass", "no Secret has"},
		{"  maxUnavailable: 1\n", "  maxUnavailable: 2\n", "evicted at a time"},
		{"unhealthyPodEvictionPolicy: AlwaysAllow", "unhealthyPodEvictionPolicy: IfHealthyBudget", "can be emptied"},
		{"- port: 5432", "- port: 5433", "nothing may be sent to"},
		{"terminationGracePeriodSeconds: 40", "terminationGracePeriodSeconds: 30", "terminationGracePeriodSeconds"},
		{"readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "write its root"},
	} {
		t.Run(wrong.new, func(t *testing.T) {
			t.Parallel()
			findsWrong(t, "replicas", wrong.old, wrong.new, wrong.problem)
		})
	}
}
