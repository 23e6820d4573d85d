package keys

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// publish makes the JWKS of all keys that are not hidden, newest first, so that a client that takes the
// first fitting one takes the present one.
func (v *ringView) publish(now time.Time) error {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range slices.Backward(v.sorted) {
		if k.HiddenAt.IsZero() || k.HiddenAt.After(now) {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.public, KeyID: k.ID, Algorithm: string(k.Algorithm), Use: "sig"})
		}
	}
	body, err := json.Marshal(set)
	if err != nil {
		return fmt.Errorf("writing the JWKS: %w", err)
	}
	v.jwks, v.etag = body, `"`+Hash(string(body))[:22]+`"`
	return nil
}

// JWKS returns the published keys (RFC 7517 §5) as finished bytes, and their entity tag.
func (r *Ring) JWKS() (body []byte, etag string) {
	v := r.view.Load()
	return v.jwks, v.etag
}

// Historic is a key as an auditor sees it: with it an old signature can still be checked, and its
// dates say when it signed.
type Historic struct {
	ID         string          `json:"kid"`
	Algorithm  Algorithm       `json:"alg"`
	JWK        json.RawMessage `json:"jwk"`
	ActiveFrom time.Time       `json:"active_from"`
	RetiredAt  *time.Time      `json:"retired_at,omitempty"`
}

// Historic returns every key that ever was, oldest first.
func (r *Ring) Historic() ([]Historic, error) {
	var out []Historic
	for _, k := range r.view.Load().sorted {
		jwk, err := (&jose.JSONWebKey{Key: k.public, KeyID: k.ID, Algorithm: string(k.Algorithm), Use: "sig"}).MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("writing key %s: %w", k.ID, err)
		}
		h := Historic{ID: k.ID, Algorithm: k.Algorithm, JWK: jwk, ActiveFrom: k.ActiveFrom}
		if !k.RetiredAt.IsZero() {
			h.RetiredAt = &k.RetiredAt
		}
		out = append(out, h)
	}
	return out, nil
}

// Sign makes a compact JWS (RFC 7515 §7.1) of a payload with the key that signs now, under the given typ.
func (r *Ring) Sign(ctx context.Context, alg Algorithm, typ string, payload []byte) (string, error) {
	k := r.view.Load().current(alg, r.cfg.Now())
	if k == nil {
		return "", fmt.Errorf("%w: %s", ErrNoKey, alg)
	}
	header := k.encodedHeader(typ)
	enc := base64.RawURLEncoding
	out := make([]byte, 0, len(header)+enc.EncodedLen(len(payload))+2+enc.EncodedLen(rsaBits/8))
	out = append(out, header...)
	out = append(out, '.')
	out = enc.AppendEncode(out, payload)
	sig, err := k.signer.Sign(ctx, out)
	if err != nil {
		return "", fmt.Errorf("signing with %s: %w", k.ID, err)
	}
	out = append(out, '.')
	return string(enc.AppendEncode(out, sig)), nil
}

func (k *ringKey) encodedHeader(typ string) string {
	if h, ok := k.header.Load(typ); ok {
		if s, isString := h.(string); isString {
			return s
		}
	}
	text := fmt.Sprintf(`{"alg":%q,"typ":%q,"kid":%q}`, k.Algorithm, typ, k.ID)
	encoded := base64.RawURLEncoding.EncodeToString([]byte(text))
	k.header.Store(typ, encoded)
	return encoded
}

// Verify checks that a compact JWS was signed by a key of this ring, hidden ones too, under one of the
// given types, and returns the payload. It judges the signature alone: times, audience and the rest of the claims
// are the caller's. Everything else is ErrBadSignature: another algorithm than the key's own, a crit header,
// any other serialisation (RFC 8725 §3.1, §3.11).
func (r *Ring) Verify(ctx context.Context, token string, types ...string) ([]byte, error) {
	if len(token) > maxTokenBytes {
		return nil, fmt.Errorf("%w: %d bytes", ErrBadSignature, len(token))
	}
	head, rest, ok := strings.Cut(token, ".")
	body, sig, ok2 := strings.Cut(rest, ".")
	if !ok || !ok2 || strings.Contains(sig, ".") || strings.ContainsAny(token, "\r\n") { // base64 skips line breaks: one token, one spelling
		return nil, fmt.Errorf("%w: not a compact JWS", ErrBadSignature)
	}
	header, err := parseHeader(head)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(types, header.Typ) {
		return nil, fmt.Errorf("%w: typ %q", ErrBadSignature, header.Typ)
	}
	k := r.find(ctx, header.Kid)
	if k == nil || string(k.Algorithm) != header.Alg {
		return nil, fmt.Errorf("%w: kid or alg", ErrBadSignature)
	}
	enc := base64.RawURLEncoding.Strict()
	raw, err := enc.DecodeString(sig)
	if err != nil || !verifies(k.Algorithm, k.public, []byte(token[:len(head)+1+len(body)]), raw) {
		return nil, fmt.Errorf("%w: signature", ErrBadSignature)
	}
	payload, err := enc.DecodeString(body)
	if err != nil {
		return nil, fmt.Errorf("%w: payload", ErrBadSignature)
	}
	return payload, nil
}

// tokenHeader is what we write; anything more is not ours.
type tokenHeader struct {
	Alg string `json:"alg"`
	Typ string `json:"typ"`
	Kid string `json:"kid"`
}

func parseHeader(encoded string) (tokenHeader, error) {
	var h tokenHeader
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return h, fmt.Errorf("%w: header", ErrBadSignature)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields() // crit, jwk, jku, x5c, zip: none is ours
	if err := dec.Decode(&h); err != nil || dec.More() {
		return h, fmt.Errorf("%w: header", ErrBadSignature)
	}
	return h, nil
}

// find returns a key by its id. An unknown one may be another node's fresh key, so the store is asked,
// at most once in a while.
func (r *Ring) find(ctx context.Context, kid string) *ringKey {
	if k := r.view.Load().keys[kid]; k != nil {
		return k
	}
	now := r.cfg.Now().UnixNano()
	last := r.lastMiss.Load()
	recent := now >= last && now-last < int64(missRefresh)
	if recent || !r.lastMiss.CompareAndSwap(last, now) {
		return nil
	}
	if _, err := r.reload(ctx); err != nil {
		r.cfg.Log.ErrorContext(ctx, "reading the signing keys for an unknown kid", "error", err)
	}
	return r.view.Load().keys[kid]
}

// verifies checks one signature in JWS form.
func verifies(alg Algorithm, public crypto.PublicKey, input, sig []byte) bool {
	sum := sha256.Sum256(input)
	switch alg {
	case RS256:
		key, ok := public.(*rsa.PublicKey)
		return ok && rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig) == nil
	case PS256:
		key, ok := public.(*rsa.PublicKey)
		return ok && rsa.VerifyPSS(key, crypto.SHA256, sum[:], sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	case ES256:
		key, ok := public.(*ecdsa.PublicKey)
		return ok && len(sig) == 64 && ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
	case EdDSA:
		key, ok := public.(ed25519.PublicKey)
		return ok && ed25519.Verify(key, input, sig)
	}
	return false
}
