package op

import (
	"slices"
	"time"

	"github.com/vhod-id/vhod/account"
)

// trustFramework names the rules under which identities are confirmed here: the levels of an account and what each asks for.
const trustFramework = "ru_vhod"

// The words of OpenID Identity Assurance Schema Definition 1.0 §5.4.4 that we use.
const (
	evidenceRecord    = "electronic_record"
	evidenceSignature = "electronic_signature"
	evidenceDocument  = "document"
	evidenceVouch     = "vouch"

	paperPassport = "idcard" // the internal passport: a paper of a citizen at home
	recordBank    = "bank_account"
)

// registryRecords are the records of the state registries, each by the field that it is found by.
var registryRecords = []struct{ field, kind string }{
	{"passport_number", "population_register"}, {"snils", "social_security"}, {"inn", "tax"},
}

// checksOf are the check methods by which a paper is examined: by eye, and its holder compared with the photograph.
var checksOf = map[account.ProofingMethod][]string{account.ProvenByCentre: {"vpip", "pvp"}, account.ProvenByVideo: {"vri", "pvr"}}

// proof is one element of evidence as it leaves, with the fields that it confirms. The numbers of records, papers and
// certificates do not leave with it: services that know a person under different names could compare them.
type proof struct {
	method  account.ProofingMethod
	by      string // who confirmed, as far as it leaves
	level   account.Level
	at      time.Time
	element map[string]any
	fields  []string
}

// proofs are the elements of one piece of evidence: of the registries each record is one.
func proofs(e account.Evidence) []proof {
	p := proof{method: e.Method, by: e.Issuer, level: e.Level, at: e.At, fields: e.Matched}
	if p.by == "" {
		p.by = e.Verifier
	}
	at := timestamp(e.At)
	check := func(method string) map[string]any {
		return map[string]any{"check_method": method, "organization": p.by, "time": at}
	}
	switch e.Method {
	case account.ProvenByRegistries:
		p.by = ""
		return registryProofs(p)
	case account.ProvenByBank:
		p.element = map[string]any{"type": evidenceRecord, "check_details": []any{check("auth")},
			"record": map[string]any{"type": recordBank, "source": map[string]any{"name": p.by}}}
	case account.ProvenByCentre, account.ProvenByVideo:
		var checks []any
		for _, method := range checksOf[e.Method] {
			checks = append(checks, check(method))
		}
		p.element = map[string]any{"type": evidenceDocument, "check_details": checks,
			"document_details": map[string]any{"type": paperPassport, "issuer": map[string]any{"country_code": "RUS"}}}
	case account.ProvenBySignature:
		p.element = map[string]any{"type": evidenceSignature, "signature_type": "qes", "issuer": p.by, "created_at": at}
	case account.ProvenByLetter:
		p.element = map[string]any{"type": evidenceVouch, "check_details": []any{check("token")},
			"attestation": map[string]any{"type": "written_attestation", "voucher": map[string]any{"organization": p.by}}}
	default:
		return nil
	}
	return []proof{p}
}

// registryProofs divides what the registries confirmed: each has the person, and a number of its own.
func registryProofs(whole proof) []proof {
	var out []proof
	for _, record := range registryRecords {
		if !slices.Contains(whole.fields, record.field) {
			continue
		}
		p := whole
		p.fields = nil
		for _, field := range whole.fields {
			if field == record.field || !slices.ContainsFunc(registryRecords, func(other struct{ field, kind string }) bool { return other.field == field }) {
				p.fields = append(p.fields, field)
			}
		}
		if record.field == "passport_number" {
			p.fields = append(p.fields, "passport_issued_on")
		}
		p.element = map[string]any{"type": evidenceRecord, "record": map[string]any{"type": record.kind, "source": map[string]any{"country_code": "RUS"}},
			"check_details": []any{map[string]any{"check_method": "data", "time": timestamp(whole.at)}}}
		out = append(out, p)
	}
	return out
}

// timestamp is a moment in UTC: a zone would say where the person was.
func timestamp(t time.Time) string { return t.UTC().Truncate(time.Second).Format(time.RFC3339) }

// assurance is how surely an identity was confirmed: up to a level, when that level was confirmed last, and by what.
type assurance struct {
	level  account.Level
	at     time.Time
	proofs []proof
}

// assurances are those of an account, the surest first. A level without evidence of its own, or above the account's, is none.
func assurances(a *account.Account) []assurance {
	var out []assurance
	for level := a.Level; level >= account.Standard; level-- {
		it := assurance{level: level}
		for _, e := range a.Evidence {
			if e.Level > level {
				continue
			}
			if e.Level == level && e.At.After(it.at) {
				it.at = e.At
			}
			it.proofs = append(it.proofs, proofs(e)...)
		}
		if !it.at.IsZero() {
			out = append(out, it)
		}
	}
	return out
}

// confirmable says which fields must have matched for a claim to be confirmed. What stands not here is nowhere compared with
// anything, such as the address, and is never in verified_claims.
var confirmable = map[string][]string{
	"name": {"family_name", "given_name", "middle_name"}, "family_name": {"family_name"}, "given_name": {"given_name"}, "middle_name": {"middle_name"},
	"birthdate": {"birthdate"}, "gender": {"gender"}, "snils": {"snils"}, "inn": {"inn"}, "id_doc": {"passport_number"},
}

// confirmed reports whether these pieces of evidence confirm a claim.
func confirmed(a *account.Account, by []proof, name string) bool {
	needed := confirmable[name]
	for _, field := range needed {
		absent := field == "middle_name" && a.Person.MiddleName == ""
		if !absent && !slices.ContainsFunc(by, func(p proof) bool { return slices.Contains(p.fields, field) }) {
			return false
		}
	}
	return len(needed) > 0
}

// confirmedValue is the value of a claim as far as it was confirmed: of a passport the parts that somebody compared.
func confirmedValue(a *account.Account, by []proof, c claim) any {
	if !confirmed(a, by, c.name) {
		return nil
	}
	whole := c.value(a)
	if c.name != "id_doc" || whole == nil {
		return whole
	}
	out := map[string]string{"type": "passport", "series": a.Passport.Series, "number": a.Passport.Number}
	if slices.ContainsFunc(by, func(p proof) bool { return slices.Contains(p.fields, "passport_issued_on") }) {
		out["issued_on"] = a.Passport.IssuedOn.String()
	}
	return out
}

// confirmableClaims are the names of the claims that verified_claims may hold.
func confirmableClaims() []string {
	var names []string
	for _, c := range claimTable {
		if confirmable[c.name] != nil {
			names = append(names, c.name)
		}
	}
	return names
}
