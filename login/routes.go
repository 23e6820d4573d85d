package login

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/login/cabinet"
	"github.com/vhod-id/vhod/op"
)

// maxForm is more than any form of ours needs, documents excepted.
const maxForm = 64 << 10

// route is one line of the table: a pattern of http.ServeMux and its handler.
type route struct {
	pattern string
	serve   func(http.ResponseWriter, *http.Request) error
}

// table is every route of the front door.
func (d *Door) table() []route {
	return slices.Concat(
		d.signInRoutes(),
		d.signUpRoutes(),
		d.recoveryRoutes(),
		d.deviceRoutes(),
		d.commonRoutes(),
		d.statementRoutes(),
		d.timeoutRoutes(),
		d.protectRoutes(),
		d.passkeyRoutes(),
		d.smsRoutes(),
		d.pushRoutes(),
		d.mailCodeRoutes(),
		d.withoutRoutes(),
		d.qrRoutes(),
		d.levelRoutes(),
		d.signatureRoutes(),
		d.bankRoutes(),
		d.cabinetRoutes(),
	)
}

func (d *Door) signInRoutes() []route {
	return []route{
		{"GET /login", d.showIdentify},
		{"POST /login", d.takeIdentifier},
		{"GET /login/same", d.goOn},
		{"POST /login/same", d.takeSamePerson},
		{"GET /login/password", d.showPassword},
		{"POST /login/password", d.takePassword},
		{"GET /login/totp", d.showTOTP},
		{"POST /login/totp", d.takeTOTP},
		{"GET /login/backup", d.showBackup},
		{"POST /login/backup", d.takeBackup},
		{"GET /login/consent", d.showConsent},
		{"POST /login/consent", d.takeConsent},
		{"GET /login/unreachable", d.showUnreachable},
		{"GET /login/no-certificate", d.showNoCertificate},
		{"GET /login/locked", d.showLocked},
		{"GET /login/continue", d.goOn},
		{"GET /login/cancel", d.cancel},
	}
}

func (d *Door) signUpRoutes() []route {
	return []route{
		{"GET /signup", d.showContact},
		{"POST /signup", d.takeContact},
		{"GET /signup/code", d.showSignUpCode},
		{"POST /signup/code", d.takeSignUpCode},
		{"GET /signup/resend", d.goOn}, // the language was switched on a page that a post answered
		{"POST /signup/resend", d.resendSignUpCode},
		{"GET /signup/confirm", d.showMailLink},
		{"POST /signup/confirm", d.takeMailLink},
		{"GET /signup/password", d.showChoosePassword},
		{"POST /signup/password", d.takeChosenPassword},
		{"GET /signup/agreement", d.showAgreement},
		{"POST /signup/agreement", d.takeAgreement},
		{"GET /signup/ready", d.showReady},
		{"POST /signup/ready", d.takeReady},
	}
}

func (d *Door) recoveryRoutes() []route {
	return []route{
		{"GET /recovery", d.showRecovery},
		{"POST /recovery", d.takeRecovery},
		{"GET /recovery/code", d.showRecoveryCode},
		{"POST /recovery/code", d.takeRecoveryCode},
		{"GET /recovery/resend", d.goOn},
		{"POST /recovery/resend", d.resendRecoveryCode},
		{"GET /recovery/ways", d.showWays},
		{"GET /recovery/lost", d.showLost},
		{"POST /recovery/lost", d.takeLost},
		{"GET /recovery/trusted", d.showTrusted},
		{"POST /recovery/trusted", d.takeTrusted},
		{"GET /recovery/bank", d.showRecoveryBank},
		{"POST /recovery/bank", d.takeRecoveryBank},
		{"GET /recovery/day", d.showDay},
		{"POST /recovery/day", d.takeDay},
		{"GET /recovery/cancel", d.showCancelWaiting},
		{"POST /recovery/cancel", d.takeCancelWaiting},
		{"GET /recovery/activation", d.showActivation},
		{"POST /recovery/activation", d.takeActivation},
		{"GET /recovery/activation/done", d.showActivated},
		{"GET /recovery/activation/cancel", d.showActivationCancel},
		{"POST /recovery/activation/cancel", d.takeActivationCancel},
		{"GET /recovery/case", d.showCase},
		{"POST /recovery/case", d.takeCase},
		{"GET /recovery/case/filed", d.showFiled},
		{"GET /not-me", d.showNotMe},
		{"POST /not-me", d.takeNotMe},
		{"GET /recovery/password", d.showNewPassword},
		{"POST /recovery/password", d.takeNewPassword},
	}
}

func (d *Door) deviceRoutes() []route {
	return []route{
		{"GET /device", d.showDevice},
		{"POST /device", d.takeDevice},
		{"GET /device/confirm", d.showDeviceConfirm},
		{"POST /device/confirm", d.takeDeviceConfirm},
		{"GET /device/done", d.showDeviceDone},
		{"GET /asked", func(w http.ResponseWriter, r *http.Request) error { return seeOther(w, r, "/me/requests") }},
		{"POST /asked", d.takeAsked},
		{"GET /asked/done", d.showAskedDone},
	}
}

func (d *Door) commonRoutes() []route {
	return []route{
		{"GET /{$}", d.home},
		{"GET /logout", d.showSignOut},
		{"POST /logout", d.takeSignOut},
		{"POST /lang", d.takeLang},
		{"POST /theme", d.takeTheme},
	}
}

// cabinetRoutes mounts the person's own room.
func (d *Door) cabinetRoutes() []route {
	services := d.cfg.Services
	if services == nil {
		services = func() []op.Client { return nil }
	}
	room := cabinet.New(cabinet.Config{
		Accounts: d.cfg.Accounts, Pages: d.cfg.Pages, Services: services, Visitor: d.visitor, Asked: d.asked,
		Fresh: d.provedRecently, Timeout: d.sessionTimeout, Origin: d.origin, Name: displayName, Now: d.cfg.Now,
		Signatures: d.cfg.VerifySignature != nil, Banks: len(d.cfg.Banks) > 0, Confirms: d.cfg.ConfirmNewBrowsers,
		Vouches: func(person *account.Account) bool { return len(d.vouchers(person)) > 0 },
		Bank:    func(id, lang string) (string, bool) { return d.bankName(id, lang), d.banks[id] != nil },
	})
	var out []route
	for _, r := range room.Routes() {
		out = append(out, route{r.Pattern, r.Serve})
	}
	return out
}

// Handler serves /login…, /signup…, /recovery…, /protect…, /level…, /device…, /me…, /logout, /lang, /theme, /help, the statements and /assets/. Posts
// that another site's page sent are refused before any handler (S03).
func (d *Door) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, route := range d.routes {
		handler := d.handle(route.serve)
		if slices.Contains(uploads, route.pattern) {
			handler = d.handleUpload(route.serve)
		}
		mux.Handle(route.pattern, handler)
	}
	mux.Handle("GET /assets/", d.cfg.Pages.Assets())
	mux.Handle("/", d.handle(func(http.ResponseWriter, *http.Request) error { return account.ErrNotFound }))
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(d.handle(func(http.ResponseWriter, *http.Request) error { return errCrossSite }))
	return guard.Handler(mux)
}

// handle gives a handler's error to the one mapper.
func (d *Door) handle(serve func(http.ResponseWriter, *http.Request) error) http.Handler {
	return d.handleForm(maxForm, (*http.Request).ParseForm, serve)
}

// handleUpload is handle for a form that carries a file. The file stays in memory: the whole form is no
// larger than what is allowed there.
func (d *Door) handleUpload(serve func(http.ResponseWriter, *http.Request) error) http.Handler {
	parse := func(r *http.Request) error {
		err := r.ParseMultipartForm(maxSignatureForm)
		if errors.Is(err, http.ErrNotMultipart) { // a form without a file
			return nil
		}
		return err
	}
	return d.handleForm(maxSignatureForm, parse, serve)
}

func (d *Door) handleForm(most int64, parse func(*http.Request) error, serve func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, most)
		if err := parse(r); err != nil {
			d.fail(w, r, fmt.Errorf("%w: %w", errBadForm, err))
			return
		}
		if err := serve(w, r); err != nil {
			d.fail(w, r, err)
		}
	})
}
