package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

	"cdr2otel/exporter/internal/otelenv"
)

// responseSize bounds what is read of an answer, in bytes. A longer one is cut, and what is
// cut can't be read.
const responseSize = 1 << 20

// httpClient sends over OTLP/HTTP with protobuf bodies.
type httpClient struct {
	signal  string
	url     string
	header  http.Header
	client  *http.Client
	zippers *sync.Pool // of *gzip.Writer, nil when requests are not compressed
	secrets []string
}

func newHTTPClient(s Settings, signal string) (*httpClient, error) {
	u, err := otelenv.HTTPURL(s.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("endpoint: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone() // proxy variables, dial and handshake time-outs
	transport.MaxIdleConnsPerHost = transport.MaxIdleConns       // the default of 2 would reconnect all the time
	// A peer of HTTP/2 that vanished without a word: noticed by a ping.
	transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second}
	if s.TLS != nil {
		transport.TLSClientConfig = s.TLS.Clone()
	}
	c := &httpClient{
		signal:  signal,
		url:     u.String(),
		header:  http.Header{},
		secrets: longestFirst(append(secretsOf(s.Headers), urlSecrets(u.String())...)),
		client: &http.Client{
			Transport: transport,
			Timeout:   s.Timeout,
			// A redirect is an answer: followed, a 302 turns the POST into a GET
			// of a login page, whose 200 would count as delivered.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	c.header.Set("User-Agent", s.UserAgent)
	for name, value := range s.Headers {
		c.header.Set(name, value)
	}
	c.header.Set("Content-Type", mediaProtobuf)
	if s.Gzip {
		c.header.Set("Content-Encoding", "gzip")
		c.zippers = &sync.Pool{New: func() any { return gzip.NewWriter(nil) }}
	}
	return c, nil
}

func (c *httpClient) Send(ctx context.Context, body []byte) Answer {
	body, err := c.compress(body)
	if err != nil {
		return Answer{Origin: Unencodable, Detail: words(err.Error(), c.secrets)}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return Answer{Origin: Unencodable, Detail: words(err.Error(), c.secrets)}
	}
	request.Header = c.header.Clone()
	request.Host = c.header.Get("Host") // "" is the URL's
	response, err := c.client.Do(request)
	if err != nil {
		return Answer{Origin: NoAnswer, Detail: words(cause(err).Error(), c.secrets)}
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, responseSize))
	_ = response.Body.Close()
	// Of a refusal the status is enough. Whether a 2xx is an acknowledgement its body says.
	if err != nil && response.StatusCode/100 == 2 {
		return Answer{Origin: NoAnswer, Detail: words(response.Status+", and then: "+err.Error(), c.secrets)}
	}
	return c.answer(response, answer)
}

// cause leaves out the URL, whose query may hold a key.
func cause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func (c *httpClient) compress(body []byte) ([]byte, error) {
	if c.zippers == nil {
		return body, nil
	}
	z := c.zippers.Get().(*gzip.Writer)
	defer c.zippers.Put(z)
	var out bytes.Buffer
	z.Reset(&out)
	if _, err := z.Write(body); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func (c *httpClient) answer(r *http.Response, body []byte) Answer {
	// An unreadable media type is no known one.
	header := r.Header.Get("Content-Type")
	media, _, err := mime.ParseMediaType(header)
	if err != nil {
		media = header
	}
	a := Answer{Origin: FromHTTP, Status: r.StatusCode}
	a.RetryAfter, a.RetryInfo = retryAfter(r.Header.Get("Retry-After"), time.Now())
	if r.StatusCode/100 == 2 {
		response, ok := readResponse(c.signal, media, body)
		if ok {
			a.Partial = partialOf(response, c.secrets)
			return a
		}
		a.Foreign = true
	}
	a.Detail = words(r.Status+": "+errorMessage(media, body), c.secrets)
	return a
}

// errorMessage of a refusing answer: OTLP/HTTP sends a google.rpc.Status, others
// send text.
func errorMessage(media string, body []byte) string {
	if media != mediaProtobuf && media != mediaRegistered {
		return string(body)
	}
	s := &rpcstatus.Status{}
	if err := proto.Unmarshal(body, s); err != nil {
		return ""
	}
	return s.GetMessage()
}

// retryAfter reads a Retry-After: seconds or a date (RFC 9110, section 10.2.3).
func retryAfter(value string, now time.Time) (after time.Duration, ok bool) {
	if value == "" {
		return 0, false
	}
	seconds, err := strconv.ParseUint(value, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, uint64(maxPause/time.Second))) * time.Second, true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return max(at.Sub(now), 0), true
}

func (c *httpClient) Close() error {
	c.client.CloseIdleConnections()
	return nil
}
