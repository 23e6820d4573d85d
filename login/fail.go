package login

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/op"
	"github.com/vhod-id/vhod/templates"
)

var (
	// errRequestOver says that the service's request was answered already or has expired.
	errRequestOver = errors.New("the service's request is over")
	// errDeadLink says that a mailed link is used up, expired or was never ours.
	errDeadLink = errors.New("the mailed link is dead")
	// errOldAlert says that a link to disown a sign-in is used, over or was never ours.
	errOldAlert = errors.New("the link to disown a sign-in is dead")
	// errOldQR says that a scanned QR code is old, of a closed page, or another phone's.
	errOldQR = errors.New("the QR code is over")
	// errLockedWay says that the person has locked this for themselves.
	errLockedWay = errors.New("locked by the person")
	// errCrossSite says that another site's page sent the form.
	errCrossSite = errors.New("a form came from another site")
)

// errorData is what the page error shows.
type errorData struct {
	Kind      string // words are in the catalogues under error-page.KIND
	Args      map[string]any
	Reference string    // the request's id, for the person to quote
	ActionURL string    // the way on
	Action    string    // message id of its words
	Until     time.Time // from when on it may be done here
	Diagnosis *op.Diagnosis
	Docs      string
}

// failure is how one kind of error is shown.
type failure struct {
	err    error
	status int
	kind   string
	action string
	url    string
}

// failures map errors to pages. What is not here is internal: logged, and shown by its reference.
var failures = []failure{
	{errNoAttempt, http.StatusGone, "flow-gone", "error-page.start-again", "/login"},
	{errRequestOver, http.StatusGone, "request-over", "error-page.to-cabinet", "/me"},
	{errCrossSite, http.StatusForbidden, "cross-site", "error-page.start-again", "/login"},
	{errDeadLink, http.StatusGone, "dead-link", "error-page.to-sign-up", "/signup"},
	{errOldAlert, http.StatusGone, "old-alert", "error-page.recover", "/recovery"},
	{errOldQR, http.StatusGone, "old-qr", "error-page.to-start", "/"},
	{account.ErrNoSession, http.StatusConflict, "conflict", "error-page.start-again", "/login"},
	{errBadForm, http.StatusBadRequest, "bad-form", "error-page.start-again", "/login"},
	{account.ErrNotFound, http.StatusNotFound, "not-found", "error-page.to-start", "/"},
	{errLockedWay, http.StatusForbidden, "locked-way", "error-page.start-again", "/login"},
	{account.ErrLocked, http.StatusForbidden, "locked", "error-page.recover", "/recovery"},
	{credential.ErrBusy, http.StatusServiceUnavailable, "busy", "error-page.start-again", "/login"},
	{account.ErrConflict, http.StatusConflict, "conflict", "error-page.start-again", "/login"},
}

// fail is the one mapper from an error to the page that a person sees.
func (d *Door) fail(w http.ResponseWriter, r *http.Request, err error) {
	data := errorData{Kind: "internal", Reference: r.Header.Get("X-Request-Id"), Action: "error-page.to-start", ActionURL: "/"}
	status := http.StatusInternalServerError
	var throttled account.ThrottledError
	if errors.As(err, &throttled) {
		status, data.Kind = http.StatusTooManyRequests, "throttled"
		data.Args = map[string]any{"Minutes": minutesUntil(throttled.Until, d.cfg.Now())}
		d.retryAfter(w, throttled.Until)
	}
	if early := (account.NewBrowserError{}); errors.As(err, &early) {
		status, data = http.StatusForbidden, newBrowserData(data, early)
	}
	if errors.As(err, new(account.LockedWayError)) {
		err = errLockedWay
	}
	for _, f := range failures {
		if errors.Is(err, f.err) {
			status, data.Kind, data.Action, data.ActionURL = f.status, f.kind, f.action, f.url
			break
		}
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	if status >= http.StatusInternalServerError {
		d.cfg.Log.ErrorContext(r.Context(), "request failed", slog.String("path", r.URL.Path),
			slog.String("request", data.Reference), slog.Any("error", err))
	}
	d.showError(w, r, status, data)
}

// newBrowserData says from when on this browser will do, and what does now.
func newBrowserData(data errorData, early account.NewBrowserError) errorData {
	data.Kind, data.Action, data.ActionURL = "new-browser", "error-page.to-cabinet", "/me"
	data.Until = early.Until
	switch {
	case early.Key:
		data.Kind, data.Action, data.ActionURL = "new-browser-key", "error-page.by-key", "/login?reauth=1&return="+securityPage
	case early.Until.IsZero():
		data.Kind = "new-browser-kept"
	}
	return data
}

func (d *Door) showError(w http.ResponseWriter, r *http.Request, status int, data errorData) {
	page := templates.Page{
		Name: "error", Status: status, Data: data,
		Title: "error-page." + data.Kind + ".title", TitleArgs: data.Args,
	}
	if err := d.cfg.Pages.Render(w, r, page); err != nil {
		d.cfg.Log.ErrorContext(r.Context(), "the error page failed", slog.Any("error", err))
		http.Error(w, http.StatusText(status), status)
	}
}

// Error shows a protocol error: one sentence and a reference for the person, the diagnosis for the
// developer. There is no redirect; ReturnURI is a link, when the provider says that it is safe.
func (d *Door) Error(w http.ResponseWriter, r *http.Request, status int, diagnosis op.Diagnosis) {
	data := errorData{
		Kind:      "protocol",
		Reference: r.Header.Get("X-Request-Id"),
		Diagnosis: &diagnosis,
		Args:      map[string]any{"Service": diagnosis.ClientName},
		Action:    "error-page.to-start", ActionURL: "/",
	}
	if diagnosis.Code != "" {
		data.Docs = "/docs/errors/" + diagnosis.Code
	}
	if u := diagnosis.ReturnURI; strings.HasPrefix(u, "https://") || strings.HasPrefix(u, "http://") {
		data.Action, data.ActionURL = "error-page.to-service", u
	}
	d.showError(w, r, status, data)
}

// retryAfter tells scripts what the page tells people.
func (d *Door) retryAfter(w http.ResponseWriter, until time.Time) {
	if wait := until.Sub(d.cfg.Now()); wait > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64(wait/time.Second)+1, 10))
	}
}

// minutesUntil counts whole minutes, at least one.
func minutesUntil(until, now time.Time) int {
	return max(1, int((until.Sub(now)+time.Minute-1)/time.Minute))
}
