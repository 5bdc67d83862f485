package sample

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestATestCallIsRecognisableAndNobodys(t *testing.T) {
	t.Parallel()
	end := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	call, err := NewTestCall("k3", end)
	if err != nil {
		t.Fatal(err)
	}
	if ended, err := endOf(call.Bodies[0]); err != nil || !ended.Equal(end) {
		t.Errorf("it ends at %v, not %v (%v)", ended, end, err)
	}
	all := string(bytes.Join(call.Bodies, nil))
	for _, number := range regexp.MustCompile(`\+\d+`).FindAllString(all, -1) {
		if !strings.HasPrefix(number, "+180055501") {
			t.Errorf("%s is not of a number set apart for fiction", number)
		}
	}
	if strings.Contains(all, `"2024-`) || strings.Contains(all, doctorID) {
		t.Error("an instant or an id was left as it is in the file")
	}
	for _, id := range []string{call.ID, call.SessionID, call.SIPCallID} {
		if !strings.HasPrefix(id, "doctor-k3") || !strings.Contains(all, `"`+id+`"`) {
			t.Errorf("the bodies do not have %s", id)
		}
	}
	ids := regexp.MustCompile(`"(?:log_id|session_id|global_session_id|transaction_id|sip_call_id|call_id)": "([^"]*)"`)
	for _, id := range ids.FindAllStringSubmatch(all, -1) {
		if !strings.HasPrefix(id[1], "doctor-k3") {
			t.Errorf("%s would be shared with other calls", id[0])
		}
	}
}
