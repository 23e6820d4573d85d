package login_test

import (
	"net/url"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
)

// act is what an accomplice does at a route.
type act func(x *accomplice, path string)

// post sends a form from where the accomplice is signed in.
func post(pairs ...string) act {
	return func(x *accomplice, path string) { x.post(x.in("/login"), path, pairs...) }
}

// flow sends it within an attempt of a service.
func flow(pairs ...string) act {
	return func(x *accomplice, path string) { x.post(x.in(x.request()), path, pairs...) }
}

// half sends it after the password.
func half(pairs ...string) act {
	return func(x *accomplice, path string) { x.post(x.half("/login"), path, pairs...) }
}

// acts are what an accomplice does at each route that changes anything.
func acts() map[string]act {
	all := map[string]act{}
	for _, some := range []map[string]act{actsOfSigningIn(), actsOfSigningUp(), actsOfRecovery(), actsOfFactors(), actsInTheCabinet(), actsOfLevels()} {
		for pattern, do := range some {
			all[pattern] = do
		}
	}
	return all
}

func actsOfSigningIn() map[string]act {
	bySecond := func(m string) act {
		return func(x *accomplice, path string) {
			b := x.half(x.request())
			b.open("/login/" + m + "?attempt=" + b.attempt()).on(m)
			code := x.dictated()
			if m == "backup" {
				code, x.spares = x.spares[0], x.spares[1:]
			}
			b.fill("continue", "code", code).on("consent").fill("allow").answered()
		}
	}
	return map[string]act{
		"POST /login":                  func(x *accomplice, _ string) { x.in("/login").on("me") },
		"POST /login/same":             flow(),
		"POST /login/stay":             half(),
		"POST /login/password":         func(x *accomplice, _ string) { x.half("/login") },
		"POST /login/totp":             func(x *accomplice, _ string) { x.in(x.request()).on("consent").fill("allow").answered() },
		"POST /login/backup":           bySecond("backup"),
		"POST /login/sms":              bySecond("sms"),
		"POST /login/sms/resend":       half(),
		"POST /login/mail-code":        half("code", "000000"),
		"POST /login/mail-code/resend": half(),
		"POST /login/without":          half(),
		"POST /login/consent": func(x *accomplice, _ string) {
			b := x.in(x.request(func(r *op.AuthRequest) {
				r.ACR = []op.ACR{{Level: account.Simplified, Strength: account.PhishingResistant}}
			}))
			x.post(b, "/login/consent", "answer", "allow")
		},
		"POST /passkey/ask": func(x *accomplice, path string) { x.made(x.half("/login"), path) },
		"POST /login/passkey": func(x *accomplice, path string) {
			b := x.half("/login")
			x.post(b, path, "credential", x.made(b, "/passkey/ask"))
		},
		"POST /login/push":          half(),
		"POST /login/push/resend":   half(),
		"POST /me/approve":          post("answer", "42"),
		"POST /me/approve/push":     post("subscription", "{}"),
		"POST /me/approve/push/off": post(),
		"POST /login/qr":            func(x *accomplice, _ string) { byOwnPhone(x) },
		"POST /login/qr/continue":   func(x *accomplice, _ string) { byOwnPhone(x) },
		"POST /qr/confirm":          func(x *accomplice, _ string) { byOwnPhone(x) },
		"POST /login/esign": func(x *accomplice, _ string) {
			b := x.half("/login")
			x.signs(b.open("/login/esign?attempt=" + b.attempt()))
		},
		"POST /login/sign": func(x *accomplice, path string) { // of which a certificate is asked, and the accomplice has one of their own
			b := x.in(x.request(func(r *op.AuthRequest) {
				r.Details = []op.Detail{{Type: op.DetailAct, Text: "Дарю квартиру", Signature: op.SignedQualified}}
			}))
			x.signs(b.open("/login/sign?attempt=" + b.attempt()))
			x.post(b, path)
			for _, auth := range x.provider.approvals() {
				if auth.Signed != nil {
					x.t.Error("signed by another's certificate")
				}
			}
		},
		"POST /login/bank": func(x *accomplice, _ string) {
			b := x.fresh().open(x.request()).fill("bank")
			x.atBank(b, "anna")
			b.open("/login/totp?attempt="+b.attempt()).on("totp").fill("continue", "code", x.code(secret)).on("consent").fill("allow").answered()
		},
		"POST /login/bank/unknown": func(x *accomplice, _ string) { linkOwnBank(x) },
		"POST /login/bank/link":    func(x *accomplice, _ string) { linkOwnBank(x) },
		"POST /device":             func(x *accomplice, _ string) { ownTelevision(x) },
		"POST /device/confirm":     func(x *accomplice, _ string) { ownTelevision(x) },
		"POST /asked":              post("request", "x", "answer", "allow"),
		"POST /logout":             post(),
		"POST /lang":               post("lang", "en"),
		"POST /theme":              post("theme", "dark"),
	}
}

// byOwnPhone signs in at a second browser by the first, which is "the citizen's phone" by what was read out.
func byOwnPhone(x *accomplice) {
	screen := x.fresh().open(x.request()).on("identify").fill("qr").on("qr")
	attempt := screen.attempt()
	phone := x.browser().open("/login").fill("continue", "identifier", x.phone).fill("continue", "password", password)
	phone.open("/login/totp?attempt="+phone.attempt()).on("totp").fill("continue", "code", x.code(secret)).on("me")
	screen.open("/login/qr?attempt=" + attempt)
	phone.open(x.door.QRAddress(x.t.Context(), attempt)).on("qr-confirm")
	phone.fill("choose-" + screen.open("/login/qr?attempt="+attempt).number()).on("qr-done")
	screen.open("/login/qr?attempt=" + attempt).fill("continue").on("consent").fill("allow").answered()
}

// linkOwnBank comes from a bank with an account of the accomplice's own, and says that the citizen's account is theirs.
func linkOwnBank(x *accomplice) {
	for _, customer := range []string{"anna", "boris"} {
		b := x.fresh().open("/login").fill("bank")
		if b.fill("continue", "bank", "yellow").on("bank-login").fill("continue", "username", customer, "password", "bank-password").on("bank-consent").fill("allow"); b.name() != "bank-unknown" {
			continue
		}
		x.post(b, "/login/bank/unknown", "choice", "link")
		b.fill("continue", "identifier", x.phone).fill("continue", "password", password)
		b.open("/login/totp?attempt="+b.attempt()).on("totp").fill("continue", "code", x.code(secret))
		x.post(b, "/login/bank/link", "choice", "link")
	}
}

// ownTelevision lets a device of the accomplice's in.
func ownTelevision(x *accomplice) {
	b := x.in("/login")
	x.device()
	b.open("/device").on("device").fill("continue", "code", userCode)
	if b.name() == "device-confirm" {
		b.fill("allow")
	}
	for i := 0; b.name() != "device-done" && i < 3; i++ { // all is shown again
		switch b.name() {
		case "password":
			b.fill("continue", "password", password)
		case "consent":
			b.fill("allow")
		default:
			b.open("/login/totp?attempt="+b.attempt()).fill("continue", "code", x.code(secret))
		}
	}
}

func actsOfSigningUp() map[string]act {
	// With the citizen's own contacts, and every code that they are sent.
	signUp := func(x *accomplice, path string) {
		b := x.fresh().open("/signup").on("signup-contact").fill("continue", "phone", x.phone, "email", x.mail)
		for range 2 {
			if b.name() == "signup-code" {
				b.fill("continue", "code", x.dictated()+"000000"[min(6, len(x.dictated())):])
			}
		}
		for _, step := range []string{"/signup/resend", "/signup/code", "/signup/password", "/signup/agreement", "/signup/ready", path} {
			x.post(b, step, "code", x.dictated(), "password", othersPassword, "password_again", othersPassword, "agree_terms", "3", "agree_privacy", "2")
		}
	}
	return map[string]act{
		"POST /signup": signUp, "POST /signup/code": signUp, "POST /signup/resend": signUp, "POST /signup/password": signUp,
		"POST /signup/agreement": signUp, "POST /signup/ready": signUp,
		"POST /signup/confirm": post("token", "made-up"),
		"POST /signup/esign": func(x *accomplice, _ string) {
			b := x.fresh().open("/signup")
			x.signs(b.open("/signup/esign?attempt=" + b.attempt()))
			x.post(b, "/signup", "phone", x.phone, "email", x.mail)
		},
	}
}

// newPassword tries to set a new password, whatever the door says.
func newPassword(x *accomplice, b *browser) {
	x.post(b, "/recovery/password", "password", othersPassword, "password_again", othersPassword)
}

func actsOfRecovery() map[string]act {
	recover := func(x *accomplice, path string) {
		b := x.lost()
		newPassword(x, b)
		b.open("/recovery/day?attempt=" + b.attempt())
		x.post(b, path)
		newPassword(x, b)
		x.clock.Advance(account.SettleAfter - 3*time.Hour) // and again before the day is over
		newPassword(x, x.lost())
	}
	return map[string]act{
		"POST /recovery": recover, "POST /recovery/code": recover, "POST /recovery/resend": recover,
		"POST /recovery/password": recover, "POST /recovery/day": recover,
		"POST /recovery/lost": func(x *accomplice, path string) {
			b := x.fresh().open("/recovery").fill("continue", "identifier", x.mail).on("recovery-code").fill("continue", "code", x.dictated())
			x.post(b, path)
			x.clock.Advance(account.SettleAfter - 3*time.Hour)
			b = x.fresh().open("/recovery").fill("continue", "identifier", x.mail).on("recovery-code").fill("continue", "code", x.dictated())
			newPassword(x, b)
		},
		"POST /recovery/activation": func(x *accomplice, path string) {
			b := x.fresh()
			code := x.activation() // the citizen stands at the counter, with the telephone at their ear
			b.open(path).fill("continue", "code", code, "password", othersPassword, "password_again", othersPassword).on("recovery-activation")
			x.clock.Advance(account.SettleAfter - 2*time.Hour)
			b.open(path).fill("continue", "code", code, "password", othersPassword, "password_again", othersPassword).on("recovery-activation")
		},
		"POST /recovery/activation/cancel": func(x *accomplice, _ string) {
			b := x.fresh()
			x.activation()
			b.open(x.linkIn("activation-made")).fill("continue").on("activation-cancelled")
		},
		"POST /recovery/cancel": func(x *accomplice, _ string) {
			b := x.lost()
			b.fill("continue")
			b.open(x.linkIn("recovery-rests")).fill("continue").on("recovery-cancelled")
		},
		"POST /recovery/trusted": func(x *accomplice, path string) { // the friend is deceived too, and says yes
			b := x.fresh().open("/recovery").fill("continue", "identifier", x.mail).on("recovery-code").fill("continue", "code", x.dictated())
			x.post(b, path).on("recovery-trusted")
			newPassword(x, b)
			x.deliver()
			tie := x.find(friendsPhone).Trusting[0]
			if err := x.accounts.AnswerPlea(x.t.Context(), x.find(friendsPhone).ID, tie.ID, tie.Plea.ID, true, account.Origin{}); err != nil {
				x.t.Fatal(err)
			}
			newPassword(x, b)
			x.clock.Advance(account.VouchedWait - 3*time.Hour)
			b = x.fresh().open("/recovery").fill("continue", "identifier", x.mail).on("recovery-code").fill("continue", "code", x.dictated())
			newPassword(x, b)
		},
		"POST /recovery/bank": func(x *accomplice, _ string) { // the bank lets in whoever has its password and its codes
			b := x.fresh().open("/recovery").fill("continue", "identifier", x.mail).on("recovery-code").fill("continue", "code", x.dictated())
			x.atBank(b.open("/recovery/bank?attempt="+b.attempt()).on("recovery-bank"), "anna")
			if b.on("recovery-bank").state() != "vouched" {
				x.t.Errorf("the bank said %q", b.state())
			}
			newPassword(x, b)
			x.clock.Advance(account.VouchedWait - 3*time.Hour)
			b = x.fresh().open("/recovery").fill("continue", "identifier", x.mail).on("recovery-code").fill("continue", "code", x.dictated())
			newPassword(x, b)
		},
		"POST /recovery/case": post(annasCase()...),
		"POST /not-me":        disown,
	}
}

// disown follows the link of the message about the accomplice's own browser. It shuts everybody out and lets nobody in: the password is gone, and a new
// one is set by a recovery, which waits. The citizen gets it back here, for the routes that follow.
func disown(x *accomplice, _ string) {
	b := x.in("/login")
	x.clock.Advance(6 * time.Minute)
	whole := x.person()
	u, err := url.Parse(x.alerts()[0].Args["Link"])
	if err != nil {
		x.t.Fatal(err)
	}
	b.open(u.RequestURI()).on("not-me").fill("continue").on("not-me-done")
	got := x.person()
	if got.Password.Hash != "" || b.open("/me").name() == "me" {
		x.t.Error("somebody is let in by a link that shuts out")
	}
	newPassword(x, x.lost())
	if x.person().Password.Hash != "" {
		x.t.Error("a link in a message led to a new password")
	}
	x.change(func(a *account.Account) { a.Password = whole.Password })
}

func actsOfFactors() map[string]act {
	return map[string]act{
		"POST /protect": post("choice", "totp"),
		"POST /protect/totp": func(x *accomplice, path string) {
			b := x.in("/login").open("/protect/totp")
			code := "000000"
			if b.name() == "protect-totp" {
				code = x.code(strings.ReplaceAll(textOf(b.find(func(n *htmlNode) bool { return has(n, "data-secret") })), " ", ""))
			}
			x.post(b, path, "code", code)
		},
		"POST /protect/backup": post("choice", "new"),
		"POST /protect/sms": func(x *accomplice, path string) {
			before := x.person().SMS
			x.change(func(a *account.Account) { a.SMS = account.SMSFactor{} })
			defer x.change(func(a *account.Account) { a.SMS = before })
			b := x.in("/login").open("/protect/sms")
			x.post(b, path, "code", x.dictated())
			if x.person().HasSMS() {
				x.t.Errorf("codes by SMS were turned on")
			}
		},
		"POST /protect/sms/resend": post(),
		"POST /protect/push":       post("device_name", "Чужой"),
		"POST /passkey/offer":      func(x *accomplice, path string) { x.made(x.in("/login"), path) },
		"POST /protect/passkey": func(x *accomplice, path string) {
			b := x.in("/login")
			x.post(b, path, "passkey_name", "Чужой", "credential", x.made(b, "/passkey/offer"))
		},
		"POST /login/offer": flow("choice", "make"),
	}
}

func actsOfLevels() map[string]act {
	all := map[string]act{
		"POST /level":        post(),
		"POST /level/check":  post(),
		"POST /level/result": post(),
		"POST /level/bank": func(x *accomplice, path string) {
			b := x.in("/login").open(path)
			x.atBank(b, "boris")
		},
		"POST /level/esign": func(x *accomplice, path string) { x.signs(x.in("/login").open(path)) },
	}
	for _, question := range []string{"name", "birth", "sex", "passport", "snils", "inn", "address"} {
		all["POST /level/"+question] = post("family_name", "Чужой", "snils", "112-233-445 95")
	}
	return all
}

func actsInTheCabinet() map[string]act {
	remove := func(id func(*account.Account) string) act {
		return func(x *accomplice, path string) {
			x.post(x.in("/login"), path, "id", id(x.person()), "confirmed", "1")
		}
	}
	return map[string]act{
		"POST /me/security/password":       post("current_password", password, "password", othersPassword, "password_again", othersPassword),
		"POST /me/security/totp/remove":    remove(func(a *account.Account) string { return a.TOTP[0].ID }),
		"POST /me/security/push/remove":    remove(func(a *account.Account) string { return a.PushDevices[0].ID }),
		"POST /me/security/sms/remove":     remove(func(*account.Account) string { return "" }),
		"POST /me/security/passkey/remove": remove(func(a *account.Account) string { return a.Passkeys[0].ID }),
		"POST /me/security/passkey/rename": remove(func(a *account.Account) string { return a.Passkeys[0].ID }),
		"POST /me/security/esign/remove":   remove(func(a *account.Account) string { return a.Certificates[0].Fingerprint }),
		"POST /me/security/bank/remove": func(x *accomplice, path string) {
			bank := x.person().Banks[0]
			x.post(x.in("/login"), path, "issuer", bank.Issuer, "subject", bank.Subject)
		},
		"POST /me/security/rehearsal": post("code", spares()[0]), // it is looked at, and stays
		"POST /me/security/prefer":    post("factor", "sms"),
		"POST /me/security/switches": func(x *accomplice, path string) { // what is locked stays the citizen's, and a lock does not open within a day
			b := x.in("/login")
			x.post(b, path, "switch", "link-esign", "answer", "lock")
			x.post(b, path, "switch", "link-esign", "answer", "open")
			x.clock.Advance(account.SettleAfter - time.Hour)
			if x.person().Allows(account.SwitchLink, x.clock.Now()) {
				x.t.Error("a lock opened within a day")
			}
		},
		"POST /me/security/esign": func(x *accomplice, path string) { x.signs(x.in("/login").open(path)) },
		"POST /me/security/bank": func(x *accomplice, path string) {
			b := x.in("/login").open(path)
			x.atBank(b, "boris")
		},
		"POST /me/trusted/new": func(x *accomplice, path string) {
			x.post(x.in("/login"), path, "trusted_label", "Сотрудник", "identifier", "+79140000099")
		},
		"POST /me/trusted/end": func(x *accomplice, path string) {
			x.post(x.in("/login"), path, "tie", x.person().Trusted[0].ID, "side", "named")
		},
		"POST /me/trusted/offer": func(x *accomplice, path string) { // the accomplice would have the citizen vouch for them
			x.pleads(false)
			b := x.in("/login")
			x.post(b, path, "tie", x.person().Trusting[0].ID, "answer", "accept")
			x.post(b, path, "tie", x.person().Trusting[0].ID, "answer", "decline") // which harms nobody
		},
		"POST /me/trusted/plea": func(x *accomplice, path string) { // somebody whom the citizen would know by their voice
			lost := x.pleads(true)
			tie := x.person().Trusting[0]
			x.post(x.in("/login"), path, "tie", tie.ID, "plea", tie.Plea.ID, "answer", "confirm")
			if x.find(lost).Waiting.Vouched != "" {
				x.t.Error("a yes was given by what can be read out")
			}
			x.change(func(a *account.Account) { a.Trusting = nil })
		},
		"POST /me/sessions":        post("session", "others"),
		"POST /me/stay":            post(),
		"POST /me/sessions/forget": post("device", "x"),
		"POST /me/services":        post("client", "shop"),
	}
}

// pleads has somebody offer the citizen to be trusted; accepted, that person asks for their help, too. Nothing is lost by the citizen's being trusted.
func (x *accomplice) pleads(accepted bool) (phone string) {
	ctx := x.t.Context()
	phone = map[bool]string{false: "+79140000078", true: "+79140000079"}[accepted]
	lost := x.house.person(phone, withTOTP)
	if !accepted {
		if err := x.accounts.NameTrusted(ctx, lost.ID, "Анна", account.Identifier{Kind: account.ByPhone, Value: x.phone}, account.Origin{}); err != nil {
			x.t.Fatal(err)
		}
		x.deliver()
		return phone
	}
	level := x.person().Level
	x.change(func(a *account.Account) { a.Level = account.Verified })
	x.trusts(lost, x.person())
	if _, err := x.accounts.AskTrusted(ctx, lost.ID, "sms", account.Origin{}); err != nil {
		x.t.Fatal(err)
	}
	x.deliver()
	x.change(func(a *account.Account) { a.Level = level })
	return phone
}
