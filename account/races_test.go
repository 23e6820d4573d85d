package account_test

import (
	"sync/atomic"
	"testing"

	"github.com/vhod-id/vhod/account"
)

// TestOneOfFiftyWinsOnOneNodeAndOnTwo shows each single-use proof to fifty requests at the same moment.
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
		for nodes := 1; nodes <= 2; nodes++ {
			t.Run(name+" on "+[]string{"one node", "two"}[nodes-1], func(t *testing.T) {
				h := newHouse(t)
				use := prepare(t, h, h.anna())
				services := []*account.Service{h.Service, h.node()}[:nodes]
				var turn atomic.Int64
				right, wrong := together(50, func() error { return use(services[turn.Add(1)%int64(nodes)]) })
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
