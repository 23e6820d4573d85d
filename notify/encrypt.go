package notify

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	saltBytes = 16
	// recordSize is what the header of a message says: push services take 4096 bytes of body (RFC 8291 §4).
	recordSize = 4096
	// paddedTo is the length of every message: whoever carries it does not learn its language by its length.
	paddedTo = 512
)

var errLongMessage = errors.New("the message is too long for a push service")

// pad ends a message as the one record that it is, and fills it up (RFC 8188 §2).
func pad(message []byte) ([]byte, error) {
	if len(message) >= paddedTo {
		return nil, errLongMessage
	}
	out := make([]byte, paddedTo)
	copy(out, message)
	out[len(message)] = 2 // the last record
	return out, nil
}

// encrypt makes the body of a push message that only the browser reads (RFC 8291 §3.4): own is a key for this message alone.
func encrypt(record []byte, browser *ecdh.PublicKey, auth []byte, own *ecdh.PrivateKey, salt []byte) ([]byte, error) {
	shared, err := own.ECDH(browser)
	if err != nil {
		return nil, fmt.Errorf("agreeing on a key: %w", err)
	}
	ours := own.PublicKey().Bytes()
	info := bytes.Join([][]byte{[]byte("WebPush: info\x00"), browser.Bytes(), ours}, nil)
	ikm, err := hkdf.Key(sha256.New, shared, auth, string(info), 32)
	if err != nil {
		return nil, fmt.Errorf("deriving a key: %w", err)
	}
	key, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, fmt.Errorf("deriving a key: %w", err)
	}
	nonce, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, fmt.Errorf("deriving a nonce: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	head := binary.BigEndian.AppendUint32(bytes.Clone(salt), recordSize)
	head = append(append(head, byte(len(ours))), ours...) // RFC 8188 §2.1: the key id is our public key
	return aead.Seal(head, nonce, record, nil), nil
}

// seal is encrypt for a new message.
func seal(message []byte, browser *ecdh.PublicKey, auth []byte) ([]byte, error) {
	record, err := pad(message)
	if err != nil {
		return nil, err
	}
	own, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt)
	return encrypt(record, browser, auth, own, salt)
}
