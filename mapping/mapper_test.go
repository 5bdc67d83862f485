package mapping_test

import (
	"strings"
	"testing"

	"cdr2otel/mapping"
)

func TestConfigurationsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config mapping.Config
		want   string
	}{
		"no source":             {mapping.Config{}, "source"},
		"per-process resource":  {mapping.Config{Source: "a", Resource: map[string]string{"host.name": "h"}}, "host.name"},
		"header in upper case":  {mapping.Config{Source: "a", HeaderAttributes: map[string]mapping.HeaderAttribute{"X": {Attribute: "x", Values: []string{"v"}}}}, "lower case"},
		"header without values": {mapping.Config{Source: "a", HeaderAttributes: map[string]mapping.HeaderAttribute{"x": {Attribute: "x"}}}, "values"},
		"classes the wrong way": {mapping.Config{Source: "a", Slow: 3, DeadAir: 2}, "dead_air"},
		"no JSON pointer":       {mapping.Config{Source: "a", CustomData: []mapping.CustomData{{Key: "queue", Attribute: "wxa.custom.queue"}}}, "pointer"},
		"foreign attribute":     {mapping.Config{Source: "a", CustomData: []mapping.CustomData{{Key: "/queue", Attribute: "wxa.call.id"}}}, "wxa.custom."},
		"attribute twice": {mapping.Config{Source: "a", CustomData: []mapping.CustomData{
			{Key: "/a", Attribute: "wxa.custom.a"}, {Key: "/b", Attribute: "wxa.custom.a"},
		}}, "taken"},
	} {
		if _, err := mapping.New(test.config); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v does not mention %s", name, err, test.want)
		}
	}
}

func TestWhatDescribesAnInstanceStandsOnNoTraceAndWhatReplicasShareMay(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]bool{
		"service.instance.id": true, "host.name": true, "os.type": true, "process.pid": true, "container.id": true, "container.image.name": true,
		"device.id": true, "faas.instance": true, "k8s.pod.name": true, "k8s.node.uid": true, "k8s.replicaset.name": true, "k8s.container.name": true,
		"k8s.job.name": true, "cloud.availability_zone": true, "telemetry.sdk.language": true, "telemetry.distro.name": true, "aws.ecs.task.arn": true,

		"service.name": false, "service.version": false, "service.namespace": false, "deployment.environment.name": false, "team": false,
		"k8s.cluster.name": false, "k8s.namespace.name": false, "k8s.deployment.name": false, "k8s.statefulset.name": false,
		"cloud.region": false, "cloud.provider": false, "faas.name": false, "hostess": false, "containers": false, "service.instance.idea": false,
	} {
		if got := mapping.PerInstance(key); got != want {
			t.Errorf("%s describes an instance: %t, want %t", key, got, want)
		}
	}
}
