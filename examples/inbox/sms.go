package inbox

import (
	"encoding/json"
	"net/http"

	"github.com/vhod-id/vhod/examples/faults"
)

// The adapters' names in the faults of the stand.
const (
	FaultSMS  = "sms"
	FaultMail = "mail"
)

// sms is the gateway: POST /sms {"to":"+7…","text":"…"} with the bearer key.
func (s *Server) sms(w http.ResponseWriter, r *http.Request) {
	if s.cfg.SMSKey != "" && r.Header.Get("Authorization") != "Bearer "+s.cfg.SMSKey {
		answer(w, http.StatusUnauthorized, map[string]string{"error": "unknown key"})
		return
	}
	var in struct {
		To   string `json:"to"`
		Text string `json:"text"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<10)).Decode(&in); err != nil || in.To == "" || in.Text == "" {
		answer(w, http.StatusBadRequest, map[string]string{"error": "to and text are needed"})
		return
	}
	switch s.cfg.Faults.Strike(r.Context(), FaultSMS) {
	case faults.Down, faults.Timeout:
		panic(http.ErrAbortHandler)
	case faults.Refuse:
		answer(w, http.StatusUnprocessableEntity, map[string]string{"error": "the number does not take messages"})
		return
	}
	s.cfg.Box.Add(Message{Channel: "sms", To: in.To, Text: in.Text})
	answer(w, http.StatusOK, map[string]string{"status": "accepted"})
}
