package account

import (
	"net/mail"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// IdentifierKind is what an identifier is.
type IdentifierKind string

// The kinds. A person signs in by the first four; the others keep people apart (R030, L09).
const (
	ByPhone    IdentifierKind = "phone"
	ByEmail    IdentifierKind = "email"
	BySNILS    IdentifierKind = "snils"
	ByNumber   IdentifierKind = "number"
	ByPassport IdentifierKind = "passport" // series and number
	ByBank     IdentifierKind = "bank"     // issuer, a space, subject
	// ByCertificate finds an account by a certificate that was linked to it: its fingerprint.
	ByCertificate IdentifierKind = "certificate"
	// ByPasskey finds an account by the id of a passkey (WebAuthn Level 3 §7.1: each belongs to one account).
	ByPasskey IdentifierKind = "passkey"
)

// Identifier is a value that belongs to one account at most. Stores keep a keyed hash of it.
type Identifier struct {
	Kind  IdentifierKind
	Value string // canonical: E.164, lower-case address, eleven digits
}

// ParseIdentifier reads what a person signs in with: a phone, an address, a SNILS or the number of an
// issued account. A FieldError for field "identifier" says what is wrong with it.
func ParseIdentifier(raw string) (Identifier, error) {
	raw = strings.TrimSpace(raw)
	if raw == "" {
		return Identifier{}, fieldError("identifier", "error.identifier.empty")
	}
	if strings.Contains(raw, "@") {
		address, err := ParseEmail(raw)
		if err != nil {
			return Identifier{}, fieldError("identifier", "error.email.form")
		}
		return Identifier{ByEmail, address}, nil
	}
	digits, rest := onlyDigits(strings.TrimPrefix(raw, "+"))
	if rest != "" || len(raw) > 40 {
		return Identifier{}, fieldError("identifier", "error.identifier.unknown")
	}
	if len(digits) == 12 && !strings.HasPrefix(raw, "+") {
		return Identifier{ByNumber, digits}, nil
	}
	// Eleven digits are a SNILS when they are written as one (112-233-445 95) or check as one and cannot be a mobile.
	if snils, err := ParseSNILS(raw); err == nil && !strings.HasPrefix(raw, "+") && (snilsForm(raw) || !mobile(digits)) {
		return Identifier{BySNILS, snils.digits}, nil
	}
	phone, err := ParsePhone(raw)
	if err != nil {
		return Identifier{}, fieldError("identifier", "error.identifier.unknown")
	}
	return Identifier{ByPhone, phone}, nil
}

// snilsForm reports whether digits are grouped three, three, three, two.
func snilsForm(raw string) bool {
	groups := strings.FieldsFunc(raw, func(r rune) bool { return r < '0' || r > '9' })
	return len(groups) == 4 && len(groups[0]) == 3 && len(groups[1]) == 3 && len(groups[2]) == 3
}

func mobile(digits string) bool {
	return len(digits) == 11 && (digits[0] == '7' || digits[0] == '8') && digits[1] == '9'
}

// ParsePhone reads a Russian mobile in any usual form (7, 8, +7 or ten digits; C30) and returns E.164.
func ParsePhone(raw string) (string, error) {
	raw = strings.TrimSpace(raw)
	digits, rest := onlyDigits(strings.TrimPrefix(raw, "+"))
	switch {
	case digits == "" && rest == "":
		return "", fieldError("phone", "error.phone.empty")
	case rest != "":
		return "", fieldError("phone", "error.phone.digits")
	case len(digits) == 10 && digits[0] == '9':
		digits = "7" + digits
	case strings.HasPrefix(raw, "+") && digits[:1] != "7":
		return "", fieldError("phone", "error.phone.foreign")
	}
	if !mobile(digits) {
		return "", fieldError("phone", "error.phone.digits")
	}
	return "+7" + digits[1:], nil
}

// maxEmail is the longest address that SMTP carries (RFC 5321 §4.5.3.1.3).
const maxEmail = 254

// ParseEmail reads an address and returns it canonical: the domain in lower-case ASCII, the local part in lower
// case too, since no mailbox of today tells cases apart and people do not.
func ParseEmail(raw string) (string, error) {
	raw = strings.TrimSpace(raw)
	if raw == "" {
		return "", fieldError("email", "error.email.empty")
	}
	at := strings.LastIndexByte(raw, '@')
	if at < 1 || len(raw) > maxEmail || !plainLocal(raw[:at]) || !utf8.ValidString(raw) {
		return "", fieldError("email", "error.email.form")
	}
	domain, err := idna.Lookup.ToASCII(raw[at+1:])
	if dot := strings.LastIndexByte(domain, '.'); err != nil || dot < 1 || strings.Trim(domain[dot+1:], "0123456789") == "" {
		return "", fieldError("email", "error.email.form")
	}
	address := strings.ToLower(raw[:at]) + "@" + strings.ToLower(domain)
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Address != address || len(raw[:at]) > 64 {
		return "", fieldError("email", "error.email.form")
	}
	return address, nil
}

// plainLocal reports whether the part before @ is what mailboxes have in practice: printable ASCII, nothing to quote.
func plainLocal(local string) bool {
	for _, r := range local {
		if r <= ' ' || r > '~' || strings.ContainsRune("<>,;:\"()[]\\", r) {
			return false
		}
	}
	return true
}

// FormatPhone shows a number to its owner: +7 (912) 345-67-89.
func FormatPhone(e164 string) string {
	if len(e164) != 12 {
		return e164
	}
	return e164[:2] + " (" + e164[2:5] + ") " + e164[5:8] + "-" + e164[8:10] + "-" + e164[10:]
}

// MaskPhone shows whose number it is to one who knows it: +7 (9••) •••-••-89.
func MaskPhone(e164 string) string {
	if len(e164) != 12 {
		return hidden
	}
	return e164[:2] + " (" + e164[2:3] + "••) •••-••-" + e164[10:]
}

// MaskEmail shows the first letter and the domain: i•••@mail.example.
func MaskEmail(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 1 {
		return hidden
	}
	first := []rune(address[:at])[:1]
	return string(first) + hidden + address[at:]
}
