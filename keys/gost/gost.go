// Package gost verifies signatures of GOST R 34.10-2012 over digests of GOST R 34.11-2012 (Streebog).
//
// It only verifies: there is no private key in it and nothing secret to leak by timing, so it is written
// on math/big for clearness. It is no certified cryptographic tool of the Russian regulator; where the law
// asks for one, verification belongs behind such a tool. Sources: RFC 6986 (Streebog), RFC 7091 (the
// signature), RFC 7836 and RFC 4357 (curves), RFC 9215 (keys in certificates).
package gost
