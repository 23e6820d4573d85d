package stand_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"testing"

	"github.com/vhod-id/vhod/examples/stand"
)

func TestTheAPIOfTheStandSpeaksNoTLSThatFAPIForbids(t *testing.T) {
	base := freeBlock(t)
	s, err := stand.Open(stand.Options{BasePort: base, Data: t.TempDir(), TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	speaks := func(least, most uint16, suites ...uint16) bool {
		conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", base+7), &tls.Config{InsecureSkipVerify: true, // what is tested is which handshakes there are
			MinVersion: least, MaxVersion: most, CipherSuites: suites})
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}
	if !speaks(tls.VersionTLS13, tls.VersionTLS13) || speaks(tls.VersionTLS10, tls.VersionTLS11) {
		t.Error("TLS 1.3 is spoken, and 1.1 is not")
	}
	good := []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if !slices.Contains(suite.SupportedVersions, tls.VersionTLS12) {
			continue
		}
		if want := slices.Contains(good, suite.ID); speaks(tls.VersionTLS12, tls.VersionTLS12, suite.ID) != want {
			t.Errorf("%s: want %v", suite.Name, want)
		}
	}
}
