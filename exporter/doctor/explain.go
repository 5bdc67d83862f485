package doctor

import (
	"fmt"
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"

	"cdr2otel/exporter/internal/delivery"
)

// verdict on an answer, in words.
type verdict struct {
	state    State
	seen, do string
}

// quoted bounds what is shown of an answer, in bytes.
const quoted = 160

// explain says what an answer to an empty request means, and what to do.
func explain(a delivery.Answer, to destination) verdict {
	switch {
	case a.Foreign:
		return verdict{Fail, "it accepts, but not in the words of an OTLP receiver (" + quote(a.Detail) + "); serve would hold everything",
			"a proxy, a login or a user interface is there: set " + to.variable("ENDPOINT") + " to the receiver"}
	case a.Origin == delivery.FromHTTP:
		return explainHTTP(a, to)
	case a.Origin == delivery.FromGRPC:
		return explainGRPC(a, to)
	default:
		return explainSilence(a.Detail, to)
	}
}

func accepted(a delivery.Answer) verdict {
	if p := a.Partial; p != nil {
		return verdict{Warn, "an empty request was accepted with a remark: " + oneLine(p.Message, quoted), "ask whoever runs the receiver"}
	}
	return verdict{OK, "an empty request was accepted", ""}
}

func explainHTTP(a delivery.Answer, to destination) verdict {
	status := fmt.Sprintf("%d %s", a.Status, http.StatusText(a.Status))
	switch {
	case a.Status/100 == 2:
		return accepted(a)
	case a.Status/100 == 3:
		return verdict{Fail, "it redirects (" + status + "), which is not followed", "set " + to.variable("ENDPOINT") + " to where it leads, if that is an OTLP receiver"}
	case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden:
		return refused(status, to)
	case a.Status == http.StatusProxyAuthRequired:
		return verdict{Fail, "the proxy refused the credentials (" + status + ")", "correct user and password in HTTPS_PROXY"}
	case a.Status == http.StatusNotFound, a.Status == http.StatusMethodNotAllowed, a.Status == http.StatusNotImplemented:
		return verdict{Fail, "it takes no " + to.signal + " there (" + status + ")",
			fmt.Sprintf("%s gets /v1/%s added, %s is used as it is; %s", to.variable("ENDPOINT"), to.signal, to.own("ENDPOINT"), to.noPipeline())}
	case a.Status == http.StatusBadRequest && strings.Contains(strings.ToUpper(a.Detail), "HTTPS"):
		return verdict{Fail, "it wants TLS", "write https:// in " + to.variable("ENDPOINT")}
	case a.Status == http.StatusUnsupportedMediaType:
		return verdict{Fail, "it does not take OTLP over HTTP (" + status + ")", "is it a gRPC port? Then set " + to.variable("PROTOCOL") + "=grpc"}
	case a.Status == http.StatusBadRequest, a.Status == http.StatusUnprocessableEntity:
		return tookNoEmpty(a, to)
	case a.Status == http.StatusTooManyRequests:
		return verdict{Warn, "it is there but asks to wait (" + status + ")", "raise its limits if that lasts; nothing is lost meanwhile"}
	default:
		return verdict{Fail, "it can't take anything now (" + quote(a.Detail) + ")", "look into the log of the receiver, or of the proxy before it"}
	}
}

func explainGRPC(a delivery.Answer, to destination) verdict {
	switch a.Code {
	case codes.OK:
		return accepted(a)
	case codes.Unauthenticated, codes.PermissionDenied:
		return refused(a.Code.String(), to)
	case codes.Unimplemented:
		return verdict{Fail, "it takes no " + to.signal + " there (Unimplemented)",
			"set " + to.own("ENDPOINT") + " to where they are taken; " + to.noPipeline()}
	case codes.InvalidArgument:
		return tookNoEmpty(a, to)
	case codes.ResourceExhausted:
		return verdict{Warn, "it is there but asks to wait (" + quote(a.Detail) + ")", "raise its limits if that lasts; nothing is lost meanwhile"}
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		return explainSilence(a.Detail, to)
	default:
		return verdict{Fail, "it can't take anything now (" + quote(a.Detail) + ")", "look into the log of the receiver, or of the proxy before it"}
	}
}

// tookNoEmpty: some receivers take no request without spans. One that lacks a header, such
// as the tenant's, or gets plain HTTP where it wants TLS, answers the same.
func tookNoEmpty(a delivery.Answer, to destination) verdict {
	return verdict{Warn, "it is there but takes no empty request (" + quote(a.Detail) + ")",
		"use --send-test-call to be sure; if calls are refused too, does it want a header? Set " + to.variable("HEADERS")}
}

func refused(status string, to destination) verdict {
	return verdict{Fail, "it refused the credentials (" + status + ")",
		"correct " + to.variable("HEADERS") + " (name=value, percent-encoded) or " + to.own("HEADERS")}
}

// silences are what prevents an answer, by what the libraries write of it; the first
// that fits counts. None fits: it is quoted.
var silences = []struct {
	texts []string
	seen  string
	do    func(destination) string
}{
	{
		[]string{"proxyconnect"}, "the proxy can't be reached",
		func(destination) string { return "correct HTTPS_PROXY, or add the host to NO_PROXY" },
	},
	{
		[]string{"connection refused"}, "nobody listens there (connection refused)",
		func(to destination) string {
			return "start the receiver, or correct " + to.variable("ENDPOINT") + "; in a container localhost is the container itself"
		},
	},
	{
		[]string{"no such host", "name resolver error", "produced zero addresses", "Temporary failure in name resolution"}, "no such host is known",
		func(to destination) string { return "correct the name in " + to.variable("ENDPOINT") },
	},
	{
		[]string{"signed by unknown authority", "certificate is not trusted", "not standards compliant"}, "TLS: its certificate is signed by an authority this machine does not know",
		func(to destination) string {
			return "set " + to.variable("CERTIFICATE") + " to the file of that authority's certificate"
		},
	},
	{
		[]string{"certificate is valid for", "cannot validate certificate for", "not valid for any names"}, "TLS: its certificate is for another name",
		func(to destination) string { return "use the name it is for in " + to.variable("ENDPOINT") },
	},
	{
		[]string{"expired or is not yet valid"}, "TLS: its certificate has ended or not begun",
		func(destination) string { return "renew it, or set the clock of this machine" },
	},
	{
		[]string{"certificate required", "bad certificate", "unknown certificate authority"}, "TLS: it wants a client certificate that it knows",
		func(to destination) string {
			return "set " + to.variable("CLIENT_CERTIFICATE") + " and " + to.variable("CLIENT_KEY")
		},
	},
	{
		[]string{"HTTP response to HTTPS client", "does not look like a TLS handshake"}, "it speaks without TLS",
		func(to destination) string {
			return "write http:// in " + to.variable("ENDPOINT") + ", or switch TLS on at the receiver"
		},
	},
	{
		[]string{"malformed HTTP response"}, "it does not speak HTTP",
		func(to destination) string { return "if that is " + to.otherPort() },
	},
	{
		[]string{"HTTP/1.1 header", "missing HTTP content-type", "unexpected HTTP status code"}, "it does not speak gRPC",
		func(to destination) string { return "if that is " + to.otherPort() },
	},
	{
		[]string{"server preface", "EOF", "connection reset", "broken pipe", "readLoopPeekFail", "server closed", "could not be established"}, "it hangs up",
		func(to destination) string {
			if strings.HasPrefix(to.name, "https://") { // its last words may be lost with the connection
				return "it may want a client certificate: set " + to.variable("CLIENT_CERTIFICATE") + " and " + to.variable("CLIENT_KEY")
			}
			return "if it wants TLS, write https:// in " + to.variable("ENDPOINT") + "; if that is " + to.otherPort()
		},
	},
	{
		[]string{"deadline", "Timeout", "timeout", "DeadlineExceeded"}, "no answer came in time",
		func(to destination) string {
			return "look for a firewall between here and there, or raise " + to.variable("TIMEOUT") + " (milliseconds)"
		},
	},
}

func explainSilence(detail string, to destination) verdict {
	for _, s := range silences {
		for _, text := range s.texts {
			if strings.Contains(detail, text) {
				return verdict{Fail, s.seen, s.do(to)}
			}
		}
	}
	return verdict{Fail, "it can't be reached (" + quote(detail) + ")", "check " + to.variable("ENDPOINT") + " and the network"}
}

// quote is what the other side says, unless that is a document.
func quote(detail string) string {
	if before, _, found := strings.Cut(detail, "<"); found {
		detail = strings.TrimRight(before, ": ")
	}
	return oneLine(strings.TrimSuffix(strings.TrimSpace(detail), ":"), quoted)
}
