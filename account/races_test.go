package account_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

// TestOneOfFiftyWinsOnOneNodeAndOnTwo shows each single-use proof to fifty requests at the same moment: on one node and on two, over
// the embedded stores and over servers.
func TestOneOfFiftyWinsOnOneNodeAndOnTwo(t *testing.T) {
	type use func(*account.Service) error
	for name, prepare := range map[string]func(*testing.T, *house, *account.Account) use{
		"app code": func(t *testing.T, h *house, a *account.Account) use {
			code := h.codeOf(h.withApp(a))
			return func(s *account.Service) error { return s.VerifyTOTP(t.Context(), a.ID, code, home) }
		},
		"backup code": func(t *testing.T, h *house, a *account.Account) use {
			codes, err := h.NewBackupCodes(t.Context(), a.ID, home)
			if err != nil {
				t.Fatal(err)
			}
			return func(s *account.Service) error {
				_, err := s.VerifyBackup(t.Context(), a.ID, codes[0], home)
				return err
			}
		},
		"code by SMS": func(t *testing.T, h *house, a *account.Account) use {
			if err := h.SendFactorCode(t.Context(), a.ID, account.ForFactor, "session", "ru", home); err != nil {
				t.Fatal(err)
			}
			if err := h.AddSMS(t.Context(), a.ID, "session", h.lastCode(), home); err != nil {
				t.Fatal(err)
			}
			if err := h.SendFactorCode(t.Context(), a.ID, account.ForSignIn, "attempt", "ru", home); err != nil {
				t.Fatal(err)
			}
			code := h.lastCode()
			return func(s *account.Service) error { return s.VerifySMS(t.Context(), a.ID, "attempt", code, home) }
		},
		"a device's answer": func(t *testing.T, h *house, a *account.Account) use {
			cookie, ask := h.asked(a)
			return func(s *account.Service) error {
				_, err := s.AnswerPush(t.Context(), cookie, ask.ID, account.Answer{Number: ask.Number}, home)
				return err
			}
		},
		"a device's approval": func(t *testing.T, h *house, a *account.Account) use {
			cookie, ask := h.asked(a)
			if _, err := h.AnswerPush(t.Context(), cookie, ask.ID, account.Answer{Number: ask.Number}, home); err != nil {
				t.Fatal(err)
			}
			return func(s *account.Service) error { return s.VerifyPush(t.Context(), a.ID, ask.Flow) }
		},
		"code by mail": func(t *testing.T, h *house, a *account.Account) use {
			if err := h.SendMailCode(t.Context(), a.ID, "attempt", "ru", home); err != nil {
				t.Fatal(err)
			}
			code := h.lastCode()
			return func(s *account.Service) error { return s.VerifyMailCode(t.Context(), a.ID, "attempt", code, home) }
		},
		"a scanned QR code": func(t *testing.T, h *house, _ *account.Account) use {
			code := h.shown()
			return func(s *account.Service) error {
				_, err := s.ClaimQR(t.Context(), code, "phone")
				return err
			}
		},
		"a phone's answer to a QR code": func(t *testing.T, h *house, a *account.Account) use {
			ask, err := h.ClaimQR(t.Context(), h.shown(), "phone")
			if err != nil {
				t.Fatal(err)
			}
			return func(s *account.Service) error {
				_, err := s.AnswerQR(t.Context(), a.ID, ask.ID, "phone", account.Answer{Number: ask.Number}, home)
				return err
			}
		},
		"a phone's approval": func(t *testing.T, h *house, a *account.Account) use {
			ask, err := h.ClaimQR(t.Context(), h.shown(), "phone")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.AnswerQR(t.Context(), a.ID, ask.ID, "phone", account.Answer{Number: ask.Number}, home); err != nil {
				t.Fatal(err)
			}
			return func(s *account.Service) error {
				_, err := s.VerifyQR(t.Context(), ask.Flow)
				return err
			}
		},
		"code to get back in": func(t *testing.T, h *house, a *account.Account) use {
			req := account.CodeRequest{Purpose: account.ForRecovery, Channel: "sms", To: a.Phone.Value, Flow: "attempt", Origin: home}
			if _, err := h.SendCode(t.Context(), req); err != nil {
				t.Fatal(err)
			}
			code := h.lastCode()
			return func(s *account.Service) error {
				_, err := s.CheckCode(t.Context(), account.ForRecovery, "sms", "attempt", code, home)
				return err
			}
		},
		"code of a service centre": func(t *testing.T, h *house, a *account.Account) use {
			h.knows(a.ID, "browser")
			code, _, err := h.MakeActivation(t.Context(), a.ID, account.NewActivation{Case: "17", Operator: "operator:1"})
			if err != nil {
				t.Fatal(err)
			}
			return func(s *account.Service) error {
				return s.Activate(t.Context(), account.Activating{Code: code, Password: "Bereza-173-sokol-parus", Browser: "browser", Origin: home})
			}
		},
		"link that stops a wait": func(t *testing.T, h *house, a *account.Account) use {
			h.withApp(a)
			token := h.waits(t, a, h.BeginWaiting)
			return func(s *account.Service) error { return s.CancelWaiting(t.Context(), token, home) }
		},
		"link that stops a recovery in a new browser": func(t *testing.T, h *house, a *account.Account) use {
			token := h.waits(t, a, h.BeginRest)
			return func(s *account.Service) error { return s.CancelWaiting(t.Context(), token, home) }
		},
		"end of a wait": func(t *testing.T, h *house, a *account.Account) use {
			h.withApp(a)
			h.waits(t, a, h.BeginWaiting)
			h.clock.Advance(25 * time.Hour)
			return func(s *account.Service) error {
				return s.ResetAfterWaiting(t.Context(), a.ID, "sms", "Bereza-173-sokol-parus", home)
			}
		},
		"a trusted person's answer": func(t *testing.T, h *house, a *account.Account) use {
			boris, tie := h.trusted(a)
			plea := h.asks(a, boris)
			return func(s *account.Service) error { return s.AnswerPlea(t.Context(), boris.ID, tie, plea, true, home) }
		},
		"end of a wait that a trusted person made shorter": func(t *testing.T, h *house, a *account.Account) use {
			boris, tie := h.trusted(a)
			if err := h.AnswerPlea(t.Context(), boris.ID, tie, h.asks(a, boris), true, home); err != nil {
				t.Fatal(err)
			}
			h.clock.Advance(account.VouchedWait)
			return func(s *account.Service) error {
				return s.ResetAfterWaiting(t.Context(), a.ID, "sms", "Bereza-173-sokol-parus", home)
			}
		},
		"a bank's word": func(t *testing.T, h *house, a *account.Account) use {
			h.withApp(a)
			by := h.banks(a)
			return func(s *account.Service) error { return s.VouchByBank(t.Context(), a.ID, "sms", by, home) }
		},
		"end of a wait that a bank made shorter": func(t *testing.T, h *house, a *account.Account) use {
			h.withApp(a)
			if err := h.VouchByBank(t.Context(), a.ID, "sms", h.banks(a), home); err != nil {
				t.Fatal(err)
			}
			h.clock.Advance(account.VouchedWait)
			return func(s *account.Service) error {
				return s.ResetAfterWaiting(t.Context(), a.ID, "sms", "Bereza-173-sokol-parus", home)
			}
		},
		"link that cancels a code of a centre": func(t *testing.T, h *house, a *account.Account) use {
			_, token := h.made(a.ID, 0)
			return func(s *account.Service) error { return s.CancelActivation(t.Context(), token, home) }
		},
		"link in a mail": func(t *testing.T, h *house, a *account.Account) use {
			req := account.CodeRequest{Purpose: account.ForSignUp, Channel: "mail", To: "new@example.ru", Flow: "attempt", Link: "https://id.example/signup/confirm", Origin: home}
			if _, err := h.SendCode(t.Context(), req); err != nil {
				t.Fatal(err)
			}
			token := h.lastToken()
			return func(s *account.Service) error {
				_, _, err := s.CheckLink(t.Context(), account.ForSignUp, token)
				return err
			}
		},
		"link that disowns a sign-in": func(t *testing.T, h *house, a *account.Account) use {
			err := h.store.Update(t.Context(), a.ID, func(a *account.Account) error {
				a.Arrivals = []account.Arrival{{At: h.clock.Now(), Origin: home, Told: keys.Hash("told")}}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return func(s *account.Service) error { return s.Disown(t.Context(), string(a.ID)+".told", home) }
		},
		"passkey's challenge": func(t *testing.T, h *house, a *account.Account) use {
			key := h.withPasskey(a)
			key.Still, key.Count = true, 0 // as synced passkeys are: no counter helps
			answer := key.Show(t, h.ask(""))
			return func(s *account.Service) error {
				_, _, err := s.VerifyPasskey(t.Context(), "attempt", answer, home)
				return err
			}
		},
	} {
		for on, open := range map[string]func(*testing.T) []*house{
			"one node":  func(t *testing.T) []*house { return []*house{newHouse(t)} },
			"two nodes": func(t *testing.T) []*house { h := newHouse(t); return []*house{h, {Service: h.node()}} },
			"two nodes over PostgreSQL and Redis": func(t *testing.T) []*house {
				nodes := housesOnServers(t)
				return nodes[:]
			},
		} {
			t.Run(name+" on "+on, func(t *testing.T) {
				nodes := open(t)
				use := prepare(t, nodes[0], nodes[0].anna())
				var turn atomic.Int64
				right, wrong := together(50, func() error { return use(nodes[turn.Add(1)%int64(len(nodes))].Service) })
				if right != 1 {
					t.Errorf("%d won: %v", right, wrong)
				}
			})
		}
	}
}

// lastCode is the code of the newest notice.
func (h *house) lastCode() string {
	h.t.Helper()
	code := ""
	for _, n := range h.notices() {
		if n.Args["Code"] != "" {
			code = n.Args["Code"]
		}
	}
	return code
}

// asked is a person with a device, which was asked to approve a sign-in in a browser that is known.
func (h *house) asked(a *account.Account) (cookie string, ask account.Ask) {
	h.t.Helper()
	cookie, err := h.AddPush(h.t.Context(), a.ID, "phone", home)
	if err != nil {
		h.t.Fatal(err)
	}
	if _, _, err := h.OpenSession(h.t.Context(), a.ID, account.Opening{Browser: "browser", Origin: home}); err != nil {
		h.t.Fatal(err)
	}
	if ask, err = h.AskPush(h.t.Context(), a.ID, account.PushRequest{Flow: "attempt", Browser: "browser", Origin: home}); err != nil {
		h.t.Fatal(err)
	}
	return cookie, ask
}

// waits begins a wait by the phone, and returns the token of the link that stops it.
func (h *house) waits(t *testing.T, a *account.Account, begin func(context.Context, account.ID, string, account.Origin) (account.Wait, error)) (token string) {
	t.Helper()
	h.notices()
	if _, err := begin(t.Context(), a.ID, "sms", home); err != nil {
		t.Fatal(err)
	}
	return h.lastToken()
}

// lastToken is of the link in the newest message that has one.
func (h *house) lastToken() (token string) {
	h.t.Helper()
	for _, n := range h.notices() {
		if _, after, ok := strings.Cut(n.Args["Link"], "token="); ok {
			token = after
		}
	}
	if token == "" {
		h.t.Fatal("no link was sent")
	}
	return token
}

// shown is the QR code of a page.
func (h *house) shown() string {
	h.t.Helper()
	handle, err := h.BeginQR(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	code, err := h.QRCode(h.t.Context(), account.QRPage{Handle: handle, Origin: home})
	if err != nil {
		h.t.Fatal(err)
	}
	return code
}

func TestWrongTriesAtTwoNodesOverServersAllCount(t *testing.T) {
	nodes := housesOnServers(t)
	a := nodes[0].anna()
	secret := nodes[0].withApp(a)
	if _, err := nodes[0].SendCode(t.Context(), request("f1")); err != nil {
		t.Fatal(err)
	}
	code := nodes[0].lastCode()
	var turn atomic.Int64
	_, wrong := together(50, func() error {
		_, err := nodes[turn.Add(1)%2].check("f1", not(code))
		return err
	})
	if wrong[account.ErrWrongCode] > 2 || wrong[account.ErrCodeSpent] < 48 {
		t.Errorf("of a code by SMS: %v", wrong)
	}
	_, wrong = together(50, func() error {
		i := turn.Add(1)
		_, o := bot(int(i))
		return nodes[i%2].VerifyTOTP(t.Context(), a.ID, not(nodes[0].codeOf(secret)), o)
	})
	if wrong[account.ErrWrongCode] != 20 {
		t.Errorf("of an app: %v", wrong)
	}
}
