package telemetry

import "go.opentelemetry.io/otel/attribute"

// kind of an instrument.
type kind int

const (
	counter   kind = iota // grows by what is recorded
	histogram             // explicit buckets
	total                 // a counter that is read from the store at each collection
	gauge                 // read at each collection
)

// instrument is a row of the table: all that is known of a metric. The meter, the
// exposition and docs/metrics.md are made from it.
type instrument struct {
	name        string // OpenTelemetry
	prometheus  string // as a scrape shows it; of a histogram, without _bucket, _sum and _count
	kind        kind
	unit        string
	description string
	buckets     []float64 // histogram: upper edges
	// call says that it comes from calls or messages: it has the base attributes.
	call bool
	// attributes besides the base ones, in the order of the documents. Others are
	// dropped.
	attributes []attr
	// from says where the value comes from, for the documents.
	from string
	// present are the values of the attributes (in order, "" for absent) of the
	// series that exist from the first scrape; of a call metric, once for each
	// base. Nil: series appear when something is recorded.
	present [][]string
	// carried is an attribute whose value is learnt from calls: when a new one
	// comes, the series of present exist with it too.
	carried attribute.Key
	// live: it comes from messages, whose base has no direction.
	live bool
}

// attr is an attribute of an instrument and how its values are bounded.
type attr struct {
	key attribute.Key
	// values is the closed set; another value becomes _OTHER. Nil: limit decides.
	values []string
	limit  limit
	typ    attribute.Type // BOOL or INT64; else STRING
	custom bool           // of mapping.custom_data
	bound  string         // in words, for the documents; "" for a closed set, which is listed
}

// Edges of the buckets. Voice latencies have them where voice objectives lie; 30 ms
// is the platform's own threshold for jitter.
var (
	voiceBuckets     = []float64{.05, .1, .2, .3, .4, .5, .75, 1, 1.5, 2, 3, 4, 5, 7.5, 10, 20, 30}
	jitterBuckets    = []float64{.001, .002, .005, .01, .015, .02, .03, .04, .05, .075, .1, .2, .5}
	lossBuckets      = []float64{0, .001, .005, .01, .02, .03, .05, .1, .2, .5}
	tokenBuckets     = []float64{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864}
	operationBuckets = []float64{.01, .02, .04, .08, .16, .32, .64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92}
	requestBuckets   = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}
	arrivalBuckets   = []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600}
	deliveryBuckets  = []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600}
)

// instruments is the table, in the order of docs/metrics.md.
func instruments() []instrument { return append(callInstruments(), selfInstruments()...) }
