package app

import "crypto/tls"

// strictTLS is what our listeners speak: TLS 1.3, and of TLS 1.2 the four suites that RFC 9325 §4.2 recommends and FAPI 2.0 §5.2.1 asks for.
func strictTLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	}}
}
