package account_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
)

const listed = `# network,latitude,longitude,name
198.51.0.0/16,55.75,37.62,Москва
198.51.100.0/24,43.12,131.89,Владивосток
2001:db8:7::/48, 55.75, 37.62
203.0.113.0/24,59.94,30.31,Петербург

192.0.2.0/24,54.71,20.51`

func TestTheSmallestNetworkSaysWhereAnAddressIs(t *testing.T) {
	places, err := account.ReadPlaces(strings.NewReader(listed))
	if err != nil {
		t.Fatal(err)
	}
	for address, latitude := range map[string]float64{"198.51.7.1": 55.75, "198.51.100.1": 43.12, "::ffff:198.51.100.1": 43.12, "2001:db8:7::9": 55.75, "8.8.8.8": 0, "2001:db8:8::9": 0} {
		if place, known := places.Of(netip.MustParseAddr(address)); known != (latitude != 0) || place.Latitude != latitude {
			t.Errorf("%s is at %+v, %v", address, place, known)
		}
	}
	if place, _ := places.Of(netip.MustParseAddr("198.51.100.1")); place.Name != "Владивосток" {
		t.Errorf("it is called %q", place.Name)
	}
	if _, known := (*account.Places)(nil).Of(netip.MustParseAddr("198.51.7.1")); known {
		t.Error("without a file something is known")
	}
}

func TestAWrongLineOfPlacesIsNamed(t *testing.T) {
	for _, line := range []string{"198.51.0.0/16", "198.51.0.0/16,55", "198.51.0.0,1,2", "198.51.0.0/16,91,0", "198.51.0.0/16,0,181", "198.51.0.0/16,NaN,0", "x/16,0,0", "198.51.0.0/16,1,2,\xff", "198.51.0.0/16,1,2," + strings.Repeat("x", 101)} {
		if _, err := account.ReadPlaces(strings.NewReader("# one\n" + line)); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q: %v", line, err)
		}
	}
}

func FuzzReadPlaces(f *testing.F) {
	f.Add(listed)
	f.Fuzz(func(_ *testing.T, text string) {
		if places, err := account.ReadPlaces(strings.NewReader(text)); err == nil {
			places.Of(netip.MustParseAddr("198.51.100.1"))
			places.Of(netip.MustParseAddr("2001:db8::1"))
		}
	})
}

func TestSignInFromTooFarAwayIsARiskAndInTheJournal(t *testing.T) {
	h := newHouse(t)
	var err error
	if h.cfg.Places, err = account.ReadPlaces(strings.NewReader(listed)); err != nil {
		t.Fatal(err)
	}
	h.Service = h.node()
	a := h.annaAtHome() // in Petersburg
	for _, step := range []struct {
		what    string
		after   time.Duration
		address string
		browser string
		want    []account.Risk
	}{
		{"a new browser, near", time.Minute, "203.0.113.9", "new", []account.Risk{account.RiskBrowser}},
		{"the same, next time", time.Minute, "203.0.113.9", "new", nil},
		{"to Moscow by train", 4 * time.Hour, "198.51.7.1", "new", nil},
		{"to Vladivostok within an hour", time.Hour, "198.51.100.1", "new", []account.Risk{account.RiskTravel}},
		{"and to Moscow, by a new browser", 2 * time.Hour, "198.51.7.1", "another", []account.Risk{account.RiskTravel, account.RiskBrowser}},
		{"to Vladivostok by air", 9 * time.Hour, "198.51.100.1", "another", nil},
		{"to nobody knows where", time.Minute, "8.8.8.8", "another", nil},
		{"and from there", time.Minute, "192.0.2.1", "another", nil},
	} {
		h.clock.Advance(step.after)
		o := from(step.address)
		var got []string
		for _, r := range h.Risks(h.account(a.ID), step.browser, o) {
			got = append(got, string(r))
		}
		var want []string
		for _, r := range step.want {
			want = append(want, string(r))
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: %v", step.what, got)
		}
		if _, _, err := h.OpenSession(t.Context(), a.ID, account.Opening{Proofs: h.proof(account.MethodPassword), Browser: step.browser, Origin: o}); err != nil {
			t.Fatal(err)
		}
		events, err := h.Journal(t.Context(), a.ID, 0, 1)
		if err != nil || events[0].Kind != account.SignedIn || events[0].Details["risk"] != strings.Join(want, " ") {
			t.Errorf("%s: the journal says %+v, %v", step.what, events, err)
		}
	}
}
