package login

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/vhod-id/vhod/account"
)

// pushRoutes prove a second factor by the person's word on their own device, and make a browser such a device.
func (d *Door) pushRoutes() []route {
	return []route{
		{"GET /login/push", d.showPush},
		{"POST /login/push", d.takePush},
		{"GET /login/push/resend", d.goOn},
		{"POST /login/push/resend", d.askPushAgain},
		{"GET /login/push/events", d.watchPush},
		{"GET /protect/push", d.showSetUpPush},
		{"POST /protect/push", d.takeSetUpPush},
		{"GET /me/approve", d.showApprove},
		{"POST /me/approve", d.takeApprove},
		{"GET /me/approve/events", d.watchApprove},
		{"GET /me/approve/push", d.showApprove},
		{"POST /me/approve/push", d.subscribePush},
		{"GET /me/approve/push/off", d.showApprove},
		{"POST /me/approve/push/off", d.unsubscribePush},
		{"GET /push/worker.js", d.pushWorker},
	}
}

// pushData is what the page push shows.
type pushData struct {
	Attempt   string
	Number    int
	Verdict   account.Verdict
	OtherWays []otherWay
	StartURL  string // where the person begins anew, when they said that they know nothing of it
}

// enterPush loads an attempt whose person may be asked on their devices now, or sends it to where it stands.
func (d *Door) enterPush(w http.ResponseWriter, r *http.Request) (*visit, error) {
	v, err := d.enter(r)
	if err != nil {
		return nil, err
	}
	if ok, err := d.stands(w, r, v, stepSecond); !ok {
		return nil, err
	}
	if !slices.Contains(secondsFor(circumstancesOf(v.person, v.policy)), account.MethodPush) {
		return nil, d.advance(w, r, v)
	}
	return v, nil
}

// showPush asks the person once; a reload shows what became of that.
func (d *Door) showPush(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enterPush(w, r)
	if v == nil {
		return err
	}
	ask, verdict, err := d.cfg.Accounts.AskOf(r.Context(), v.attempt.ID)
	if errors.Is(err, account.ErrNotFound) || err == nil && ask.Account != v.person.ID {
		ask, err = d.askPush(r, v)
		verdict = account.Waiting
	}
	if err != nil {
		return d.renderPush(w, r, v, account.Ask{}, account.Expired, err)
	}
	return d.renderPush(w, r, v, ask, verdict, nil)
}

func (d *Door) askPush(r *http.Request, v *visit) (account.Ask, error) {
	req := account.PushRequest{Flow: v.attempt.ID, Browser: v.browser, Origin: d.origin(r)}
	if v.client != nil {
		req.Service = v.client.Name
	}
	return d.cfg.Accounts.AskPush(r.Context(), v.person.ID, req)
}

func (d *Door) renderPush(w http.ResponseWriter, r *http.Request, v *visit, ask account.Ask, verdict account.Verdict, err error) error {
	data := pushData{Attempt: v.attempt.ID, Number: ask.Number, Verdict: verdict, OtherWays: v.otherWays(account.MethodPush)}
	page := v.secondPage(d, r, "push", data)
	switch verdict {
	case account.Waiting:
		page.Live = at("/login/push/events", v.attempt) + "&seen=" + string(verdict)
	case account.Reported: // whoever sits here is not the person, by the person's own word: nothing that was proven stays
		v.attempt.forget()
		if err := d.save(r.Context(), v.attempt); err != nil {
			return err
		}
		data.OtherWays, data.StartURL = nil, at(paths[stepIdentify], v.attempt)
		page.Data = data
	}
	return d.renderForm(w, r, v.attempt, page, err)
}

// takePush goes on when the person has approved.
func (d *Door) takePush(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enterPush(w, r)
	if v == nil {
		return err
	}
	err = d.cfg.Accounts.VerifyPush(r.Context(), v.person.ID, v.attempt.ID)
	if errors.Is(err, account.ErrWrongCode) || errors.Is(err, account.ErrCodeExpired) || errors.Is(err, account.ErrCodeSpent) {
		return seeOther(w, r, at("/login/push", v.attempt)) // the page says how it stands
	}
	if err != nil {
		return d.renderPush(w, r, v, account.Ask{}, account.Expired, err)
	}
	v.attempt.prove(v.person.ID, account.MethodPush, d.cfg.Now())
	return d.advance(w, r, v)
}

// askPushAgain asks once more when the last request is over.
func (d *Door) askPushAgain(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enterPush(w, r)
	if v == nil {
		return err
	}
	_, verdict, err := d.cfg.Accounts.AskOf(r.Context(), v.attempt.ID)
	if err != nil && !errors.Is(err, account.ErrNotFound) {
		return err
	}
	if verdict == account.Waiting || verdict == account.Approved || verdict == account.Reported {
		return seeOther(w, r, at("/login/push", v.attempt))
	}
	if _, err := d.askPush(r, v); err != nil {
		return d.renderPush(w, r, v, account.Ask{}, account.Expired, err)
	}
	return seeOther(w, r, at("/login/push", v.attempt))
}

// watchPush tells the page's script when the person has answered.
func (d *Door) watchPush(w http.ResponseWriter, r *http.Request) error {
	a, err := d.loadAttempt(r)
	if err != nil {
		return err
	}
	return d.stream(w, r, func() (string, error) {
		_, verdict, err := d.cfg.Accounts.AskOf(r.Context(), a.ID)
		return string(verdict), err
	})
}

// setUpPushData is what the page protect-push shows.
type setUpPushData struct {
	Attempt string
	Device  string // a name to begin with
	Here    bool   // this browser approves already
}

func (d *Door) showSetUpPush(w http.ResponseWriter, r *http.Request) error {
	in, err := d.comeIn(w, r, securityPage, true)
	if in == nil {
		return err
	}
	return d.renderSetUpPush(w, r, in, nil)
}

func (d *Door) renderSetUpPush(w http.ResponseWriter, r *http.Request, in *inside, err error) error {
	data := setUpPushData{Attempt: in.attempt.ID, Device: d.origin(r).Device()}
	whose, _, failed := d.approver(r)
	if failed != nil {
		return failed
	}
	data.Here = whose != nil && whose.ID == in.person.ID
	page := in.page(d, r, "protect-push", data)
	page.Back = in.home
	return d.renderForm(w, r, in.attempt, page, err)
}

// takeSetUpPush makes this browser one that approves; with the first factor come the backup codes.
func (d *Door) takeSetUpPush(w http.ResponseWriter, r *http.Request) error {
	in, err := d.comeIn(w, r, securityPage, true)
	if in == nil {
		return err
	}
	name := clip(r.PostFormValue("device_name"))
	if name == "" {
		return d.renderSetUpPush(w, r, in, account.FieldErrors{{Field: "device_name", Message: "error.device-name.empty"}})
	}
	cookie, err := d.cfg.Accounts.AddPush(r.Context(), in.person.ID, name, d.origin(r))
	if errors.Is(err, account.ErrConflict) {
		err = account.FieldErrors{{Field: "device_name", Message: "error.device-name.many"}}
	}
	if err != nil {
		return d.renderSetUpPush(w, r, in, err)
	}
	d.setCookie(w, cookieApprover, cookie, account.BrowserLife)
	if err := d.addProofs(w, r, in.session, []account.Proof{{Method: account.MethodPush, At: d.cfg.Now()}}); err != nil {
		return err
	}
	if len(in.person.Backup.Hashes) == 0 {
		if err := d.printCodes(r, in); err != nil {
			return fmt.Errorf("printing codes: %w", err)
		}
		return seeOther(w, r, in.path("/protect/backup"))
	}
	return d.onward(w, r, in)
}

// approver returns whose device this browser is, or nils.
func (d *Door) approver(r *http.Request) (*account.Account, *account.PushDevice, error) {
	cookie := d.cookie(r, cookieApprover)
	if cookie == "" {
		return nil, nil, nil
	}
	a, device, err := d.cfg.Accounts.Approver(r.Context(), cookie)
	if errors.Is(err, account.ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	return a, &device, nil
}

// askLine is one request as the device shows it.
type askLine struct {
	account.Ask
	Name      string // of the service; empty for the person's own cabinet
	Browser   string
	From      string // place and address
	Elsewhere bool   // who signs in is in another network than this device
}

// approveData is what the page me-approve shows.
type approveData struct {
	Device   *account.PushDevice // nil: this browser approves nothing
	Asks     []askLine
	Reported bool
	PushKey  string // this browser may be told of requests, by this key; empty: it is, or nobody is
}

// approveDone are the notices of the page after an answer.
var approveDone = map[string]string{
	string(account.Approved): "notice.push-approved",
	string(account.Refused):  "notice.push-refused",
	string(account.WrongOne): "notice.push-wrong",
	string(account.Reported): "notice.push-reported",
	"over":                   "notice.push-over",
	"on":                     "notice.push-on",
	"off":                    "notice.push-off",
}

const approvePage = "/me/approve"

// showApprove shows what waits for the person's word. The device alone is let in: who holds its cookie holds the factor, and
// needs no session beside it, which they may be about to open by this very factor.
func (d *Door) showApprove(w http.ResponseWriter, r *http.Request) error {
	return d.renderApprove(w, r, nil)
}

func (d *Door) renderApprove(w http.ResponseWriter, r *http.Request, failed error) error {
	person, device, err := d.approver(r)
	if err != nil {
		return err
	}
	done := r.FormValue("done")
	data := approveData{Device: device, Reported: done == string(account.Reported)}
	page := (&visit{}).page(d, r, "me-approve", data)
	page.Notice, page.Back = approveDone[done], securityPage
	if device == nil {
		return d.render(w, r, nil, page)
	}
	if device.Subscription.IsZero() {
		data.PushKey = d.cfg.PushKey
	}
	asks, err := d.cfg.Accounts.Asks(r.Context(), person.ID)
	if err != nil {
		return err
	}
	_, here := around(d.clientAddr(r))
	for _, ask := range asks {
		_, there := around(ask.Origin.Address)
		data.Asks = append(data.Asks, askLine{
			Ask: ask, Name: inLang(ask.Service, d.lang(r, nil)), Browser: ask.Origin.Device(), From: d.cfg.Accounts.From(ask.Origin), Elsewhere: here != there,
		})
	}
	d.setCookie(w, cookieApprover, d.cookie(r, cookieApprover), account.BrowserLife)
	page.Data, page.User = data, displayName(person)
	page.Live = approvePage + "/events?seen=" + url.QueryEscape(askIDs(asks))
	return d.renderForm(w, r, nil, page, failed)
}

// takeApprove takes the person's word.
func (d *Door) takeApprove(w http.ResponseWriter, r *http.Request) error {
	answer := account.Answer{Verdict: account.Refused}
	switch choice := r.PostFormValue("answer"); choice {
	case "deny":
	case "stranger":
		answer.Verdict = account.Reported
	default:
		answer = account.Answer{Number: numberOf(choice)}
	}
	verdict, err := d.cfg.Accounts.AnswerPush(r.Context(), d.cookie(r, cookieApprover), clip(r.PostFormValue("request")), answer, d.origin(r))
	switch {
	case errors.Is(err, account.ErrNotFound), errors.Is(err, account.ErrCodeSpent), errors.Is(err, account.ErrCodeExpired):
		verdict = "over"
	case err != nil:
		return err
	}
	return seeOther(w, r, approvePage+"?done="+url.QueryEscape(string(verdict)))
}

// watchApprove tells the page's script when there is something new to answer.
func (d *Door) watchApprove(w http.ResponseWriter, r *http.Request) error {
	person, _, err := d.approver(r)
	if err != nil {
		return err
	}
	if person == nil {
		return account.ErrNotFound
	}
	return d.stream(w, r, func() (string, error) {
		asks, err := d.cfg.Accounts.Asks(r.Context(), person.ID)
		return askIDs(asks), err
	})
}
