package op

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"
)

// Outbound says where the provider may go on another's word: to the addresses that clients register.
type Outbound struct {
	// Allow are addresses beside the public ones, such as a service's in the same network. They may be spoken to by http too.
	Allow []netip.Prefix
	Roots *x509.CertPool // certificate authorities; the system's when nil
}

// Limits of one fetch.
const (
	fetchTime   = 3 * time.Second // name, connection, and answer together
	fetchAnswer = 256 << 10       // bytes of a document
)

// errForbiddenAddress says that a name leads to an address that is nobody's business (P29, P30).
var errForbiddenAddress = errors.New("the address is not a public one")

// fetcher is the one way out to addresses that others named. It looks at the address of the connection itself, after the
// name was resolved, so that a name which changes its mind leads nowhere; it follows no redirect, asks no proxy, and reads
// no more than its limit.
type fetcher struct {
	client *http.Client
	allow  []netip.Prefix
}

func newFetcher(cfg Outbound) *fetcher {
	f := &fetcher{allow: cfg.Allow}
	dialer := &net.Dialer{Timeout: fetchTime, ControlContext: f.control}
	f.client = &http.Client{
		Timeout:       fetchTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: cfg.Roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
			DisableCompression: true, MaxResponseHeaderBytes: 16 << 10, MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second,
		},
	}
	return f
}

// plainKey marks the context of a fetch by http.
type plainKey struct{}

// control judges the address that a connection is about to be made to.
func (f *fetcher) control(ctx context.Context, _, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", errForbiddenAddress, address)
	}
	ip := at.Addr().Unmap().WithZone("")
	if slices.ContainsFunc(f.allow, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return nil
	}
	if ctx.Value(plainKey{}) != nil || !publicAddress(ip) {
		return errForbiddenAddress
	}
	return nil
}

// reserved are the blocks of the IANA special-purpose registries (RFC 6890) that netip does not name, and the ways to hide an
// IPv4 address in an IPv6 one.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("3fff::/20"), netip.MustParsePrefix("fec0::/10"),
}

// publicAddress reports whether an address is a host of the internet at large.
func publicAddress(ip netip.Addr) bool {
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !slices.ContainsFunc(reserved, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// checkFetchURL refuses what is no address of a document, before anything is asked.
func checkFetchURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return nil, errors.New("it is not an absolute URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("the scheme %q is not fetched: https is needed", printable(u.Scheme))
	case u.User != nil:
		return nil, errors.New("it has a user part")
	case u.Fragment != "":
		return nil, errors.New("it has a fragment")
	}
	return u, nil
}

// get fetches a document.
func (f *fetcher) get(ctx context.Context, raw, accept string) ([]byte, error) {
	r, err := f.request(ctx, http.MethodGet, raw, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", accept)
	resp, err := f.client.Do(r)
	if err != nil {
		return nil, fetchFailure(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %d, not 200", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, fetchAnswer+1))
	if err != nil {
		return nil, fetchFailure(err)
	}
	if len(body) > fetchAnswer {
		return nil, fmt.Errorf("the answer is longer than %d bytes", fetchAnswer)
	}
	return body, nil
}

// post sends a form and returns the status of the answer, of which no more than most bytes are read: the connection is used
// again when that was all.
func (f *fetcher) post(ctx context.Context, raw string, form url.Values, most int64) (status int, err error) {
	return f.send(ctx, raw, []byte(form.Encode()), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, most)
}

// NewPoster returns a way out for other rooms, by the rules of every fetch: it posts a body under these headers to an address
// that somebody else named, and returns the status of the answer. What the answer says is not read. Errors do not hold the address.
func NewPoster(cfg Outbound) func(ctx context.Context, address string, body []byte, header http.Header) (status int, err error) {
	f := newFetcher(cfg)
	return func(ctx context.Context, address string, body []byte, header http.Header) (int, error) {
		return f.send(ctx, address, body, header, 4<<10)
	}
}

// send posts a body under these headers, like post.
func (f *fetcher) send(ctx context.Context, raw string, body []byte, header http.Header, most int64) (status int, err error) {
	r, err := f.request(ctx, http.MethodPost, raw, body)
	if err != nil {
		return 0, err
	}
	maps.Copy(r.Header, header)
	resp, err := f.client.Do(r)
	if err != nil {
		return 0, fetchFailure(err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, most)) // what it says does not matter
	return resp.StatusCode, nil
}

func (f *fetcher) request(ctx context.Context, method, raw string, body []byte) (*http.Request, error) {
	u, err := checkFetchURL(raw)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "http" {
		ctx = context.WithValue(ctx, plainKey{}, true)
	}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("it is not an absolute URL")
	}
	r.Header.Set("User-Agent", "Vhod")
	return r, nil
}

// fetchFailure says what went wrong without the address of what was found there: who asked learns nothing of our network.
func fetchFailure(err error) error {
	var timeout net.Error
	switch {
	case errors.Is(err, errForbiddenAddress):
		return errForbiddenAddress
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("there was no answer within %s", fetchTime)
	}
	return errors.New("it could not be fetched")
}
