package otlptest

import (
	"compress/gzip"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
)

const contentType = "application/x-protobuf"

// httpHandler serves /v1/{signal} and, for endpoints that are used as they are,
// any other path as traces.
func (r *Receiver) httpHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/logs", func(w http.ResponseWriter, q *http.Request) { r.post(w, q, "logs") })
	mux.HandleFunc("POST /v1/metrics", func(w http.ResponseWriter, q *http.Request) { r.post(w, q, "metrics") })
	mux.HandleFunc("POST /", func(w http.ResponseWriter, q *http.Request) { r.post(w, q, "traces") })
	return mux
}

func (r *Receiver) post(w http.ResponseWriter, req *http.Request, signal string) {
	if req.Header.Get("Content-Type") != contentType {
		http.Error(w, "unsupported media type", http.StatusUnsupportedMediaType)
		return
	}
	body, err := readBody(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	q := Request{Signal: signal, Protocol: ProtocolHTTP, Path: req.URL.RequestURI(), Body: body, Header: lower(req.Header)}
	if req.TLS != nil {
		q.PeerCertificates = req.TLS.PeerCertificates
	}
	if err := r.decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}

	a := r.take(q).Answer
	if !wait(req.Context(), a.Until) {
		return
	}
	if a.Reset {
		r.http.cut(req.RemoteAddr)
		return
	}
	a.write(w)
}

func (a Answer) write(w http.ResponseWriter) {
	code := a.httpStatus()
	body := a.Body
	if body == nil && code/100 == 2 {
		body = encode(a.response())
	}
	if body == nil {
		body = encode(&rpcstatus.Status{Code: int32(a.Code), Message: a.Message})
	}
	w.Header().Set("Content-Type", contentType)
	if a.Retry != nil {
		w.Header().Set("Retry-After", a.retryAfter())
	}
	for name, value := range a.Header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(code)
	_, _ = w.Write(body) // the client may have left
}

func (a Answer) retryAfter() string {
	if a.RetryDate {
		return time.Now().Add(*a.Retry).UTC().Format(http.TimeFormat)
	}
	return strconv.Itoa(int(a.Retry.Seconds()))
}

// encode can't fail: these messages hold no text but what was decoded or given
// as valid UTF-8; an empty body is a valid response otherwise.
func encode(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		return nil
	}
	return b
}

func readBody(req *http.Request) ([]byte, error) {
	if req.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(req.Body)
	}
	z, err := gzip.NewReader(req.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

func lower(h http.Header) map[string][]string {
	out := make(map[string][]string, len(h))
	for _, name := range slices.Sorted(maps.Keys(h)) {
		out[strings.ToLower(name)] = h[name]
	}
	return out
}
