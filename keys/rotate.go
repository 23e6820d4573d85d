package keys

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// rsaBits is the size of RSA keys: the least that NIST SP 800-57 holds good to 2030, and a signature
// costs a sixth of one of 4096 bits.
const rsaBits = 2048

// Rotate publishes a fresh key of the algorithm at once and lets it sign after RingConfig.Lead, when no cache of the JWKS is
// without it any more; the key before it retires then. Tokens that this one signed verify until they end. Other nodes
// follow within their refresh, and at once when they meet the new kid.
func (r *Ring) Rotate(ctx context.Context, alg Algorithm) error {
	if !slices.Contains(r.cfg.Algorithms, alg) {
		return fmt.Errorf("%w: %q", ErrNoKey, alg)
	}
	return r.rotate(ctx, []Algorithm{alg}, true)
}

// due names the algorithms whose next key is to be made: there is none that signs, or the current one
// ends within the time for which a next one is published ahead.
func (r *Ring) due(stored []StoredKey) []Algorithm {
	now := r.cfg.Now()
	var due []Algorithm
	for _, alg := range r.cfg.Algorithms {
		covered := slices.ContainsFunc(stored, func(k StoredKey) bool {
			return k.Algorithm == alg && (k.RetiredAt.IsZero() || k.RetiredAt.After(now)) &&
				now.Add(r.cfg.Ahead).Before(k.ActiveFrom.Add(r.cfg.RotateEvery))
		})
		if !covered {
			due = append(due, alg)
		}
	}
	if len(due) == 0 && slices.ContainsFunc(stored, func(k StoredKey) bool { return r.overdue(k, now) }) {
		return []Algorithm{""} // nothing to make, something to hide
	}
	return due
}

// overdue reports whether a retired key should leave the JWKS.
func (r *Ring) overdue(k StoredKey, now time.Time) bool {
	return !k.RetiredAt.IsZero() && k.HiddenAt.IsZero() && now.After(k.RetiredAt.Add(r.cfg.Overlap))
}

// rotate makes a key for each algorithm that is still due inside the transaction, so that of many nodes one makes it.
// Making keys is slow and therefore done before.
func (r *Ring) rotate(ctx context.Context, algs []Algorithm, force bool) error {
	now := r.cfg.Now()
	fresh := map[Algorithm]StoredKey{}
	for _, alg := range algs {
		if alg == "" {
			continue
		}
		k, err := r.generate(alg, now)
		if err != nil {
			return fmt.Errorf("making a key for %s: %w", alg, err)
		}
		fresh[alg] = k
	}
	err := r.cfg.Store.UpdateSigningKeys(ctx, func(stored []StoredKey) ([]StoredKey, error) {
		due := r.due(stored)
		for alg, k := range fresh {
			if force || slices.Contains(due, alg) {
				stored = r.succeed(stored, k, force, now)
			}
		}
		for i, k := range stored {
			if r.overdue(k, now) {
				stored[i].HiddenAt = now
				stored[i].Private = nil // it signs no more: what cannot leak is best not kept
			}
		}
		return stored, nil
	})
	if err != nil {
		return fmt.Errorf("storing signing keys: %w", err)
	}
	_, err = r.reload(ctx)
	return err
}

// succeed adds a key after the present one: at once when nothing signs, after the lead when forced, else when the present
// one's time is over.
func (r *Ring) succeed(stored []StoredKey, k StoredKey, force bool, now time.Time) []StoredKey {
	k.ActiveFrom = now
	for i, old := range stored {
		if old.Algorithm != k.Algorithm || (!old.RetiredAt.IsZero() && !old.RetiredAt.After(now)) {
			continue
		}
		end := old.ActiveFrom.Add(r.cfg.RotateEvery)
		switch {
		case force:
			end = now.Add(r.cfg.Lead)
		case end.Before(now):
			end = now
		}
		if end.After(k.ActiveFrom) {
			k.ActiveFrom = end
		}
		if old.RetiredAt.IsZero() || old.RetiredAt.After(end) {
			stored[i].RetiredAt = end
		}
	}
	return append(stored, k)
}

func (r *Ring) generate(alg Algorithm, now time.Time) (StoredKey, error) {
	var private crypto.Signer
	var err error
	switch alg {
	case RS256, PS256:
		private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	case ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("%w: %q", ErrNoKey, alg)
	}
	if err != nil {
		return StoredKey{}, err
	}
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		return StoredKey{}, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return StoredKey{}, err
	}
	thumb, err := (&jose.JSONWebKey{Key: private.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return StoredKey{}, err
	}
	id := base64.RawURLEncoding.EncodeToString(thumb)
	return StoredKey{ID: id, Algorithm: alg, Public: public, Private: r.cfg.Sealer.Seal(keyPlace(id), secret), CreatedAt: now}, nil
}

// keyPlace binds a sealed private key to its id.
func keyPlace(id string) string { return "signing-key/" + id }

// parse turns a stored key into one that signs and verifies, reusing the parsed one of the view before.
func (r *Ring) parse(s StoredKey, before *ringView) (*ringKey, error) {
	k := &ringKey{StoredKey: s}
	if before != nil {
		if old, ok := before.keys[s.ID]; ok {
			k.public, k.signer = old.public, old.signer
		}
	}
	if k.public == nil {
		public, err := x509.ParsePKIXPublicKey(s.Public)
		if err != nil {
			return nil, err
		}
		k.public = public
	}
	if k.signer != nil || !s.HiddenAt.IsZero() {
		return k, nil
	}
	if len(s.Private) == 0 {
		if r.cfg.Hardware == nil {
			return k, nil
		}
		var err error
		k.signer, err = r.cfg.Hardware(s)
		return k, err
	}
	plain, err := r.cfg.Sealer.Open(keyPlace(s.ID), s.Private)
	if err != nil {
		return nil, err
	}
	private, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, err
	}
	k.signer, err = newSoftSigner(s.Algorithm, private)
	return k, err
}

// softSigner signs with a key in memory.
type softSigner struct {
	alg Algorithm
	key crypto.Signer
}

func newSoftSigner(alg Algorithm, private any) (Signer, error) {
	key, ok := private.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a %T does not sign", private)
	}
	return softSigner{alg, key}, nil
}

func (s softSigner) Public() crypto.PublicKey { return s.key.Public() }

// Sign holds RFC 7518 §3.3 to §3.5 and RFC 8037 §3.1.
func (s softSigner) Sign(_ context.Context, input []byte) ([]byte, error) {
	sum := sha256.Sum256(input)
	switch s.alg {
	case RS256:
		return s.key.Sign(rand.Reader, sum[:], crypto.SHA256)
	case PS256:
		return s.key.Sign(rand.Reader, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	case ES256:
		private, ok := s.key.(*ecdsa.PrivateKey)
		if !ok {
			return nil, fmt.Errorf("%w: %s needs an EC key", ErrNoKey, s.alg)
		}
		a, b, err := ecdsa.Sign(rand.Reader, private, sum[:])
		if err != nil {
			return nil, err
		}
		out := make([]byte, 64)
		a.FillBytes(out[:32])
		b.FillBytes(out[32:])
		return out, nil
	case EdDSA:
		return s.key.Sign(rand.Reader, input, crypto.Hash(0))
	}
	return nil, fmt.Errorf("%w: %q", ErrNoKey, s.alg)
}

// Reseal seals the private keys anew under the present master key, and returns how many were under an older one.
func (r *Ring) Reseal(ctx context.Context) (int, error) {
	done := 0
	err := r.cfg.Store.UpdateSigningKeys(ctx, func(stored []StoredKey) ([]StoredKey, error) {
		done = 0
		for i, k := range stored {
			if len(k.Private) == 0 || !r.cfg.Sealer.Stale(k.Private) {
				continue
			}
			plain, err := r.cfg.Sealer.Open(keyPlace(k.ID), k.Private)
			if err != nil {
				return nil, fmt.Errorf("signing key %s: %w", k.ID, err)
			}
			stored[i].Private = r.cfg.Sealer.Seal(keyPlace(k.ID), plain)
			done++
		}
		return stored, nil
	})
	return done, err
}
