package telemetry

import (
	"slices"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"cdr2otel/mapping"
)

// other stands for every value outside a closed set or above a cap.
const other = "_OTHER"

// Caps on open sets. A value keeps its place until the process ends: a series that
// vanished and came back would look like a restart. Each source has places of its
// own, so that one can't take those of another.
const (
	maxSources      = 20 // that are not configured (any more), of the whole process
	maxEnvironments = 20
	maxAgents       = 20 // besides the configured ones
	maxNames        = 5  // per agent: it is renamed by a reload
	maxVersions     = 5  // per agent
	maxWarnings     = 50
	maxCustom       = 20 // per key
	maxTrunks       = 20
	maxModels       = 20
)

// Keys of attributes.
const (
	keySource      = attribute.Key(mapping.Prefix + "source")
	keyEnvironment = semconv.DeploymentEnvironmentNameKey
	keyDirection   = attribute.Key(mapping.Prefix + "call.direction")
	keyAgentID     = attribute.Key("gen_ai.agent.id")
	keyAgentName   = attribute.Key("gen_ai.agent.name")
	keyErrorType   = semconv.ErrorTypeKey
	keyOutcome     = attribute.Key(mapping.Prefix + "outcome")
)

// The base attributes: those that all measurements of one call and agent share.
// Attributes of mapping.custom_data follow them.
var (
	attrSource = attr{key: keySource, limit: limitSource,
		bound: "the configured sources; 20 more that are not configured any more"}
	attrEnvironment = attr{key: keyEnvironment, limit: limitValues(maxEnvironments),
		bound: "from the configuration; at most 20 per source"}
	attrDirection = attr{key: keyDirection, values: []string{"inbound", "outbound"}}
	attrAgentID   = attr{key: keyAgentID, limit: limitAgent,
		bound: "those in `sources.*.agents`, and 20 more per source"}
	attrAgentName = attr{key: keyAgentName, limit: limitOfAgent(maxNames),
		bound: "only if configured; follows the id"}
)

func baseAttributes() []attr {
	return []attr{attrSource, attrEnvironment, attrDirection, attrAgentID, attrAgentName}
}

// Closed sets that several instruments, or series that are present from the start,
// refer to.
var (
	results    = []string{"completed", "transferred", "failed"}
	endReasons = []string{"assistant_hangup", "caller_hangup", "assistant_transfer", "failed"}
	classes    = []string{"ok", "slow", "dead_air", "none"}
	transfers  = []string{"succeeded", "failed", "unknown"}
	severities = []string{"I", "W", "E"}
	booleans   = []string{"true", "false"}
	// What begins a turn: the documented types, and hangup, which is in every
	// example of the platform.
	requestTypes = []string{
		"start", "speech_to_text", "dtmf", "sms", "post_response_timeout", "redirect", "transfer", "transfer_failed",
		"final_utterance_timeout", "no_input_turn", "sms_failure", "speech_to_text_result_filtered",
		"mrcp_recognition_unsuccessful", "network_warning", "media_capability_change", "hangup",
	}
	responseTypes = []string{
		"text_to_speech", "sms", "url", "transfer", "text_to_speech_config", "speech_to_text_config",
		"pause_speech_to_text", "unpause_speech_to_text", "pause_dtmf", "unpause_dtmf", "enable_speech_barge_in",
		"disable_speech_barge_in", "enable_dtmf_barge_in", "disable_dtmf_barge_in", "dtmf", "hangup",
	}
	channels      = []string{"Phone", "Web chat", "SMS", "Whatsapp", "Slack", "Facebook Messenger", "teams"}
	messageErrors = []string{"extension_call_failed", "model_call_failed", "handler_failed", "assistant_error"}
	turnErrors    = []string{"transfer_failed", "sms_failure", "mrcp_recognition_unsuccessful"}

	// Of the events this process takes in and what becomes of them.
	eventNames       = []string{"cdr_logged", "message_logged", "message_received", "message_processed"}
	eventOutcomes    = []string{"accepted", "duplicate", "conflict", "unauthorized", "malformed", "too_large", "unsupported", "refused"}
	ledgerStates     = []string{"accepted", "exported", "dropped", "expired", "forgotten"}
	joinOutcomes     = []string{"joined", "late", "orphaned", "missing", "unnamed"}
	assemblyReasons  = []string{"complete", "not_expected", "grace", "window", "idle", "late", "size"}
	gateReasons      = []string{"unavailable", "throttled", "credentials", "misconfigured", "failing"}
	reloadOutcomes   = []string{"applied", "refused"}
	signals          = []string{"traces", "logs"}
	listeners        = []string{"webhook", "admin"}
	schemes          = []string{"http", "https"}
	methods          = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"}
	serverErrors     = []string{"500", "501", "502", "503", "504"}
	spanExporters    = []string{"otlp_grpc_span_exporter", "otlp_http_span_exporter", "console_span_exporter"}
	logExporters     = []string{"otlp_grpc_log_exporter", "otlp_http_log_exporter", "console_log_exporter"}
	rejections       = []string{"rejected"}
	observed         = []string{"recorded", "dropped"}
	modelProviders   = []string{"ibm.watsonx.ai", "ibm.watsonx.assistant"}
	modelOperations  = []string{"text_completion", "chat", "generate_content"}
	tokenTypes       = []string{"input", "output"}
	streamDirections = []string{"inbound", "outbound"}
)

func attrError(values ...string) attr {
	return attr{key: keyErrorType, values: append([]string{}, values...)}
}

// combine gives each combination of one value per set, in order.
func combine(sets ...[]string) [][]string {
	rows := [][]string{nil}
	for _, set := range sets {
		var next [][]string
		for _, row := range rows {
			for _, value := range set {
				next = append(next, append(slices.Clone(row), value))
			}
		}
		rows = next
	}
	return rows
}
