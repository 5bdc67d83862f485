package mapping

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
)

// PerProcess says whether a resource attribute describes a process or its host.
// None may stand on a trace: Jaeger de-duplicates on a hash that includes the
// resource, so what differs between replicas doubles every retried trace.
func PerProcess(key string) bool {
	return key == "service.instance.id" ||
		strings.HasPrefix(key, "host.") ||
		strings.HasPrefix(key, "k8s.pod.") ||
		strings.HasPrefix(key, "process.") ||
		strings.HasPrefix(key, "telemetry.sdk.")
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
