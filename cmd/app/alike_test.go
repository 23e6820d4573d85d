package app_test

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/cmd/app"
	"github.com/vhod-id/vhod/storage/storagetest"
)

// asked marks the context of a request, so that what is done for it is told from what is done after it.
type asked struct{}

// answered are the round trips of a request, as far as it waits for them.
type answered struct {
	mu  sync.Mutex
	all []string
}

func (a *answered) note(ctx context.Context, statement string) {
	if ctx.Value(asked{}) == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = append(a.all, statement)
}

// stranger is a browser without a history, at an address of its own.
type stranger struct {
	node    *node
	did     *answered
	address string
	cookies []*http.Cookie
	at      string
}

// answer is all that an answer tells, and what it cost.
type answer struct {
	shown string
	work  string
	took  time.Duration
}

// send makes a request and returns the answer with what differs anyway taken out.
func (s *stranger) send(method, to string, form url.Values, differs ...string) answer {
	s.node.Helper()
	r := httptest.NewRequest(method, to, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.RemoteAddr = s.address + ":1234"
	for _, c := range s.cookies {
		r.AddCookie(c)
	}
	s.did.all = nil
	start := time.Now()
	w := s.node.serve(r.WithContext(context.WithValue(r.Context(), asked{}, true)))
	out := answer{took: time.Since(start), work: strings.Join(s.did.all, "\n")}
	s.cookies = append(s.cookies, w.Result().Cookies()...)
	if s.at = w.Header().Get("Location"); w.Code >= http.StatusInternalServerError {
		s.node.Fatalf("%s: %d %s", to, w.Code, w.Body)
	}
	header := w.Header().Clone()
	header.Del("X-Request-Id")
	for i, c := range w.Result().Cookies() {
		header["Set-Cookie"][i] = strings.Replace(header["Set-Cookie"][i], c.Value, "VALUE", 1)
	}
	attempt := form.Get("attempt")
	if u, err := url.Parse(s.at); err == nil && attempt == "" {
		attempt = u.Query().Get("attempt")
	}
	words := []string{attempt, "ATTEMPT"}
	for _, word := range differs {
		words = append(words, word, "WHO")
	}
	out.shown = until.ReplaceAllString(strings.NewReplacer(words...).Replace(fmt.Sprint(w.Code, header, w.Body)), `class="wide until">TIME<`)
	return out
}

// until is when a page grows old, by the clock: of two people one begins after the other.
var until = regexp.MustCompile(`class="wide until">[^<]*<`)

// begin opens an attempt.
func (s *stranger) begin(path string) url.Values {
	s.send(http.MethodGet, path, nil)
	u, err := url.Parse(s.at)
	if err != nil {
		s.node.Fatal(err)
	}
	return url.Values{"attempt": {u.Query().Get("attempt")}}
}

func with(form url.Values, pairs ...string) url.Values {
	out := url.Values{"attempt": form["attempt"]}
	for i := 0; i < len(pairs); i += 2 {
		out.Set(pairs[i], pairs[i+1])
	}
	return out
}

// TestNobodyLearnsWhetherThereIsAnAccount goes through the doors at which an identifier is typed, 2,000 times each, with one that has
// an account and one that has none: the answers are the same to a letter, and so is what is done for them (G01, G02).
// Times are printed and not judged: whoever builds has other work to do.
func TestNobodyLearnsWhetherThereIsAnAccount(t *testing.T) {
	const people, rounds = 40, 50
	clock, did := storagetest.NewClock(), &answered{}
	n := newNode(t, func(c *app.Config) { c.Now, c.OnStatement = clock.Now, did.note })
	for i := range people {
		_, err := n.app.Accounts().Import(t.Context(), account.Import{Reason: "test", Password: password, Account: account.Account{
			Phone: account.Contact{Value: fmt.Sprintf("+7913000%04d", i), ConfirmedAt: clock.Now()},
			Email: account.Contact{Value: fmt.Sprintf("a%d@mail.example", i), ConfirmedAt: clock.Now()}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	flows := map[string]func(s *stranger, phone string, i int) []answer{
		"sign-in": func(s *stranger, phone string, i int) []answer {
			form, words := s.begin("/login"), shapes(phone)
			return []answer{
				s.send(http.MethodPost, "/login", with(form, "identifier", phone), words...),
				s.send(http.MethodPost, "/login/password", with(form, "password", fmt.Sprintf("Неверный-Пароль%d", i)), words...),
			}
		},
		"sign-up": func(s *stranger, phone string, i int) []answer {
			email := fmt.Sprintf("nobody%07d@mail.example", i)
			form, words := s.begin("/signup"), append(shapes(phone), email)
			first := s.send(http.MethodPost, "/signup", with(form, "phone", phone, "email", email), words...)
			clock.Advance(61 * time.Second)
			return []answer{first, s.send(http.MethodPost, "/signup/resend", form, words...)}
		},
		"recovery": func(s *stranger, phone string, _ int) []answer {
			form, words := s.begin("/recovery"), shapes(phone)
			first := s.send(http.MethodPost, "/recovery", with(form, "identifier", phone), words...)
			clock.Advance(61 * time.Second)
			return []answer{first, s.send(http.MethodPost, "/recovery/resend", form, words...),
				s.send(http.MethodPost, "/recovery/code", with(form, "code", "000000"), words...)}
		},
	}
	for name, flow := range flows {
		var known, unknown [][]time.Duration
		for i := range people * rounds {
			address := func(side int) string { return fmt.Sprintf("198.%d.%d.%d", 18+side, i/200, 1+i%200) }
			a := flow(&stranger{node: n, did: did, address: address(0)}, fmt.Sprintf("+7913000%04d", i%people), 2*i)
			b := flow(&stranger{node: n, did: did, address: address(1)}, fmt.Sprintf("+7914%03d%04d", i/people, i%people), 2*i+1)
			for j := range a {
				if a[j].shown != b[j].shown || a[j].work != b[j].work {
					t.Fatalf("%s, answer %d: with an account\n%s\n%s\nwithout\n%s\n%s", name, j+1, a[j].shown, a[j].work, b[j].shown, b[j].work)
				}
				if i == 0 {
					known, unknown = append(known, nil), append(unknown, nil)
				}
				known[j], unknown[j] = append(known[j], a[j].took), append(unknown[j], b[j].took)
			}
			if i%people == people-1 {
				clock.Advance(25 * time.Hour)
			}
		}
		for j := range known {
			t.Logf("%s, answer %d: %s", name, j+1, compared(known[j], unknown[j]))
		}
	}
}

// shapes are the ways in which pages and addresses write a phone.
func shapes(phone string) []string {
	return []string{phone, account.FormatPhone(phone), account.MaskPhone(phone), url.QueryEscape(phone), strings.ReplaceAll(phone, "+", "&#43;"),
		strings.ReplaceAll(account.FormatPhone(phone), "+", "&#43;"), strings.ReplaceAll(account.MaskPhone(phone), "+", "&#43;")}
}

// compared says two medians and Welch's t.
func compared(a, b []time.Duration) string {
	moments := func(all []time.Duration) (mean, variance float64) {
		for _, d := range all {
			mean += d.Seconds() / float64(len(all))
		}
		for _, d := range all {
			variance += (d.Seconds() - mean) * (d.Seconds() - mean) / float64(len(all)-1)
		}
		return mean, variance
	}
	meanA, varA := moments(a)
	meanB, varB := moments(b)
	slices.Sort(a)
	slices.Sort(b)
	return fmt.Sprintf("%d pairs, medians %v with an account and %v without, Welch's t %.2f", len(a), a[len(a)/2], b[len(b)/2],
		(meanA-meanB)/math.Sqrt(varA/float64(len(a))+varB/float64(len(b))))
}
