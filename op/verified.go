package op

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/vhod-id/vhod/account"
)

// Limits of the claims parameter: the request is kept with every grant.
const (
	maxClaims    = 8 << 10 // bytes
	mostVerified = 10      // elements of verified_claims
)

// The names under which a consent keeps what verified_claims tells beyond the claims themselves.
const (
	claimVerified = "verified_claims" // that they were checked, up to which level, and when
	claimEvidence = "evidence"        // by what: a bank, a certificate, a registry
)

// VerifiedRequest is one element of verified_claims in a claims parameter (OpenID Connect for Identity Assurance 1.0 §5.3).
type VerifiedRequest struct {
	Verification map[string]any          // in the shape of the answer: what is asked, and what it must be
	Claims       map[string]ClaimRequest // those that can be confirmed
}

// readVerified reads the request for verified_claims: one element or several. Claims that the client may not ask for, or that nobody
// confirms, are left out of it, and an element that asks for none of ours with them (§5.7.2).
func readVerified(client *Client, raw json.RawMessage) ([]VerifiedRequest, error) {
	var elements []json.RawMessage
	if !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
		elements = []json.RawMessage{raw}
	} else if err := json.Unmarshal(raw, &elements); err != nil {
		return nil, errors.New("verified_claims is not JSON")
	}
	if len(elements) == 0 || len(elements) > mostVerified {
		return nil, errors.New("verified_claims is an object, or an array of one to ten")
	}
	var out []VerifiedRequest
	for _, element := range elements {
		r, err := readElement(client, element)
		if err != nil {
			return nil, err
		}
		if len(r.Claims) > 0 {
			out = append(out, r)
		}
	}
	return out, nil
}

func readElement(client *Client, raw json.RawMessage) (VerifiedRequest, error) {
	var asked struct {
		Verification map[string]any             `json:"verification"`
		Claims       map[string]json.RawMessage `json:"claims"`
	}
	if err := json.Unmarshal(raw, &asked); err != nil {
		return VerifiedRequest{}, errors.New("an element of verified_claims has the objects verification and claims")
	}
	r := VerifiedRequest{Verification: asked.Verification}
	if _, is := asked.Verification["trust_framework"]; !is {
		return r, errors.New("verification lacks trust_framework: ask for it with null")
	}
	if len(asked.Claims) == 0 {
		return r, errors.New("claims is empty")
	}
	if err := wellFormed(asked.Verification, 0); err != nil {
		return r, err
	}
	if err := checkEvidence(asked.Verification); err != nil {
		return r, err
	}
	maps.DeleteFunc(asked.Claims, func(name string, _ json.RawMessage) bool { return confirmable[name] == nil })
	var err error
	r.Claims, err = readClaims(client, asked.Claims)
	return r, err
}

// checkEvidence holds §5.4: each entry is about evidence of one type.
func checkEvidence(verification map[string]any) error {
	asked, is := verification["evidence"]
	if !is {
		return nil
	}
	entries, _ := asked.([]any)
	for _, entry := range entries {
		kind, _ := entry.(map[string]any)["type"].(map[string]any)
		if _, is := kind["value"]; !is {
			return errors.New("an entry of evidence has a type with a value")
		}
		if _, is := kind["values"]; is {
			return errors.New("values does not stand in the type of evidence")
		}
	}
	if len(entries) == 0 {
		return errors.New("evidence is an array with at least one entry")
	}
	return nil
}

// verifiedAnswer is an element of verified_claims in an answer, and what it came of.
type verifiedAnswer struct {
	level        account.Level
	proofs       []proof // those that are told
	verification map[string]any
	claims       map[string]any
}

// answer gives what was asked as far as the account's evidence confirms it, by the surest assurance that keeps every bound, or nil when
// there is none (§5.7.4). Of claims it gives those that the told evidence confirms; one that was asked with another value is left out.
func (r VerifiedRequest) answer(a *account.Account, now time.Time) *verifiedAnswer {
	for _, it := range assurances(a) {
		v, ok := r.verification(it, now)
		if !ok {
			continue
		}
		v.claims = map[string]any{}
		for _, c := range claimTable {
			request, asked := r.Claims[c.name]
			if !asked {
				continue
			}
			if value := confirmedValue(a, v.proofs, c); value != nil && request.accepts(value) {
				v.claims[c.name] = value
			}
		}
		if len(v.claims) > 0 {
			return v
		}
	}
	return nil
}

func (r VerifiedRequest) verification(it assurance, now time.Time) (*verifiedAnswer, bool) {
	v := &verifiedAnswer{level: it.level, proofs: it.proofs, verification: map[string]any{"trust_framework": trustFramework}}
	held := map[string]any{"trust_framework": trustFramework, "assurance_level": it.level.String(), "time": timestamp(it.at)}
	for name, asked := range r.Verification {
		if name == "evidence" {
			continue
		}
		part, ok := pick(asked, held[name], now)
		if !ok {
			return nil, false
		}
		if part != nil {
			v.verification[name] = part
		}
	}
	asked, is := r.Verification["evidence"]
	if !is {
		return v, true
	}
	var told []any
	v.proofs = nil
	for _, proof := range it.proofs {
		if part, ok := pick(asked, []any{proof.element}, now); ok && part != nil {
			told = append(told, part.([]any)...)
			v.proofs = append(v.proofs, proof)
		}
	}
	v.verification["evidence"] = told
	return v, len(told) > 0
}

// attainable is the level from which this person could be confirmed as asked, or zero.
func (r VerifiedRequest) attainable(a *account.Account, now time.Time) account.Level {
	for level := max(a.Level+1, account.Standard); level <= account.Verified; level++ {
		_, framework := pick(r.Verification["trust_framework"], trustFramework, now)
		_, enough := pick(r.Verification["assurance_level"], level.String(), now)
		if framework && enough {
			return level
		}
	}
	return 0
}

// verifiedClaims is the claim verified_claims of an answer, or nil: an object when one element was asked, an array otherwise.
func verifiedClaims(a *account.Account, asked []VerifiedRequest, now time.Time) any {
	var all []any
	for _, r := range asked {
		if v := r.answer(a, now); v != nil {
			all = append(all, map[string]any{"verification": v.verification, "claims": v.claims})
		}
	}
	switch {
	case len(all) == 0:
		return nil
	case len(asked) == 1:
		return all[0]
	}
	return all
}

// vouched is what a request would be told as confirmed, for the person to see.
type vouched struct {
	asked     map[string]bool // essential
	confirmed map[string]bool
	needs     map[string]account.Level // of those that are not
	level     account.Level            // the surest that is told
	wanted    account.Level            // that would tell something more
	evidence  bool                     // is asked for
	ways      []Way
}

func vouch(req *AuthRequest, a *account.Account, now time.Time) vouched {
	v := vouched{asked: map[string]bool{}, confirmed: map[string]bool{}, needs: map[string]account.Level{}}
	var told []proof
	for _, r := range req.Claims.verified() {
		_, evidence := r.Verification["evidence"]
		v.evidence = v.evidence || evidence
		answer := r.answer(a, now)
		for name, request := range r.Claims {
			v.asked[name] = v.asked[name] || request.Essential
			if answer != nil && answer.claims[name] != nil {
				v.confirmed[name] = true
			} else if answer == nil {
				v.needs[name] = r.attainable(a, now)
				v.wanted = max(v.wanted, v.needs[name])
			}
		}
		if answer == nil {
			continue
		}
		v.level = max(v.level, answer.level)
		if evidence {
			told = append(told, answer.proofs...)
		}
	}
	v.ways = ways(told)
	return v
}

// verified are the requests for verified claims in either place.
func (c *ClaimsRequest) verified() []VerifiedRequest {
	if c == nil {
		return nil
	}
	return slices.Concat(c.VerifiedUserInfo, c.VerifiedIDToken)
}

// judge completes what a person sees of a claim that is asked as confirmed, and (plain) also without that.
func (v vouched) judge(r *Released, plain bool) {
	if r.Checked = CheckedNo; v.confirmed[r.Claim] {
		r.Checked = CheckedYes
		return
	}
	if !plain {
		r.Value, r.Missing = "", true
	}
	r.Needs = max(r.Needs, v.needs[r.Claim])
}

// released are the lines about how surely the identity was confirmed, and by what.
func (v vouched) released() []Released {
	if len(v.asked) == 0 {
		return nil
	}
	told := v.level > 0
	line := Released{Claim: claimVerified, Missing: !told, Needs: v.wanted, Checked: CheckedNo}
	if told {
		line.Value, line.Checked = v.level.String(), CheckedUnasked
	}
	out := []Released{line}
	if v.evidence {
		line = Released{Claim: claimEvidence, Needs: v.wanted, Ways: v.ways}
		if len(v.ways) == 0 {
			line.Missing, line.Checked = true, CheckedNo
		}
		out = append(out, line)
	}
	return out
}

// ways are by what an identity was confirmed, each once.
func ways(by []proof) []Way {
	var out []Way
	for _, p := range by {
		if way := (Way{p.method, p.by}); !slices.Contains(out, way) {
			out = append(out, way)
		}
	}
	return out
}
