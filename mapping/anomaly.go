package mapping

// Names of what an input can have wrong, the values of wxa.anomaly.
const (
	anomalySentinelTime          = "sentinel_time"
	anomalyImplausibleTime       = "implausible_time"
	anomalyImplausibleDuration   = "implausible_duration"
	anomalyContradictoryDuration = "contradictory_duration"
	anomalyImplausibleNumber     = "implausible_number"
	anomalyClamped               = "clamped"
	anomalyUnknownEnum           = "unknown_enum"
	anomalyMissingField          = "missing_field"
	anomalyWrongType             = "wrong_type"
	anomalyDuplicateLogID        = "duplicate_log_id"
	anomalyDuplicateMessage      = "duplicate_message"
	anomalyNegativeLoss          = "negative_loss"
	anomalyTruncated             = "truncated"
)

// AnomalyNames lists every name that Trace.Anomalies can hold, so that counters
// exist from the first scrape.
func AnomalyNames() []string {
	return []string{
		anomalySentinelTime, anomalyImplausibleTime, anomalyImplausibleDuration,
		anomalyContradictoryDuration,
		anomalyImplausibleNumber, anomalyClamped, anomalyUnknownEnum,
		anomalyMissingField, anomalyWrongType, anomalyDuplicateLogID,
		anomalyDuplicateMessage, anomalyNegativeLoss, anomalyTruncated,
	}
}

// anomalies counts by name; nil until the first.
type anomalies map[string]int

func (a *anomalies) add(name string) { a.addN(name, 1) }

func (a *anomalies) addN(name string, n int) {
	if n == 0 {
		return
	}
	if *a == nil {
		*a = make(anomalies)
	}
	(*a)[name] += n
}
