package mapping

import semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

// Prefix is the name space of every attribute and event that the semantic
// conventions have no word for: they say nothing about telephony, SIP or RTP.
const Prefix = "wxa."

// SchemaURL names the version of the core semantic conventions in use.
const SchemaURL = semconv.SchemaURL

// scopeName is the instrumentation scope: the path of the module.
const scopeName = "cdr2otel"

// Names of the semantic conventions. gen_ai.* have a repository of their own and
// are in Development, as service.peer.* are.
const (
	attrServiceName       = string(semconv.ServiceNameKey)
	attrPeerName          = string(semconv.ServicePeerNameKey)
	attrErrorType         = string(semconv.ErrorTypeKey)
	attrEnvironment       = string(semconv.DeploymentEnvironmentNameKey)
	attrHTTPMethod        = string(semconv.HTTPRequestMethodKey)
	attrHTTPStatus        = string(semconv.HTTPResponseStatusCodeKey)
	attrGenAIOperation    = "gen_ai.operation.name"
	attrGenAIProvider     = "gen_ai.provider.name"
	attrGenAIAgentID      = "gen_ai.agent.id"
	attrGenAIAgentName    = "gen_ai.agent.name"
	attrGenAIAgentVersion = "gen_ai.agent.version"
	attrGenAIConversation = "gen_ai.conversation.id"
	attrGenAIModel        = "gen_ai.request.model"
	attrGenAITokenType    = "gen_ai.token.type"
	attrGenAIInputTokens  = "gen_ai.usage.input_tokens"
	attrGenAIOutputTokens = "gen_ai.usage.output_tokens"
	attrGenAIOutputType   = "gen_ai.output.type"
	attrGenAIInput        = "gen_ai.input.messages"
	attrGenAIOutput       = "gen_ai.output.messages"
	attrGenAIFirstChunk   = "gen_ai.response.time_to_first_chunk"
)

// Span names, and values that the conventions or we fix.
const (
	defaultServiceName = "watsonx-assistant"
	providerAssistant  = "ibm.watsonx.assistant"
	providerSpeech     = "ibm.watson.speech"
	providerModels     = "ibm.watsonx.ai"
	peerAssistant      = "assistant"
	opInvokeAgent      = "invoke_agent"
	opSpeechToText     = "speech_to_text"
	opTextToSpeech     = "text_to_speech"
	opTextCompletion   = "text_completion"
	other              = "_OTHER" // a value outside a closed set
	outputTypeSpeech   = "speech"
	roleUser           = "user"
	roleAssistant      = "assistant"
	directionInbound   = "inbound"
	directionOutbound  = "outbound"
	channelPhone       = "Phone"
	spanPlayAudio      = "play_audio"
	spanCallSetup      = "call setup"
	spanConversation   = "conversation"
	spanMessageLogged  = "message_logged"
	turnNamePrefix     = "turn "
	callNamePrefix     = "call "
)

// Attributes of every span.
const (
	attrSource       = Prefix + "source"
	attrCallID       = Prefix + "call.id"
	attrTimeAdjusted = Prefix + "time.adjusted"
	attrTruncated    = Prefix + "truncated"
	attrLogID        = Prefix + "log_id"
)

// Attributes of a call's root.
const (
	attrCallDirection          = Prefix + "call.direction"
	attrCallResult             = Prefix + "call.result"
	attrCallEndReason          = Prefix + "call.end_reason"
	attrCallFailureOccurred    = Prefix + "call.failure_occurred"
	attrCallFailureMessage     = Prefix + "call.failure.message"
	attrCallTransferAttempted  = Prefix + "call.transfer_attempted"
	attrCallDuration           = Prefix + "call.duration"
	attrCallSetupDuration      = Prefix + "call.setup.duration"
	attrCallFirstAudioDelay    = Prefix + "call.first_audio.delay"
	attrCallMaxTurnResponse    = Prefix + "call.max_turn_response.duration"
	attrCallSlowTurnCount      = Prefix + "call.slow_turn_count"
	attrCallMaxAssistant       = Prefix + "call.max_response.assistant"
	attrCallMaxSpeechToText    = Prefix + "call.max_response.speech_to_text"
	attrCallMaxTextToSpeech    = Prefix + "call.max_response.text_to_speech"
	attrCallActiveCalls        = Prefix + "call.active_calls"
	attrCallTurnCount          = Prefix + "call.turn_count"
	attrCallBargeInCount       = Prefix + "call.barge_in_count"
	attrCallCustomDataCount    = Prefix + "call.custom_data_count"
	attrCallWarningCount       = Prefix + "call.warning_count"
	attrCallMediaEncrypted     = Prefix + "call.media_encrypted"
	attrCallSignalingEncrypted = Prefix + "call.signaling_encrypted"
	attrCallSIPAuthenticated   = Prefix + "call.sip_authenticated"
	attrSIPCallID              = Prefix + "sip.call_id"
	attrSIPTrunkCallID         = Prefix + "sip.trunk_call_id"
	attrSIPFromHost            = Prefix + "sip.from.host"
	attrSIPToHost              = Prefix + "sip.to.host"
	attrRTPInboundJitterAvg    = Prefix + "rtp.inbound.jitter.avg"
	attrRTPInboundJitterMax    = Prefix + "rtp.inbound.jitter.max"
	attrRTPInboundTransmitted  = Prefix + "rtp.inbound.packets.transmitted"
	attrRTPInboundLost         = Prefix + "rtp.inbound.packets.lost"
	attrRTPInboundLossRatio    = Prefix + "rtp.inbound.packet_loss.ratio"
	attrRTPInboundTool         = Prefix + "rtp.inbound.tool_name"
	attrRTPOutboundJitterAvg   = Prefix + "rtp.outbound.jitter.avg"
	attrRTPOutboundJitterMax   = Prefix + "rtp.outbound.jitter.max"
	attrRTPOutboundTransmitted = Prefix + "rtp.outbound.packets.transmitted"
	attrRTPOutboundLost        = Prefix + "rtp.outbound.packets.lost"
	attrRTPOutboundLossRatio   = Prefix + "rtp.outbound.packet_loss.ratio"
	attrRTPOutboundTool        = Prefix + "rtp.outbound.tool_name"
	attrAssistantNumber        = Prefix + "assistant.number"
	attrCallerHash             = Prefix + "caller.hash"
	attrPIICallerNumber        = Prefix + "pii.caller.number"
	attrPIICalleeNumber        = Prefix + "pii.callee.number"
	attrPIISIPFromURI          = Prefix + "pii.sip.from_uri"
	attrPIISIPToURI            = Prefix + "pii.sip.to_uri"
	customPrefix               = Prefix + "custom."
)

// Attributes of a turn and of the spans under it.
const (
	attrTurnNumber          = Prefix + "turn.number"
	attrTurnRequestType     = Prefix + "turn.request.type"
	attrTurnResponseTypes   = Prefix + "turn.response.types"
	attrTurnBargeIn         = Prefix + "turn.barge_in"
	attrTurnResponse        = Prefix + "turn.response.duration"
	attrTurnUnexplained     = Prefix + "turn.response.unexplained.duration"
	attrTurnEstimated       = Prefix + "turn.response.estimated"
	attrTurnResponseClass   = Prefix + "turn.response.class"
	attrTurnCallerSilence   = Prefix + "turn.caller_silence.duration"
	attrAssistantResponse   = Prefix + "assistant.response.duration"
	attrAssistantProcessing = Prefix + "assistant.processing.duration"
	attrSkillID             = Prefix + "skill.id"
	attrLanguage            = Prefix + "language"
	attrSearchDuration      = Prefix + "search.duration"
	attrGenerationDuration  = Prefix + "generation.duration"
	attrSTTResponse         = Prefix + "stt.response.duration"
	attrSTTConfidence       = Prefix + "stt.confidence"
	attrSTTEcho             = Prefix + "stt.echo_detected"
	attrSTTTransaction      = Prefix + "stt.transaction_id"
	attrTTSResponse         = Prefix + "tts.response.duration"
	attrTTSBargeIn          = Prefix + "tts.barge_in"
	attrTTSCached           = Prefix + "tts.cached"
	attrTTSStartReading     = Prefix + "tts.start_reading"
	attrTTSTransaction      = Prefix + "tts.transaction_id"
)

// Attributes of measurements alone.
const (
	attrRTPDirection    = Prefix + "rtp.direction"
	attrSIPTrunkHost    = Prefix + "sip.trunk.host"
	attrCommandType     = Prefix + "command.type"
	attrTransferOutcome = Prefix + "transfer.outcome"
)

// Attributes of a conversation's root.
const (
	attrSessionID           = Prefix + "session.id"
	attrCDRMissing          = Prefix + "cdr.missing"
	attrConversationSegment = Prefix + "conversation.segment"
)

// Events and their attributes.
const (
	eventMessage           = Prefix + "message"
	eventAnswered          = Prefix + "call.answered"
	eventEnded             = Prefix + "call.ended"
	eventWarning           = Prefix + "warning"
	eventAudioStart        = Prefix + "audio.start"
	eventExtensionCall     = Prefix + "extension.call"
	eventModelCall         = Prefix + "model.call"
	eventBargeIn           = Prefix + "barge_in"
	eventMessageReceived   = Prefix + "message.received"
	eventMessageProcessed  = Prefix + "message.processed"
	attrMessageIntents     = Prefix + "message.intents"
	attrMessageConfidence  = Prefix + "message.intent.confidence"
	attrMessageActions     = Prefix + "message.actions"
	attrMessageResponses   = Prefix + "message.response_types"
	attrMessageRecognized  = Prefix + "message.recognized"
	attrMessageChannel     = Prefix + "message.channel"
	attrMessageError       = Prefix + "message.error"
	attrMessageRequestAt   = Prefix + "message.request_time"
	attrMessageResponseAt  = Prefix + "message.response_time"
	attrMessageObservedAt  = Prefix + "message.observed_time"
	attrMessageType        = Prefix + "message.type"
	attrMessageTurnCount   = Prefix + "message.turn_count"
	attrMessageSize        = Prefix + "message.size"
	attrMessageReplyCount  = Prefix + "message.response_count"
	attrMessageIntentCount = Prefix + "message.intent_count"
	attrWarningID          = Prefix + "warning.id"
	attrWarningSeverity    = Prefix + "warning.severity"
	attrWarningIndex       = Prefix + "warning.index"
	attrWarningMessage     = Prefix + "warning.message"
)

// attrLinkKind says what a link's other end is.
const (
	attrLinkKind     = Prefix + "link.kind"
	linkUpstream     = "upstream"     // what caused the call
	linkConversation = "conversation" // messages of the call that left before it
)
