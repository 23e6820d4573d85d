package login

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/vhod-id/vhod/account"
)

// parseProxies reads the CIDRs of proxies whose X-Forwarded-For is believed.
func parseProxies(cidrs []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, cidr := range cidrs {
		p, err := netip.ParsePrefix(cidr)
		if err != nil {
			return nil, fmt.Errorf("trusted proxy %q: %w", cidr, err)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// origin says where a request came from, for limits and the journal.
func (d *Door) origin(r *http.Request) account.Origin {
	agent := r.UserAgent()
	if len(agent) > 300 {
		agent = agent[:300]
	}
	return account.Origin{
		Address:   d.clientAddr(r),
		UserAgent: strings.ToValidUTF8(agent, ""),
		RequestID: r.Header.Get("X-Request-Id"),
	}
}

// Origin says where a request came from, by the same rules for the provider's endpoints as for pages.
func (d *Door) Origin(r *http.Request) account.Origin { return d.origin(r) }

// clientAddr walks X-Forwarded-For from the right, over our own proxies, to the first address that is
// not one of them: what stands further left was written by the client and is not believed (G07).
func (d *Door) clientAddr(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap().WithZone("")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && d.trusted(addr); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap().WithZone("")
	}
	return addr
}

func (d *Door) trusted(addr netip.Addr) bool {
	for _, p := range d.proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// localPath returns path when it stays on our origin, and fallback otherwise (P14). Browsers read a
// backslash as a slash and drop control characters, so neither may stand in it.
func localPath(path, fallback string) string {
	if len(path) == 0 || len(path) > 2000 || path[0] != '/' {
		return fallback
	}
	if strings.HasPrefix(path, "//") || strings.ContainsRune(path, '\\') {
		return fallback
	}
	for _, c := range path {
		if c < 0x20 || c == 0x7f {
			return fallback
		}
	}
	return path
}
