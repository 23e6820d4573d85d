package login

import (
	"slices"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
)

// step is what an attempt asks of the person next.
type step string

const (
	stepIdentify        step = "identify"
	stepPassword        step = "password"
	stepSecond          step = "second"      // a second factor; second.go says which
	stepMailCode        step = "mail-code"   // an unusual sign-in is confirmed, where there is no second factor
	stepSignature       step = "signature"   // the request asks for an electronic signature, and the person has one
	stepOpen            step = "open"        // everything is proven: the door opens or renews the session
	stepProtect         step = "protect"     // a second factor is asked for and the person has none
	stepUnreachable     step = "unreachable" // the request asks what this person cannot give
	stepRaise           step = "raise"       // a higher level
	stepConsent         step = "consent"
	stepNoCertificate   step = "no-certificate" // the service wants a signature by a certificate, and the person has none
	stepSign            step = "sign"           // by their certificate
	stepOffer           step = "offer-passkey"
	stepDone            step = "done"         // answer the service, or go to the return path
	stepOver            step = "over"         // answered already
	stepDevice          step = "device"       // is the device that asks the person's own
	stepUnknownCustomer step = "bank-unknown" // what to do about a bank's customer whom no account is linked to
	stepLinkBank        step = "bank-link"
	stepLocked          step = "locked" // the person has locked what is asked

	stepContact    step = "contact"
	stepSignUpCode step = "sign-up-code"
	stepChoose     step = "choose-password"
	stepAgreement  step = "agreement"
	stepReady      step = "ready"

	stepRecoveryStart    step = "recovery"
	stepRecoveryCode     step = "recovery-code"
	stepRecoveryDay      step = "recovery-day" // all is proven, in a browser that is new
	stepRecoveryPassword step = "recovery-password"
)

// policy is what the request, or the door itself, asks of this sign-in.
type policy struct {
	Now        time.Time
	Level      account.Level    // least level; zero: any
	Strength   account.Strength // least strength; zero: any
	Essential  bool             // nothing less will do (essential acr, OpenID Connect Core §5.5.1.1)
	Since      time.Time        // proofs must be as young as this; zero: any of the session
	Choose     bool             // the person must say which account (prompt=select_account)
	Consent    bool             // the service has to be allowed first
	Certified  bool             // what is signed is signed by a certificate
	Anew       bool             // proofs older than Since count for nothing: what is signed is signed by fresh ones
	Device     bool             // a device asks, and the person has to say that it is theirs
	Remembered bool             // in this browser no second factor is asked where little is at stake
	Seen       bool             // the person signed in before in this browser
	Risks      []account.Risk   // what is unusual about this sign-in, the gravest first
	Confirm    bool             // that the browser is new is enough to ask for more
	Without    bool             // the person has nothing surer with them than their number, by their own word
	Strange    bool             // a recovery in a browser that the person has not been using for a day
	Recovering bool             // what the service asks comes after the person is back
	Locked     account.Switch   // what is asked and the person has locked for themselves; empty: nothing
	NoSMS      bool             // the phone has proven something else already: it is not two factors
	New        bool             // the browser is too new to change in it how the person signs in
	Passkeys   bool             // this site can have passkeys
	Sign       bool             // electronic signatures are taken here
	Other      bool             // the session is of another person than the service asks for (id_token_hint)
}

// next says what follows. It is pure: the pages change the attempt, and only next knows their order.
// person is the account that the attempt's proofs, or else the session, belong to; nil when nobody is
// known yet. session is the browser's live session or nil.
func next(a *attempt, person *account.Account, session *account.Session, p policy) step {
	switch {
	case a.Outcome != nil:
		return stepOver
	case p.Device && !a.OwnDevice:
		return stepDevice
	case a.Bank.waits("", p.Now):
		return stepUnknownCustomer
	case a.Kind == kindSignUp && !a.SignUp.done():
		return nextSignUp(a)
	case a.Kind == kindRecovery && !a.Recovery.done():
		return nextRecovery(a, person, p)
	}
	if s := nextProof(a, person, session, p); s != "" {
		return s
	}
	if a.Bank.waits("link", p.Now) {
		return stepLinkBank
	}
	if p.Locked != "" {
		return stepLocked
	}
	return nextWish(a, person, session, p)
}

// nextProof says what is still to be proven, or "" when the session suffices.
func nextProof(a *attempt, person *account.Account, session *account.Session, p policy) step {
	if pending(a, person, p.Now) {
		proofs := a.Proofs
		if session != nil && session.AccountID == a.Account && fresh(session, p.Since) {
			proofs = slices.Concat(counted(session.Proofs, p), a.Proofs) // a step up asks for the missing factor alone
		}
		switch {
		case !provedFirst(proofs):
		case lacksSecond(person, proofs, p):
			return stepSecond
		case !a.SignUp.proved(person.Email) && circumstancesOf(person, p).lacksMail(proofs):
			return stepMailCode
		default:
			return stepOpen
		}
	}
	if session == nil || person == nil || p.Other || (p.Choose && !a.Chosen) || !fresh(session, p.Since) {
		if a.Identifier.Value == "" {
			return stepIdentify
		}
		return stepPassword
	}
	if lacksSecond(person, counted(session.Proofs, p), p) {
		return stepSecond
	}
	return ""
}

// pending reports whether the attempt holds proofs that are not part of a session yet.
func pending(a *attempt, person *account.Account, now time.Time) bool {
	return a.Account != "" && person != nil && person.ID == a.Account &&
		len(a.Proofs) > 0 && now.Sub(a.Proofs[0].At) < proofLife
}

// provedFirst reports whether a factor that may stand first is among the proofs.
func provedFirst(proofs []account.Proof) bool {
	return slices.ContainsFunc(proofs, func(p account.Proof) bool { return isFirst(p.Method) })
}

// provedSecond reports whether a second factor is among the proofs, or one that counts as two (C26).
func provedSecond(proofs []account.Proof) bool {
	return slices.ContainsFunc(proofs, func(p account.Proof) bool {
		return isSecond(p.Method) || account.StrengthOf([]account.Proof{p}) >= account.TwoFactor
	})
}

// isFirst reports whether a method may stand first. A code by e-mail only confirms.
func isFirst(m account.Method) bool { return !isSecond(m) && m != account.MethodMailCode }

// isSecond reports whether a method stands only beside a first factor.
func isSecond(m account.Method) bool {
	return m == account.MethodTOTP || m == account.MethodBackup || m == account.MethodSecurityKey || m == account.MethodSMS || m == account.MethodPush
}

// nextWish says what stands between a proven person and the answer.
func nextWish(a *attempt, person *account.Account, session *account.Session, p policy) step {
	if p.Certified && !mayCertify(person, p) { // before anything is asked that would be in vain
		return stepNoCertificate
	}
	setUp := !a.SkipProtect && !p.New
	if p.Strength > account.StrengthOf(counted(session.Proofs, p)) {
		switch {
		case p.Strength == account.PhishingResistant && hasPasskey(person, p.Now):
			return stepSecond
		case p.Sign && hasCertificate(person, p.Now) && (p.Strength == account.PhishingResistant || !hasSecond(person)):
			return stepSignature
		case p.Strength == account.PhishingResistant && p.Passkeys && setUp:
			return stepProtect
		case p.Strength == account.TwoFactor && !hasSecond(person) && setUp:
			return stepProtect
		case p.Essential:
			return stepUnreachable
		}
	}
	if (a.SignUp != nil || person.FactorDue) && setUp && !hasSecond(person) { // offered once, and never again in this flow
		return stepProtect
	}
	if a.SignUp != nil && !a.SignUp.Ready {
		return stepReady
	}
	if p.Level > person.Level {
		switch {
		case !a.SkipLevel:
			return stepRaise
		case p.Essential:
			return stepUnreachable
		}
	}
	if p.Consent && !a.Consented {
		return stepConsent
	}
	if (p.Certified || a.Certify) && !a.Signed.isOf(person) {
		return stepSign
	}
	if p.Passkeys && !p.New && !a.SkipOffer && !a.Reauth && mayOffer(a, person, p.Now) {
		return stepOffer
	}
	return stepDone
}

// counted are the proofs of a session that count for this request.
func counted(proofs []account.Proof, p policy) []account.Proof {
	if !p.Anew {
		return proofs
	}
	return slices.DeleteFunc(slices.Clone(proofs), func(proof account.Proof) bool { return proof.At.Before(p.Since) })
}

// hasSecond reports whether a second factor is set up.
func hasSecond(person *account.Account) bool { return person != nil && person.HasSecondFactor() }

// hasPasskey reports whether the person can sign in by a passkey or a security key.
func hasPasskey(person *account.Account, now time.Time) bool {
	return person != nil && len(person.Passkeys) > 0 && person.Allows(account.SwitchPasskey, now)
}

// hasCertificate reports whether the person can sign in by an electronic signature.
func hasCertificate(person *account.Account, now time.Time) bool {
	return person != nil && person.Allows(account.SwitchSignature, now) && slices.ContainsFunc(person.Certificates, func(c account.Certificate) bool { return now.Before(c.NotAfter) })
}

// mayCertify reports whether the person can sign for a service by a certificate.
func mayCertify(person *account.Account, p policy) bool {
	return p.Sign && hasCertificate(person, p.Now)
}

// fresh reports whether the session holds a proof as young as since.
func fresh(session *account.Session, since time.Time) bool {
	return since.IsZero() || !authTime(session).Before(since)
}

// authTime is when the person last proved in full that it is them: the latest first factor.
func authTime(session *account.Session) time.Time {
	var at time.Time
	for _, p := range session.Proofs {
		if isFirst(p.Method) && p.At.After(at) {
			at = p.At
		}
	}
	return at
}

// policyOf reads what a request asks. person and session choose among the acr values: the first that
// the person can meet, in the service's order, and its first one otherwise.
func policyOf(a *attempt, req *op.AuthRequest, person *account.Account, now time.Time) policy {
	p := policy{Now: now, Without: a.Without}
	if a.Reauth || a.Bank.waits("link", now) { // a bank becomes a way in: an old session is not enough (F10)
		p.Since = a.CreatedAt
	}
	if req == nil {
		return p
	}
	if a.Apart { // it never joins a sign-on that was there before
		p.Since = a.CreatedAt
	}
	p.Device = req.Remote != nil && req.Remote.Kind == op.RemoteDevice
	for _, prompt := range req.Prompt {
		switch prompt {
		case "login":
			p.Since = a.CreatedAt
		case "select_account":
			p.Choose = true
		case "consent":
			p.Consent = true
		}
	}
	if req.MaxAge != nil && p.Since.IsZero() {
		p.Since = now.Add(-*req.MaxAge)
		if p.Since.After(a.CreatedAt) {
			p.Since = a.CreatedAt // who proved themselves in this very flow is young enough
		}
	}
	switch { // who signs is somebody whose name was checked
	case req.Signature() == op.SignedQualified: // the certificate's signature over it is both factors, for itself (C26)
		p.Level, p.Essential, p.Certified = account.Standard, true, true
	case len(req.Details) > 0: // with both factors, for itself
		p.Level, p.Strength, p.Essential, p.Since, p.Anew = account.Standard, account.TwoFactor, true, a.CreatedAt, true
	}
	if len(req.ACR) > 0 {
		want := chooseACR(req.ACR, person, now)
		// The provider answers a request with what it asked or with an error, and never lowers it in silence;
		// so what is asked is essential here, whether the service called it so or not.
		p.Level, p.Strength, p.Essential = max(p.Level, want.Level), max(p.Strength, want.Strength), true
	}
	return p
}

func chooseACR(acceptable []op.ACR, person *account.Account, now time.Time) op.ACR {
	if person != nil {
		reach := account.OneFactor
		if hasSecond(person) {
			reach = account.TwoFactor
		}
		if hasCertificate(person, now) || hasPasskey(person, now) {
			reach = account.PhishingResistant
		}
		for _, acr := range acceptable {
			if acr.Level <= person.Level && acr.Strength <= reach {
				return acr
			}
		}
	}
	return acceptable[0]
}
