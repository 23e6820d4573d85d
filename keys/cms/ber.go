package cms

import (
	"bytes"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
)

// Tags of ASN.1 that the normaliser tells apart.
const (
	constructed   = 0x20
	tagOctets     = 0x04
	tagSequence   = 0x30
	tagSet        = 0x31
	tagExplicit   = 0xa0 // [0], constructed
	highTag       = 0x1f
	indefinite    = 0x80
	maxLengthSize = 4
)

var errBER = errors.New("not ASN.1 as CMS uses it")

// bare strips the armour that tools put around a message: PEM, or base64 with line breaks.
func bare(message []byte) ([]byte, error) {
	if len(message) > MaxMessage {
		return nil, refuse(TooLarge, "%d bytes", len(message))
	}
	trimmed := bytes.TrimSpace(bytes.TrimPrefix(message, []byte("\ufeff")))
	if bytes.HasPrefix(trimmed, []byte("-----BEGIN ")) {
		armour, rest := pem.Decode(trimmed)
		if armour == nil || len(bytes.TrimSpace(rest)) > 0 {
			return nil, refuse(Malformed, "broken PEM")
		}
		return armour.Bytes, nil
	}
	if len(message) > 0 && message[0] == 0x30 && !isBase64(trimmed) {
		return message, nil
	}
	raw, err := base64.StdEncoding.DecodeString(string(bytes.Join(bytes.Fields(trimmed), nil)))
	if err != nil {
		return nil, refuse(Malformed, "neither DER nor PEM nor base64")
	}
	return raw, nil
}

// isBase64 reports whether there is nothing but base64: a DER message begins with the digit 0 too.
func isBase64(text []byte) bool {
	for _, c := range text {
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		case c == '+', c == '/', c == '=', c == '\r', c == '\n', c == ' ':
		default:
			return false
		}
	}
	return len(text) > 0
}

// normalise rewrites BER with definite lengths and whole octet strings, as streaming tools produce
// neither. What is DER already stays as it is, byte for byte.
func normalise(ber []byte) ([]byte, error) {
	out, rest, err := element(make([]byte, 0, len(ber)), ber, maxDepth)
	if err != nil || len(rest) > 0 {
		return nil, refuse(Malformed, "broken ASN.1 or bytes after it")
	}
	return out, nil
}

// element appends one value of in to out and returns what follows it.
func element(out, in []byte, depth int) (extended, rest []byte, err error) {
	tag, length, in, err := header(in)
	if err != nil || depth == 0 {
		return nil, nil, errBER
	}
	if tag&constructed == 0 {
		if length < 0 || length > len(in) {
			return nil, nil, errBER
		}
		return append(appendHeader(out, tag, length), in[:length]...), in[length:], nil
	}
	children := in
	if length >= 0 {
		if length > len(in) {
			return nil, nil, errBER
		}
		children, rest = in[:length], in[length:]
	}
	var body []byte
	for {
		if length < 0 && len(children) >= 2 && children[0] == 0 && children[1] == 0 { // end of contents
			rest = children[2:]
			break
		}
		if len(children) == 0 {
			if length < 0 {
				return nil, nil, errBER
			}
			break
		}
		if tag == tagOctets|constructed {
			body, children, err = octets(body, children, depth-1)
		} else {
			body, children, err = element(body, children, depth-1)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	if tag == tagOctets|constructed {
		tag = tagOctets
	}
	return append(appendHeader(out, tag, len(body)), body...), rest, nil
}

// octets appends the contents of one piece of an octet string.
func octets(out, in []byte, depth int) (extended, rest []byte, err error) {
	piece, rest, err := element(nil, in, depth)
	if err != nil {
		return nil, nil, err
	}
	tag, _, contents, err := header(piece)
	if err != nil || tag != tagOctets {
		return nil, nil, errBER
	}
	return append(out, contents...), rest, nil
}

// header reads a tag of one byte and a length; -1 is the indefinite one, of constructed values alone.
func header(in []byte) (tag byte, length int, rest []byte, err error) {
	if len(in) < 2 || in[0]&highTag == highTag {
		return 0, 0, nil, errBER
	}
	tag, first, rest := in[0], in[1], in[2:]
	switch {
	case first < indefinite:
		return tag, int(first), rest, nil
	case first == indefinite:
		if tag&constructed == 0 {
			return 0, 0, nil, errBER
		}
		return tag, -1, rest, nil
	}
	size := int(first &^ indefinite)
	if size > maxLengthSize || size > len(rest) {
		return 0, 0, nil, errBER
	}
	for _, b := range rest[:size] {
		length = length<<8 | int(b)
	}
	return tag, length, rest[size:], nil
}

func appendHeader(out []byte, tag byte, length int) []byte {
	out = append(out, tag)
	switch {
	case length < 0x80:
		return append(out, byte(length))
	case length < 0x100:
		return append(out, 0x81, byte(length))
	case length < 0x10000:
		return append(out, 0x82, byte(length>>8), byte(length))
	}
	return append(out, 0x83, byte(length>>16), byte(length>>8), byte(length))
}

// value is a value in DER whose contents are these, one after another.
func value(tag byte, parts ...[]byte) []byte {
	contents := bytes.Join(parts, nil)
	return append(appendHeader(nil, tag, len(contents)), contents...)
}

// marshal is the DER of a number or an object identifier.
func marshal(v any) []byte {
	der, err := asn1.Marshal(v)
	if err != nil { // both always encode
		panic(err)
	}
	return der
}
