package login_test

import (
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/login"
	"github.com/vhod-id/vhod/op"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func simple() *account.Account {
	return &account.Account{ID: "anna", Level: account.Simplified}
}

func withApp() *account.Account {
	a := simple()
	a.TOTP = []credential.TOTP{{ID: "app"}}
	return a
}

func withCertificate(until time.Time) *account.Account {
	a := simple()
	a.Certificates = []account.Certificate{{NotAfter: until}}
	return a
}

func withPasskey() *account.Account {
	a := simple()
	a.Passkeys = []credential.Passkey{{ID: "key"}}
	return a
}

func withSMS() *account.Account {
	a := simple()
	a.Phone, a.SMS = account.Contact{Value: "+79123456789", ConfirmedAt: noon}, account.SMSFactor{AddedAt: noon}
	return a
}

func proofs(at time.Time, methods ...account.Method) []account.Proof {
	var out []account.Proof
	for _, m := range methods {
		out = append(out, account.Proof{Method: m, At: at})
	}
	return out
}

func session(at time.Time, methods ...account.Method) *account.Session {
	return &account.Session{ID: "s", AccountID: "anna", Proofs: proofs(at, methods...)}
}

// TestNextSaysWhatFollows is the table of the dispatcher: every line is a state and the step after it.
func TestNextSaysWhatFollows(t *testing.T) {
	const (
		pwd, totp, backup, sms = account.MethodPassword, account.MethodTOTP, account.MethodBackup, account.MethodSMS
		again                  = account.MethodRecovery
		passkey, key           = account.MethodPasskey, account.MethodSecurityKey
		esign                  = account.MethodSignature
		essential2fa           = "essential 2fa"
	)
	anna := account.Identifier{Kind: account.ByPhone, Value: "+79123456789"}
	hourAgo, halfHourAgo := noon.Add(-time.Hour), noon.Add(-30*time.Minute)
	signIn := func(a login.Attempt) login.Attempt { a.Kind, a.CreatedAt = login.KindSignIn, noon; return a }
	signUp := func(s login.SignUp) login.Attempt {
		return login.Attempt{Kind: login.KindSignUp, CreatedAt: noon, SignUp: &s}
	}
	recovery := func(a login.Attempt, s login.Recovery) login.Attempt {
		a.Kind, a.CreatedAt, a.Recovery = login.KindRecovery, noon, &s
		return a
	}
	typed := signIn(login.Attempt{Identifier: anna})
	signing := login.Policy{Strength: account.TwoFactor, Essential: true, Since: noon, Anew: true, Sign: true}
	mixed := func(old, young []account.Proof) *account.Session {
		return &account.Session{ID: "s", AccountID: "anna", Proofs: append(old, young...)}
	}
	proven := func(at time.Time, m ...account.Method) login.Attempt {
		return signIn(login.Attempt{Identifier: anna, Account: "anna", Proofs: proofs(at, m...)})
	}
	later := func(a login.Attempt) login.Attempt { a.SkipProtect = true; return a }
	newcomer := login.SignUp{Phone: "+79123456789", Email: "a@example.ru"}
	confirmed := newcomer
	confirmed.PhoneOK, confirmed.EmailOK = true, true
	chosen := confirmed
	chosen.Password = []byte("sealed")
	created := confirmed
	created.Created = true
	ready := created
	ready.Ready = true

	for _, row := range []struct {
		state   string
		attempt login.Attempt
		person  *account.Account
		session *account.Session
		policy  login.Policy
		want    login.Step
	}{
		{"nobody is known", signIn(login.Attempt{}), nil, nil, login.Policy{}, "identify"},
		{"an identifier was typed", typed, nil, nil, login.Policy{}, "password"},
		{"the password was right", proven(noon, pwd), simple(), nil, login.Policy{}, "open"},
		{"the password was right and there is an app", proven(noon, pwd), withApp(), nil, login.Policy{}, "second"},
		{"a code of the app alone opens nothing", proven(noon, totp), withApp(), nil, login.Policy{}, "password"},
		{"a code alone does not lift an old session", proven(noon, totp), withApp(), session(hourAgo, pwd), login.Policy{Since: noon}, "password"},
		{"password and app", proven(noon, pwd, totp), withApp(), nil, login.Policy{}, "open"},
		{"password and backup code", proven(noon, pwd, backup), withApp(), nil, login.Policy{}, "open"},
		{"a half sign-in does not keep", proven(halfHourAgo, pwd), withApp(), nil, login.Policy{}, "password"},
		{"another's session does not complete", proven(noon, pwd), withApp(), &account.Session{AccountID: "boris", Proofs: proofs(noon, pwd, totp)}, login.Policy{}, "second"},
		{"another's session does not answer", proven(noon, pwd), simple(), &account.Session{AccountID: "boris", Proofs: proofs(noon, pwd)}, login.Policy{}, "open"},
		{"answered", signIn(login.Attempt{Outcome: &login.Outcome{}}), simple(), session(noon, pwd), login.Policy{}, "over"},

		{"a session suffices", signIn(login.Attempt{}), simple(), session(hourAgo, pwd), login.Policy{}, "done"},
		{"a session from before the app", signIn(login.Attempt{}), withApp(), session(hourAgo, pwd), login.Policy{}, "second"},
		{"prompt=login, before", typed, simple(), session(hourAgo, pwd), login.Policy{Since: noon}, "password"},
		{"prompt=login, proven now", proven(noon, pwd), simple(), session(hourAgo, pwd), login.Policy{Since: noon}, "open"},
		{"prompt=login with an app asks both", proven(noon, pwd), withApp(), session(hourAgo, pwd, totp), login.Policy{Since: noon}, "second"},
		{"prompt=login, after", signIn(login.Attempt{}), simple(), session(noon, pwd), login.Policy{Since: noon}, "done"},
		{"prompt=select_account", signIn(login.Attempt{}), simple(), session(hourAgo, pwd), login.Policy{Choose: true}, "identify"},
		{"prompt=select_account, chosen", signIn(login.Attempt{Chosen: true}), simple(), session(hourAgo, pwd), login.Policy{Choose: true}, "done"},
		{"the service means another person", signIn(login.Attempt{}), simple(), session(hourAgo, pwd), login.Policy{Other: true}, "identify"},

		{essential2fa + ", none set up", signIn(login.Attempt{}), simple(), session(noon, pwd), login.Policy{Strength: account.TwoFactor, Essential: true}, "protect"},
		{essential2fa + ", refused", signIn(login.Attempt{SkipProtect: true}), simple(), session(noon, pwd), login.Policy{Strength: account.TwoFactor, Essential: true}, "unreachable"},
		{"wished 2fa, refused", signIn(login.Attempt{SkipProtect: true}), simple(), session(noon, pwd), login.Policy{Strength: account.TwoFactor}, "done"},
		{essential2fa + ", proven", signIn(login.Attempt{}), withApp(), session(noon, pwd, totp), login.Policy{Strength: account.TwoFactor, Essential: true}, "done"},
		{"essential phr", signIn(login.Attempt{}), withApp(), session(noon, pwd, totp), login.Policy{Strength: account.PhishingResistant, Essential: true}, "unreachable"},
		{"wished phr", signIn(login.Attempt{}), withApp(), session(noon, pwd, totp), login.Policy{Strength: account.PhishingResistant}, "done"},

		{"a signature counts as two factors", proven(noon, esign), withApp(), nil, login.Policy{}, "open"},
		{"phr of who signs", signIn(login.Attempt{}), withCertificate(noon.Add(time.Hour)), session(noon, pwd), login.Policy{Strength: account.PhishingResistant, Essential: true, Sign: true}, "signature"},
		{"phr of who signs, proven", signIn(login.Attempt{}), withCertificate(noon.Add(time.Hour)), session(noon, pwd, esign), login.Policy{Strength: account.PhishingResistant, Essential: true}, "done"},
		{"phr where no signatures are taken", signIn(login.Attempt{}), withCertificate(noon.Add(time.Hour)), session(noon, pwd), login.Policy{Strength: account.PhishingResistant, Essential: true}, "unreachable"},
		{"phr of whose certificate has ended", signIn(login.Attempt{}), withCertificate(noon), session(noon, pwd), login.Policy{Strength: account.PhishingResistant, Essential: true, Sign: true}, "unreachable"},

		{"to be signed by a certificate, none", signIn(login.Attempt{}), withApp(), session(noon, pwd, totp), login.Policy{Certified: true, Sign: true, Level: account.Verified}, "no-certificate"},
		{"to be signed by a certificate that has ended", signIn(login.Attempt{}), withCertificate(noon), session(noon, pwd), login.Policy{Certified: true, Sign: true}, "no-certificate"},
		{"to be signed by a certificate where none is taken", signIn(login.Attempt{}), withCertificate(noon.Add(time.Hour)), session(noon, pwd), login.Policy{Certified: true}, "no-certificate"},
		{"to be signed by a certificate, unread", signIn(login.Attempt{}), withCertificate(noon.Add(time.Hour)), session(hourAgo, pwd), login.Policy{Certified: true, Sign: true, Consent: true}, "consent"},
		{"to be signed by a certificate, read", signIn(login.Attempt{Consented: true}), withCertificate(noon.Add(time.Hour)), session(hourAgo, pwd), login.Policy{Certified: true, Sign: true, Consent: true}, "sign"},
		{"to be signed by a certificate as the person wished", signIn(login.Attempt{Consented: true, Certify: true}), withCertificate(noon.Add(time.Hour)), session(noon, pwd), login.Policy{Sign: true, Consent: true}, "sign"},
		{"signed by a certificate", signIn(login.Attempt{Consented: true, Signed: &login.Signed{Account: "anna"}}), withCertificate(noon.Add(time.Hour)), session(hourAgo, pwd), login.Policy{Certified: true, Sign: true, Consent: true}, "done"},
		{"signed by another's certificate", signIn(login.Attempt{Consented: true, Signed: &login.Signed{Account: "boris"}}), withCertificate(noon.Add(time.Hour)), session(hourAgo, pwd), login.Policy{Certified: true, Sign: true, Consent: true}, "sign"},
		{"to be signed, an old code", signIn(login.Attempt{}), withApp(), mixed(proofs(hourAgo, totp), proofs(noon, pwd)), signing, "second"},
		{"to be signed, a code of now for an old password", signIn(login.Attempt{Identifier: anna}), withApp(), mixed(proofs(hourAgo, pwd), proofs(noon, totp)), signing, "password"},
		{"to be signed, all of now", signIn(login.Attempt{}), withApp(), session(noon, pwd, totp), signing, "done"},
		{"to be signed, an old signature and no app", signIn(login.Attempt{}), simple(), mixed(proofs(hourAgo, esign), proofs(noon, pwd)), signing, "protect"},
		{"to be signed, an old signature", signIn(login.Attempt{}), withCertificate(noon.Add(time.Hour)), mixed(proofs(hourAgo, esign), proofs(noon, pwd)), signing, "signature"},

		{"a passkey is both factors", proven(noon, passkey), withPasskey(), nil, login.Policy{}, "open"},
		{"a password beside a passkey", proven(noon, pwd), withPasskey(), nil, login.Policy{}, "second"},
		{"password and security key", proven(noon, pwd, key), withPasskey(), nil, login.Policy{}, "open"},
		{"a security key alone opens nothing", proven(noon, key), withPasskey(), nil, login.Policy{}, "password"},
		{"essential phr, there is a passkey", signIn(login.Attempt{}), withPasskey(), session(noon, pwd, backup), login.Policy{Strength: account.PhishingResistant, Essential: true}, "second"},
		{"essential phr, a passkey can be made", signIn(login.Attempt{}), withApp(), session(noon, pwd, totp), login.Policy{Strength: account.PhishingResistant, Essential: true, Passkeys: true}, "protect"},
		{"essential phr, none made", later(signIn(login.Attempt{})), withApp(), session(noon, pwd, totp), login.Policy{Strength: account.PhishingResistant, Essential: true, Passkeys: true}, "unreachable"},
		{"essential phr, proven", signIn(login.Attempt{}), withPasskey(), session(noon, passkey), login.Policy{Strength: account.PhishingResistant, Essential: true}, "done"},

		{"a remembered browser", proven(noon, pwd), withApp(), nil, login.Policy{Remembered: true}, "open"},
		{"a session of a remembered browser", signIn(login.Attempt{}), withApp(), session(hourAgo, pwd), login.Policy{Remembered: true}, "done"},
		{"a remembered browser, 2fa asked", signIn(login.Attempt{}), withApp(), session(hourAgo, pwd), login.Policy{Remembered: true, Strength: account.TwoFactor}, "second"},
		{"a remembered browser, verified asked", signIn(login.Attempt{}), withApp(), session(hourAgo, pwd), login.Policy{Remembered: true, Level: account.Verified}, "second"},
		{"a remembered browser, fresh proofs asked", proven(noon, pwd), withApp(), session(hourAgo, pwd), login.Policy{Remembered: true, Since: noon}, "second"},
		{"a remembered browser lets a device in", signIn(login.Attempt{OwnDevice: true}), withApp(), session(hourAgo, pwd), login.Policy{Remembered: true, Device: true}, "second"},

		{"the level is too low", signIn(login.Attempt{}), simple(), session(noon, pwd), login.Policy{Level: account.Standard}, "raise"},
		{"the level is too low, later", signIn(login.Attempt{SkipLevel: true}), simple(), session(noon, pwd), login.Policy{Level: account.Standard}, "done"},
		{"the level is too low, later, essential", signIn(login.Attempt{SkipLevel: true}), simple(), session(noon, pwd), login.Policy{Level: account.Standard, Essential: true}, "unreachable"},
		{"consent is missing", signIn(login.Attempt{}), simple(), session(noon, pwd), login.Policy{Consent: true}, "consent"},
		{"consent was given", signIn(login.Attempt{Consented: true}), simple(), session(noon, pwd), login.Policy{Consent: true}, "done"},
		{"the level comes before consent", signIn(login.Attempt{}), simple(), session(noon, pwd), login.Policy{Level: account.Standard, Consent: true}, "raise"},

		{"sign-up begins", signUp(login.SignUp{}), nil, nil, login.Policy{}, "contact"},
		{"both contacts typed", signUp(newcomer), nil, nil, login.Policy{}, "sign-up-code"},
		{"both contacts proven", signUp(confirmed), nil, nil, login.Policy{}, "choose-password"},
		{"password chosen", signUp(chosen), nil, nil, login.Policy{}, "agreement"},
		{"the account is there", signUp(created), simple(), session(noon, pwd), login.Policy{}, "protect"},
		{"protected", signUp(created), withApp(), session(noon, pwd, totp), login.Policy{}, "ready"},
		{"protection left for later", later(signUp(created)), simple(), session(noon, pwd), login.Policy{}, "ready"},
		{"signed up", later(signUp(ready)), simple(), session(noon, pwd), login.Policy{}, "done"},
		{"signed up for a service", later(signUp(ready)), simple(), session(noon, pwd), login.Policy{Consent: true}, "consent"},
		{"a session does not skip signing up", signUp(newcomer), simple(), session(noon, pwd), login.Policy{}, "sign-up-code"},

		{"recovery begins", recovery(login.Attempt{}, login.Recovery{}), nil, nil, login.Policy{}, "recovery"},
		{"a code was sent", recovery(login.Attempt{}, login.Recovery{Channel: "sms"}), nil, nil, login.Policy{}, "recovery-code"},
		{"the code was right", recovery(proven(noon, again), login.Recovery{Channel: "sms", Proved: true, Account: "anna"}), simple(), nil, login.Policy{}, "recovery-password"},
		{"recovery keeps the second factor", recovery(proven(noon, again), login.Recovery{Channel: "sms", Proved: true, Account: "anna"}), withApp(), nil, login.Policy{}, "second"},
		{"both are proven", recovery(proven(noon, again, totp), login.Recovery{Channel: "sms", Proved: true, Account: "anna"}), withApp(), nil, login.Policy{}, "recovery-password"},
		{"the code was right, and then another person's signature", recovery(proven(noon, passkey), login.Recovery{Channel: "sms", Proved: true, Account: "boris"}), simple(), nil, login.Policy{}, "recovery"},
		{"the code was right too long ago", recovery(proven(halfHourAgo, again), login.Recovery{Channel: "sms", Proved: true, Account: "anna"}), simple(), nil, login.Policy{}, "recovery"},
		{"recovery by SMS does not prove the phone twice", recovery(proven(noon, again), login.Recovery{Channel: "sms", Proved: true, Account: "anna"}), withSMS(), nil, login.Policy{NoSMS: true}, "second"},
		{"recovery by mail, then the phone", recovery(proven(noon, again, sms), login.Recovery{Channel: "mail", Proved: true, Account: "anna"}), withSMS(), nil, login.Policy{}, "recovery-password"},
		{"password and SMS", proven(noon, pwd, sms), withSMS(), nil, login.Policy{}, "open"},
		{"an SMS alone opens nothing", proven(noon, sms), withSMS(), nil, login.Policy{}, "password"},
		{"the password is new", recovery(proven(noon, again), login.Recovery{Channel: "sms", Proved: true, Reset: true, Account: "anna"}), simple(), nil, login.Policy{}, "open"},
	} {
		t.Run(row.state, func(t *testing.T) {
			row.policy.Now = noon
			got := login.Next(&row.attempt, row.person, row.session, row.policy)
			t.Logf("%-50s → %s", row.state, got)
			if got != row.want {
				t.Errorf("next is %q, want %q", got, row.want)
			}
		})
	}
}

func TestPolicyTakesTheFirstACRThatThePersonCanMeet(t *testing.T) {
	verified1, standard2 := op.ACR{Level: account.Verified, Strength: account.OneFactor}, op.ACR{Level: account.Standard, Strength: account.TwoFactor}
	person := withApp()
	person.Level = account.Standard
	req := &op.AuthRequest{ACR: []op.ACR{verified1, standard2}, EssentialACR: true}
	a := &login.Attempt{CreatedAt: noon}
	if p := login.PolicyOf(a, req, person, noon); p.Level != account.Standard || p.Strength != account.TwoFactor || !p.Essential {
		t.Errorf("with an app and the standard level the policy is %+v", p)
	}
	if p := login.PolicyOf(a, req, simple(), noon); p.Level != account.Verified {
		t.Errorf("for who can meet none, the service's first wish is taken; got %+v", p)
	}
}

func TestMaxAgeNeverAsksTwiceInOneFlow(t *testing.T) {
	age := 5 * time.Second
	req := &op.AuthRequest{MaxAge: &age}
	a := &login.Attempt{Kind: login.KindSignIn, CreatedAt: noon}
	later := noon.Add(time.Minute) // the person read the consent page
	p := login.PolicyOf(a, req, simple(), later)
	if got := login.Next(a, simple(), session(noon.Add(time.Second), account.MethodPassword), p); got != "done" {
		t.Errorf("a proof of this very flow is too old: %s", got)
	}
	if got := login.Next(a, simple(), session(noon.Add(-time.Minute), account.MethodPassword), p); got != "identify" {
		t.Errorf("a session older than max_age sufficed: %s", got)
	}
}

func TestOnlyLocalPathsAreReturnedTo(t *testing.T) {
	for path, local := range map[string]bool{
		"/me": true, "/me/security?x=1": true, "/level?attempt=a": true,
		"": false, "//evil.example": false, `/\evil.example`: false, "https:evil.example": false,
		"https://evil.example/": false, "me": false, "/me\r\nLocation: x": false, "/\t/evil.example": false,
		"\\\\evil.example": false, "javascript:alert(1)": false, "/a\\b": false,
	} {
		got := login.LocalPath(path, "/safe")
		if (got == path) != local {
			t.Errorf("LocalPath(%q) is %q", path, got)
		}
	}
}
