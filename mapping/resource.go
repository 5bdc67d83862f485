package mapping

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
)

// perInstance are the resource attributes that tell one instance of a program from
// another, or change when it is started anew: its process, container, pod, machine
// and zone. What all replicas share over a restart (k8s.deployment.*, k8s.namespace.*,
// k8s.cluster.*, cloud.region, …) is not among them. A name that ends in a dot
// stands for all that begin so.
var perInstance = []string{
	"aws.ecs.container.", "aws.ecs.task.", "cloud.availability_zone", "cloud.resource_id", "container.", "device.", "faas.instance",
	"gcp.cloud_run.job.", "gcp.gce.instance.", "heroku.dyno.", "host.", "k8s.container.", "k8s.job.", "k8s.node.", "k8s.pod.",
	"k8s.replicaset.", "os.", "process.", "service.instance.id", "telemetry.distro.", "telemetry.sdk.",
}

// PerInstance tells whether a resource attribute describes one instance of a
// program. None may stand on a trace: this program is not the observed service, and
// Jaeger de-duplicates on a hash that includes the resource, so what differs between
// replicas doubles every retried trace.
func PerInstance(key string) bool {
	return slices.ContainsFunc(perInstance, func(name string) bool {
		return key == name || strings.HasSuffix(name, ".") && strings.HasPrefix(key, name)
	})
}

// observed is the resource: the service that is observed, not this one.
func (m *Mapper) observed(headers map[string]string) *resourcepb.Resource {
	attributes := maps.Clone(m.resource)
	for _, name := range m.headerNames {
		if key, value := m.mapped(name, headers); value != "" {
			attributes[key] = value
		}
	}
	resource := &resourcepb.Resource{Attributes: make([]*commonpb.KeyValue, 0, len(attributes))}
	for key, value := range attributes {
		resource.Attributes = append(resource.Attributes, &commonpb.KeyValue{
			Key:   key,
			Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: Text(value, MaxString)}},
		})
	}
	slices.SortFunc(resource.Attributes, func(x, y *commonpb.KeyValue) int { return cmp.Compare(x.Key, y.Key) })
	return resource
}

// mapped is the resource attribute that a header stands for; its value is empty
// when the header is absent or says what is not allowed.
func (m *Mapper) mapped(name string, headers map[string]string) (key, value string) {
	header := m.config.HeaderAttributes[name]
	if value = headers[name]; !slices.Contains(header.Values, value) {
		value = ""
	}
	return header.Attribute, value
}

// environment is the deployment.environment.name of the observed resource.
func (m *Mapper) environment(headers map[string]string) string {
	environment := m.resource[attrEnvironment]
	for _, name := range m.headerNames {
		if key, value := m.mapped(name, headers); value != "" && key == attrEnvironment {
			environment = value
		}
	}
	return environment
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
