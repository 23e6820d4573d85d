package op

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/vhod-id/vhod/keys"
)

const (
	dpopType      = "dpop+jwt"
	dpopScheme    = "DPoP"
	dpopLife      = time.Minute     // how old a proof may be: it is made for one request
	dpopNonceStep = 5 * time.Minute // how long a nonce is handed out; the one before is good as well
)

// dpopAlgorithms are those of proofs, as discovery names them: what FAPI 2.0 §5.4.1 allows, for every client.
var dpopAlgorithms = []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA, jose.PS256}

// dpopVerifier checks proofs of possession (RFC 9449).
type dpopVerifier struct {
	issuer   string
	mutual   string // origin of the endpoints that ask for a certificate; may be empty
	ephemera Ephemera
	sealer   *keys.Sealer // keyed hash of the nonces, the same on every node
	now      func() time.Time
}

// proofAtToken returns what the tokens of a request are bound to, by the proof that came with it or by its certificate. Clients under FAPI 2.0 use a nonce of ours: a proof made ahead of time is worth nothing.
func (p *Provider) proofAtToken(w http.ResponseWriter, r *http.Request, client *Client) (jkt string, err error) {
	jkt, err = p.proofs.verify(w, r, dpopUse{needNonce: client.Profile == ProfileFAPI2})
	if err != nil {
		return "", err
	}
	return p.bindToken(r, client, jkt)
}

// proofAtResource checks that an access token comes as it was bound.
func (p *Provider) proofAtResource(w http.ResponseWriter, r *http.Request, scheme, token string, t accessToken) error {
	bound := ""
	if t.Confirm != nil {
		if t.Confirm.Certificate != "" {
			return p.guardCertificate(r, scheme, t.Confirm.Certificate)
		}
		bound = t.Confirm.JKT
	}
	return p.proofs.guard(w, r, scheme, token, bound)
}

// dpopUse is what a proof must be bound to at this endpoint.
type dpopUse struct {
	token     string // the access token that is presented with it; empty at the token and PAR endpoints
	needNonce bool   // refuse a proof without a nonce of ours
}

// dpopClaims are RFC 9449 §4.2.
type dpopClaims struct {
	ID       string   `json:"jti"`
	Method   string   `json:"htm"`
	URI      string   `json:"htu"`
	IssuedAt *float64 `json:"iat"`
	Token    string   `json:"ath"`
	Nonce    string   `json:"nonce"`
}

// verify returns the thumbprint of the key that the request proves to hold, or an empty one when it has no proof. A proof
// that does not hold is invalid_dpop_proof or use_dpop_nonce with status 400 (RFC 9449 §5, §8); clients that need a nonce get one for the next proof.
func (d *dpopVerifier) verify(w http.ResponseWriter, r *http.Request, use dpopUse) (jkt string, err error) {
	proofs := r.Header.Values(dpopScheme)
	if len(proofs) == 0 {
		return "", nil
	}
	if use.needNonce {
		w.Header().Set("DPoP-Nonce", d.nonce(0))
	}
	if len(proofs) > 1 {
		return "", badProof("proof.repeated", "the DPoP header stands more than once")
	}
	jkt, claims, err := readProof(proofs[0])
	if err != nil {
		return "", err
	}
	if err := d.judge(r, claims, use); err != nil {
		return "", err
	}
	return jkt, d.spend(r.Context(), jkt, claims)
}

// readProof checks form, header and signature (RFC 9449 §4.3, points 2 to 7).
func readProof(proof string) (jkt string, claims dpopClaims, err error) {
	if len(proof) > maxForeignJWT {
		return "", claims, badProof("proof.malformed", "the proof is longer than %d bytes", maxForeignJWT)
	}
	header, err := plainHeader(proof)
	if err != nil || !slices.Contains(dpopAlgorithms, jose.SignatureAlgorithm(headerText(header, "alg"))) {
		return "", claims, badProof("proof.alg", "the proof is not a JWT signed with one of %v", dpopAlgorithms)
	}
	if headerText(header, "typ") != dpopType {
		return "", claims, badProof("proof.typ", "typ must be %s", dpopType)
	}
	for _, name := range []string{"jku", "x5u", "x5c", "crit"} {
		if _, there := header[name]; there {
			return "", claims, badProof("proof.header", "the header %s is not accepted", name)
		}
	}
	jws, err := jose.ParseSignedCompact(proof, dpopAlgorithms)
	if err != nil {
		return "", claims, badProof("proof.jwk", "the proof is no compact JWS with a public key in jwk")
	}
	key := jws.Signatures[0].Header.JSONWebKey
	if key == nil || !key.IsPublic() || !key.Valid() || len(fittingKeys([]jose.JSONWebKey{{Key: key.Key}}, "", jws.Signatures[0].Header.Algorithm)) == 0 {
		return "", claims, badProof("proof.jwk", "jwk must be a public key that fits the algorithm")
	}
	payload, err := jws.Verify(key.Key)
	if err != nil {
		return "", claims, badProof("proof.signature", "the signature is not by the key in jwk")
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return "", claims, badProof("proof.malformed", "a claim of the proof has another type than RFC 9449 says")
	}
	thumb, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", claims, badProof("proof.jwk", "jwk has no thumbprint")
	}
	return base64.RawURLEncoding.EncodeToString(thumb), claims, nil
}

// judge checks what the proof is bound to (RFC 9449 §4.3, points 8 to 12).
func (d *dpopVerifier) judge(r *http.Request, claims dpopClaims, use dpopUse) error {
	switch {
	case claims.ID == "" || len(claims.ID) > maxJTI:
		return badProof("proof.jti", "jti is missing or longer than %d characters", maxJTI)
	case claims.Method != r.Method:
		return badProof("proof.htm", "htm must be %s", r.Method)
	case !sameEndpoint(claims.URI, d.issuer+r.URL.Path) && (d.mutual == "" || !sameEndpoint(claims.URI, d.mutual+r.URL.Path)):
		return badProof("proof.htu", "htu must be %s", d.issuer+r.URL.Path)
	case claims.IssuedAt == nil:
		return badProof("proof.clock", "iat is missing")
	case use.token != "" && claims.Token != accessTokenHash(use.token):
		return badProof("proof.ath", "ath is not the hash of the access token")
	}
	now := d.now()
	age := now.Sub(fromNumericDate(*claims.IssuedAt))
	if age > dpopLife {
		return badProof("proof.clock", "the proof is %s old, and %s at most is accepted: make one for every request, and check the client's clock", seconds(age), seconds(dpopLife))
	}
	if age < -clockAheadAllowed {
		return badProof("proof.clock", "%s", ahead("iat", *claims.IssuedAt, now))
	}
	return d.judgeNonce(claims, use.needNonce)
}

// judgeNonce holds RFC 9449 §8: answerError hands out the nonce that is asked for.
func (d *dpopVerifier) judgeNonce(claims dpopClaims, needed bool) error {
	if claims.Nonce == "" && !needed {
		return nil
	}
	if claims.Nonce != d.nonce(0) && claims.Nonce != d.nonce(-1) {
		return diagnosed("use_dpop_nonce", "proof.nonce", "use the nonce in the header DPoP-Nonce")
	}
	return nil
}

// askNonce asks for a nonce before anything of a request is spent: many clients then send the same request again, with no more than a new proof.
// Nothing of the proof is believed here, and what else is wrong with it verify says.
func (d *dpopVerifier) askNonce(r *http.Request, needed bool) error {
	parts := strings.Split(r.Header.Get(dpopScheme), ".")
	if len(parts) != 3 || len(parts[1]) > maxForeignJWT {
		return nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims dpopClaims
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return nil
	}
	return d.judgeNonce(claims, needed)
}

// spend lets a proof be used once, on any node (RFC 9449 §11.1).
func (d *dpopVerifier) spend(ctx context.Context, jkt string, claims dpopClaims) error {
	first, err := d.ephemera.Once(ctx, "dpop-proof:"+jkt+":"+claims.ID, dpopLife+clockAheadAllowed+time.Second)
	if err != nil {
		return fmt.Errorf("remembering a proof: %w", err)
	}
	if !first {
		return badProof("proof.replayed", "this proof (jti) was used before: make a new one for every request")
	}
	return nil
}

// guard checks at a resource that a token comes as it was bound (RFC 9449 §7.1, §7.2): a bound one under the scheme DPoP with a proof of
// its key, another one as Bearer. Its errors are 401 with a challenge.
func (d *dpopVerifier) guard(w http.ResponseWriter, r *http.Request, scheme, token, boundTo string) error {
	if boundTo == "" {
		if strings.EqualFold(scheme, dpopScheme) {
			return atResource(diagnosed("invalid_token", "proof.unbound", "the access token is not bound to a key: send it as Bearer"))
		}
		return nil
	}
	if !strings.EqualFold(scheme, dpopScheme) {
		return atResource(diagnosed("invalid_token", "proof.missing", "the access token is bound to a key: send it as DPoP with a proof"))
	}
	jkt, err := d.verify(w, r, dpopUse{token: token})
	if err != nil {
		return atResource(err)
	}
	if jkt == "" {
		return atResource(badProof("proof.missing", "the header DPoP is missing"))
	}
	if jkt != boundTo {
		return atResource(diagnosed("invalid_token", "proof.key", "the proof is by another key than the access token is bound to"))
	}
	return nil
}

// atResource makes a wire error what a protected resource answers (RFC 9449 §7.1).
func atResource(err error) error {
	wire, ok := err.(*wireError)
	if !ok {
		return err
	}
	var names []string
	for _, alg := range dpopAlgorithms {
		names = append(names, string(alg))
	}
	wire.status = http.StatusUnauthorized
	wire.challenge = fmt.Sprintf(`DPoP error="%s", error_description="%s", algs="%s"`, wire.code, wire.description, strings.Join(names, " "))
	return wire
}

// nonce is a keyed hash of the time step: every node knows it, none keeps it.
func (d *dpopVerifier) nonce(steps int64) string {
	step := d.now().UnixMilli()/dpopNonceStep.Milliseconds() + steps
	return d.sealer.Index("dpop-nonce", strconv.FormatInt(step, 10))
}

// accessTokenHash is ath (RFC 9449 §4.2).
func accessTokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// sameEndpoint compares htu with the address of the endpoint, as configured and never as the request names its host, after the
// normalisation of RFC 3986 §6.2.2 and §6.2.3; query and fragment do not count.
func sameEndpoint(htu, endpoint string) bool {
	got, err := url.Parse(htu)
	want, err2 := url.Parse(endpoint)
	if err != nil || err2 != nil || got.User != nil {
		return false
	}
	return strings.EqualFold(got.Scheme, want.Scheme) && hostPort(got) == hostPort(want) && orSlash(got.Path) == orSlash(want.Path)
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}

func orSlash(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

func badProof(diagnosis, format string, args ...any) *wireError {
	return diagnosed("invalid_dpop_proof", diagnosis, format, args...)
}
