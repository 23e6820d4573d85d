package conformance_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// guard is one thing that keeps an attack of docs/security-checks.md out: a piece of a file, and what stands there when it is taken away.
type guard struct {
	attack, file, stands, without string
}

// guards are one or more for every attack on the protocol, and for some others. `make guards` takes each away in turn, in a copy that the compiler is shown
// instead of the file, and sees that a test of the attack's row falls.
var guards = []guard{
	{"P01", "op/authorize.go", `if slices.Contains(client.RedirectURIs, got) {`, `if got != "" {`},
	{"P01", "op/authorize.go", `return ok && rest == want`, `return ok`},
	{"P02", "op/authorize.go", `if len(client.RedirectURIs) == 1 && client.Profile != ProfileFAPI2 {`, `if len(client.RedirectURIs) >= 1 {`},
	{"P03", "op/authorize.go", `p.showRefusal(w, r, nil, b)`, `http.Redirect(w, r, form.Get("redirect_uri"), http.StatusSeeOther)`},
	{"P04", "op/authorize.go", `case "code":`, `case "code", "token", "id_token", "code token", "code id_token":`},
	{"P05", "op/code.go", `if p.codeReplayed(r, client, code) {`, `if false {`},
	{"P06", "op/code.go", `p.cfg.Ephemera.Take(ctx, codeKey(code))`, `p.cfg.Ephemera.Get(ctx, codeKey(code))`},
	{"P07", "op/code.go", `case v.ClientID != client.ID:`, `case false:`},
	{"P08", "op/code.go", `const codeLife = 60 * time.Second`, `const codeLife = 10 * time.Minute`},
	{"P09", "op/code.go", `case v.RedirectGiven && form.Get("redirect_uri") != v.RedirectURI:`, `case false:`},
	{"P10", "op/authorize.go", `case req.Challenge == "" && client.Profile == ProfileCompat && !client.public():`, `case req.Challenge == "" && client != nil:`},
	{"P11", "op/authorize.go", `case method != "S256":`, `case false:`},
	{"P11", "op/code.go", `return fault("invalid_grant", "[pkce.verifier] code_verifier is missing")`, `return nil`},
	{"P12", "op/jarm.go", `params["iss"] = p.cfg.Issuer`, ``},
	{"P13", "op/code.go", `if subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) != 1 {`,
		`if subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) > 1 {`},
	{"P14", "login/origin.go", `if strings.HasPrefix(path, "//") || strings.ContainsRune(path, '\\') {`, `if strings.HasPrefix(path, "//") {`},
	{"P14", "op/logout.go", `if !slices.Contains(ask.client.PostLogoutRedirectURIs, to) {`, `if to == "" {`},
	{"P15", "op/interaction.go", `http.Redirect(w, r, to, http.StatusSeeOther)`, `http.Redirect(w, r, to, http.StatusTemporaryRedirect)`},
	{"P16", "templates/templates.go", `h.Set("Referrer-Policy", "no-referrer")`, `_ = h`},
	{"P17", "op/refresh.go", `used := family.RefreshHash != keys.Hash(token)`, `used := false`},
	{"P17", "op/refresh.go", `p.now().Sub(f.RotatedAt) <= refreshGrace &&`, ``},
	{"P18", "storage/records/family.go", `AND refresh_hash = $5 AND bearer = 1`, `AND $5 = $5 AND bearer = 1`},
	{"P19", "op/refresh.go", `if !slices.Contains(granted, s) {`, `if slices.Contains(granted, "") {`},
	{"P20", "op/refresh.go", `case !standing(family, a, client):`, `case false:`},
	{"P20", "op/refresh.go", `acr.Level = a.Level`, `_ = a.Level`},
	{"P21", "op/assertion.go", `if !first {`, `if first && !first {`},
	{"P21", "op/assertion.go", `if left > assertionLife+clockAheadAllowed {`, `if left < 0 {`},
	{"P21", "op/assertion.go", `if !a.audienceFits(r, c, claims.Audience) {`, `if len(claims.Audience) == 0 {`},
	{"P22", "op/clientauth.go", `case len(found) > 1:`, `case false:`},
	{"P22", "op/clientauth.go", `if !slices.Contains(client.Auth, given.method) {`, `if slices.Contains(client.Auth, "") {`},
	{"P23", "op/dpop.go", `case claims.Method != r.Method:`, `case false:`},
	{"P23", "op/dpop.go", `case use.token != "" && claims.Token != accessTokenHash(use.token):`, `case false:`},
	{"P23", "op/dpop.go", `if !first {`, `if first && !first {`},
	{"P23", "op/dpop.go", `if claims.Nonce != d.nonce(0) && claims.Nonce != d.nonce(-1) {`, `if claims.Nonce == "" {`},
	{"P24", "op/dpop.go", `if !strings.EqualFold(scheme, dpopScheme) {`, `if scheme == "" {`},
	{"P25", "op/mtls.go", `if p.certificateBinding(r) != certificateMark+thumbprint {`, `if p.certificateBinding(r) == "" {`},
	{"P25", "cmd/app/mtls.go", `|| !a.fromProxy(r) {`, `{`},
	{"P26", "keys/jwks.go", `if err != nil || !verifies(k.Algorithm`, `if err != nil && !verifies(k.Algorithm`},
	{"P27", "keys/jwks.go", `if !slices.Contains(types, header.Typ) {`, `if len(types) == 0 {`},
	{"P28", "op/jar.go", `case !slices.Contains(o.Audience, p.cfg.Issuer):`, `case slices.Contains(o.Audience, ""):`},
	{"P28", "op/jar.go", `case o.Issuer != client.ID || o.ClientID != client.ID:`, `case false:`},
	{"P29", "op/authorize.go", `if form.Get("request_uri") != "" {`, `if false {`},
	{"P30", "op/fetch.go", `return ip.IsGlobalUnicast() && !ip.IsPrivate() && !slices`, `return ip.IsGlobalUnicast() && !slices`},
	{"P30", "op/fetch.go", `if ctx.Value(plainKey{}) != nil || !publicAddress(ip) {`, `if ctx.Value(plainKey{}) != nil {`},
	{"P31", "op/backchannel.go", `= []time.Duration{10 * time.Second, time.Minute}`, `= []time.Duration{10 * time.Second, time.Minute, time.Minute, time.Minute, time.Minute}`},
	{"P32", "op/logout.go", `&& !foreign {`, `{`},
	{"P33", "op/par.go", `if !ok || v.ClientID != client.ID {`, `if !ok {`},
	{"P33", "op/par.go", `if !first {`, `if first && !first {`},
	{"P34", "op/authorize.go", `if slices.Contains(req.Prompt, "none") {`, `if false {`},
	{"P35", "op/interaction.go", `if !p.Met(req, auth) {`, `if false {`},
	{"P36", "op/acr.go", `return client != nil && p.subject(client, auth.AccountID) == req.HintSubject`, `return client != nil`},
	{"P37", "op/claims.go", `if !slices.Contains(grant.Scopes, s) {`, `if s == "" {`},
	{"P37", "op/claims.go", `if grant == nil || grant.Shown != "" && grant.Shown != client.Shown() {`, `if grant == nil {`},
	{"P38", "op/introspect.go", `if err != nil || !p.concerns(t, client) {`, `if err != nil {`},
	{"P39", "login/device.go", `if sums[0] > deviceTries || sums[1] > deviceTriesOfHost || sums[2] > deviceTriesOfNet {`, `if len(sums) == 0 {`},
	{"P39", "op/polled.go", `return pollStep * time.Duration(1+slow)`, `return time.Millisecond * time.Duration(1+slow)`},
	{"P40", "op/exchange.go", `|| !slices.Contains(client.ExchangeAudience, targets[0]) {`, `{`},
	{"P40", "op/routes.go", `h["Access-Control-Allow-Origin"], h["Access-Control-Expose-Headers"] = anyOrigin, exposed`,
		`h.Set("Access-Control-Allow-Origin", r.Header.Get("Origin")); h.Set("Access-Control-Allow-Credentials", "true")`},
	{"P41", "cmd/app/http.go", `if !sameHost(r.Host, host) && `, `if r.Host == "" && `},
	{"P42", "op/routes.go", `if len(values) > 1 && name != "resource" {`, `if len(values) > 99 {`},
	{"P43", "op/server.go", `h.Set("Cache-Control", "no-store")`, `_ = h`},
	{"P43", "storage/ephemera/ephemera.go", `return s.cfg.Sealer.Index("ephemera/"+kind, key)`, `return kind + key`},

	{"S02", "login/cookies.go", `Secure:   d.secure(),`, ``},
	{"S03", "login/routes.go", `return guard.Handler(mux)`, `_ = guard; return mux`},
	{"S04", "templates/templates.go", `h.Set("X-Frame-Options", "DENY")`, ``},
	{"S05", "templates/templates.go", `script-src 'self'; style-src`, `script-src *; style-src`},
	{"S10", "login/attempt.go", `return browser != "" && subtle`, `return true || subtle`},
	{"E01", "login/signature.go", `return "login/esign/" + string(s.purpose) + "/" + s.owner`, `return "login/esign/" + s.owner`},
	{"E01", "login/signature.go", `d.cfg.Ephemera.Take(r.Context(), s.key())`, `d.cfg.Ephemera.Get(r.Context(), s.key())`},
	{"E02", "keys/cms/verify.go", `if subtle.ConstantTimeCompare(m.attributes.digest, sum(d, content)) != 1 {`, `if subtle.ConstantTimeCompare(m.attributes.digest, sum(d, content)) > 1 {`},
	{"E02", "keys/cms/verify.go", `if m.content != nil && !bytes.Equal(m.content, content) {`, `if m.content != nil && m.content[0] == 0 {`},
	{"E02", "keys/cms/verify.go", `if !signer.key.verify(d, signed, m.signer.Signature) {`, `if len(signed) == 0 {`},
	{"E02", "keys/cms/message.go", `if len(data.Signers) != 1 {`, `if len(data.Signers) < 1 {`},
	{"E03", "keys/cms/chain.go", `if w.trust.isRoot[c.print] && len(path) > 1 {`, `if len(path) > 1 {`},
	{"E03", "keys/cms/chain.go", `if !issuer.maySign() {`, `if issuer == nil {`},
	{"E03", "keys/cms/chain.go", `case w.at.After(c.NotAfter):`, `case false:`},
	{"E03", "keys/cms/chain.go", `if !s.by(issuer.key) {`, `if false {`},
	{"E03", "keys/cms/chain.go", `if w.left--; w.left < 0 {`, `if w.left--; w.left < -1_000 {`},
	{"E04", "keys/cms/chain.go", `if list.lists(c) {`, `if false {`},
	{"E04", "keys/cms/chain.go", `if !found {`, `if found && !found {`},
	{"E04", "keys/cms/chain.go", `if !list.current(w.at) || !list.of(issuer) {`, `if !list.of(issuer) {`},
	{"E05", "keys/cms/subject.go", `if seen[r.name] {`, `if false {`},
	{"E05", "keys/cms/subject.go", `if len(text) != r.digits || strings`, `if strings`},
	{"E06", "keys/cms/algorithm.go", `bits < leastRSA || bits > mostRSA`, `bits > mostRSA`},
	{"E06", "keys/cms/algorithm.go", `if key.Curve == elliptic.P224() {`, `if key.Curve == elliptic.P224() && key.X == nil {`},
	{"E07", "keys/cms/ber.go", `if len(message) > MaxMessage {`, `if len(message) < 0 {`},
	{"L05", "login/bank/gate.go", `oidc.CheckAudience(claims, g.ClientID),`, ``},
	{"L05", "login/bank/gate.go", `oidc.CheckNonce(claims, nonce),`, ``},
	{"L05", "login/bank/gate.go", `oidc.CheckSignature(ctx, raw, payload, claims, algs, keySet)`,
		`func() error { _ = oidc.CheckSignature(ctx, raw, payload, claims, algs, keySet); return nil }()`},
	{"L05", "login/bank/gate.go", `case !now.Before(claims.GetExpiration().Add(clockSkew)):`, `case false:`},
	{"L05", "login/bank/gate.go", `if claimed.Subject != id.Subject {`, `if false {`},
	{"F09", "account/tie.go", `return !t.AcceptedAt.IsZero() && !now.Before(t.HelpsFrom())`, `return !t.AcceptedAt.IsZero()`},
	{"F09", "account/vouch.go", `if until := now.Add(VouchedWait); until.Before(w.OpensAt) {`, `if until := now; until.Before(w.OpensAt) {`},
	{"F09", "account/vouch.go", `a.Waiting.Plea != plea || !a.Waiting.Asks(now) ||`, ``},
	{"F09", "account/vouch.go", `s.limit.count(ctx, "tie-asked/"+string(id), 1, 24*time.Hour) > pleasInADay`, `s.limit.count(ctx, "tie-asked/"+string(id), 1, 24*time.Hour) < 0`},
	{"F09", "login/cabinet/trusted.go", `if answer == "confirm" {`, `if answer == "" {`},
	{"F09", "account/vouchbank.go", `case !slices.ContainsFunc(a.Banks, func(b BankLink) bool { return b.identifier() == by.Link.identifier() }):`, `case len(a.Banks) == 0:`},
	{"F09", "account/vouchbank.go", `if by.Level < a.Level {`, `if by.Level < 0 {`},
	{"F09", "account/vouchbank.go", `if err := a.gateBank(by.Link.Bank, now); err != nil {`, `if err := error(nil); err != nil {`},
	{"F09", "account/vouchbank.go", `if w.Bank != "" || !a.HasSecondFactor() {`, `if !a.HasSecondFactor() {`},
	{"F09", "account/vouchbank.go", `if a.Waiting.Bank != "" && !slices.ContainsFunc(a.Banks, linked) {`, `if a.Waiting.Bank == "-" && !slices.ContainsFunc(a.Banks, linked) {`},
	{"F09", "login/recovery_bank.go", `if v.person.ID != visit.Account {`, `if false {`},
	{"F09", "login/recovery_bank.go", `|| b.Contract.Level < person.Level`, ``},
	{"F09", "login/bank_visit.go", `d.cfg.Ephemera.Take(r.Context(), bankVisitKey(`, `d.cfg.Ephemera.Get(r.Context(), bankVisitKey(`},
	{"F11", "account/approval.go", `openAsks   = 3 `, `openAsks   = 30 `},
	{"F11", "account/approval.go", `if quiet {`, `if quiet && id == "" {`},
	{"F11", "account/approval.go", `if !a.HasPush() || !a.Knows(req.Browser, now) {`, `if !a.HasPush() {`},
	{"F11", "account/approval.go", `if ask.Account != a.ID {`, `if false {`},
	{"F11", "account/approval.go", `case w.Number == ask.Number:`, `case w.Number > 0:`},
	{"F11", "account/approval.go", `s.cfg.Ephemera.Take(ctx, askOpenKey(ask.ID))`, `s.cfg.Ephemera.Get(ctx, askOpenKey(ask.ID))`},
	{"F11", "account/approval.go", `if !first || !a.HasPush() {`, `if !first && !a.HasPush() {`},
	{"F12", "op/fetch.go", `if ctx.Value(plainKey{}) != nil || !publicAddress(ip) {`, `if false {`},
	{"F12", "account/subscription.go", `if err != nil || len(auth) != authBytes {`, `if err != nil {`},
	{"F12", "account/subscription.go", `|| u.User != nil ||`, `||`},
	{"F12", "notify/encrypt.go", `out := make([]byte, paddedTo)`, `out := make([]byte, len(message)+1)`},
	{"F12", "notify/notify.go", `p.payAll(ctx, l.kind)`, `errors.Join(p.payAll(ctx, account.OwedPush), p.payAll(ctx, account.OwedNotice))`},
	{"F12", "login/subscribe.go", `w.Header().Set("Content-Security-Policy", "default-src 'none'")`, ``},
	{"K03", "login/next.go", `case !a.SignUp.proved(person.Email) && circumstancesOf(person, p).lacksMail(proofs):`, `case a.SignUp == nil && circumstancesOf(person, p).lacksMail(proofs):`},
	{"K03", "login/next.go", `return !isSecond(m) && m != account.MethodMailCode`, `return !isSecond(m)`},
	{"K03", "account/mailcode.go", `if a.Email.ConfirmedAt.IsZero() || a.Email.Value != to {`, `if a.Email.ConfirmedAt.IsZero() || to == "" {`},
	{"K03", "account/mailcode.go", `s.limit.admit(ctx, t)`, `error(nil)`},
	{"K04", "login/second.go", `return (c.Doubt || c.New) && `, `return c.Doubt && `},
	{"K05", "login/second.go", `|| c.halved() && !c.Without)`, `|| false)`},
	{"K05", "login/second.go", `return c.halved() && leansOnSMS(proofs)`, `return false`},
	{"K05", "login/second.go", `return c.New && c.Mail && c.surer()`, `return c.New && c.surer()`},
	{"K05", "login/second.go", `p.Confirm && !p.Recovering && slices.Contains(p.Risks, account.RiskBrowser)`, `slices.Contains(p.Risks, account.RiskBrowser)`},
	{"K05", "login/second.go", `|| p.Method == account.MethodRecovery ||`, `||`},
	{"K05", "login/second.go", `return c.tooWeak(account.MethodSMS) && slices.Contains(secondsFor(said), account.MethodSMS)`, `return c.tooWeak(account.MethodSMS)`},
	{"K05", "login/sms.go", `if circumstancesOf(v.person, v.policy).halved() {`, `if false {`},
	{"K05", "account/ways.go", `return m.Surer() && m != MethodPush &&`, `return m.Surer() &&`},
	{"K05", "account/ways.go", `case a.Email.ConfirmedAt.IsZero() || w.First == MethodRecovery:`, `case w.First == MethodRecovery:`},
}

// TestEveryAttackHasAGuardThatStandsWhereItIsSaidToStand keeps the list usable: what it takes away is there, once.
func TestEveryAttackHasAGuardThatStandsWhereItIsSaidToStand(t *testing.T) {
	rows, guarded := attackRows(t), map[string]bool{}
	page, err := os.ReadFile(filepath.Join(root, "docs/guards.md"))
	must(t, err)
	for _, g := range guards {
		guarded[g.attack] = true
		text, err := os.ReadFile(filepath.Join(root, g.file))
		must(t, err)
		if n := strings.Count(string(text), g.stands); n != 1 {
			t.Errorf("%s: %q stands %d times in %s", g.attack, g.stands, n, g.file)
		}
		if row := fmt.Sprintf("| %s | %s | `%s` | Test", g.attack, g.file, strings.ReplaceAll(g.stands, "|", `\|`)); !strings.Contains(string(page), row) {
			t.Errorf("docs/guards.md has no row that begins %q", row)
		}
	}
	for id := range rows {
		if strings.HasPrefix(id, "P") && !guarded[id] {
			t.Errorf("%s has no guard in the list", id)
		}
	}
}
