package inbox

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

func publicKey(encoded string) (*ecdsa.PublicKey, error) {
	point, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return nil, err
	}
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
}

// vapid is the header of RFC 8292 §3.
var vapid = regexp.MustCompile(`^vapid t=([\w.-]+), ?k=([\w-]+)$`)

// authorized checks who sends: it is whom the browser subscribed to, and means this service, for a day at most (RFC 8292 §2).
func authorized(header, server, audience string, now time.Time) error {
	m := vapid.FindStringSubmatch(header)
	if m == nil {
		return errors.New("the Authorization is vapid t=…, k=… (RFC 8292)")
	}
	if m[2] != server {
		return errors.New("the browser did not subscribe to this key")
	}
	key, err := publicKey(m[2])
	if err != nil {
		return err
	}
	token, err := jwt.ParseSigned(m[1], []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return err
	}
	var claims jwt.Claims
	if err := token.Claims(key, &claims); err != nil {
		return err
	}
	switch {
	case !claims.Audience.Contains(audience):
		return fmt.Errorf("aud is %v, not %s", claims.Audience, audience)
	case claims.Expiry == nil || claims.Expiry.Time().Before(now) || claims.Expiry.Time().Sub(now) > 24*time.Hour:
		return errors.New("exp is within a day from now")
	}
	return nil
}

// read decrypts a message as the browser does (RFC 8188 §2, RFC 8291 §3.4).
func (b browser) read(body []byte) ([]byte, error) {
	const head = 16 + 4 + 1
	if len(body) < head || len(body) < head+int(body[20]) {
		return nil, errors.New("the message has no header (RFC 8188 §2.1)")
	}
	salt, size, id := body[:16], binary.BigEndian.Uint32(body[16:20]), body[head:head+int(body[20])]
	record := body[head+len(id):]
	if uint64(len(record)) > uint64(size) {
		return nil, errors.New("a push message is one record (RFC 8291 §4)")
	}
	sender, err := ecdh.P256().NewPublicKey(id)
	if err != nil {
		return nil, fmt.Errorf("the key of the message: %w", err)
	}
	shared, err := b.key.ECDH(sender)
	if err != nil {
		return nil, err
	}
	info := bytes.Join([][]byte{[]byte("WebPush: info\x00"), b.key.PublicKey().Bytes(), id}, nil)
	ikm, err := hkdf.Key(sha256.New, shared, b.auth, string(info), 32)
	if err != nil {
		return nil, err
	}
	key, keyErr := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	nonce, nonceErr := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12)
	if err := errors.Join(keyErr, nonceErr); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nonce, record, nil)
	if err != nil {
		return nil, errors.New("the message is not encrypted for this browser")
	}
	plain = bytes.TrimRight(plain, "\x00")
	if len(plain) == 0 || plain[len(plain)-1] != 2 {
		return nil, errors.New("the record does not end as the last one (RFC 8188 §2)")
	}
	return plain[:len(plain)-1], nil
}
