package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/vhod-id/vhod/keys"
)

// The lives of a QR code (C40). It changes every second, so that a picture of it is soon of no use; it is read for as long as
// a hand needs to scan and open it, and dies with the page that shows it.
const (
	qrFresh = 15 * time.Second
	qrAlive = 10 * time.Second // since the page was last there
	qrLife  = time.Hour        // of a page that nobody scans
	qrClaim = 2 * time.Minute  // for the person to compare and answer
)

// QRPage is a page that shows a QR code, as whoever scans it must know it.
type QRPage struct {
	Handle  string // BeginQR made it; the page's own secret
	Service map[string]string
	Origin  Origin
}

func qrOpenKey(handle string) string { return "qr/open/" + handle }
func qrPageKey(handle string) string { return "qr/page/" + handle }
func askByKey(id string) string      { return "ask/by/" + id }

// BeginQR opens a QR code to the first phone that scans it, and returns its handle.
func (s *Service) BeginQR(ctx context.Context) (handle string, err error) {
	handle = keys.RandomID()
	if err := s.cfg.Ephemera.Put(ctx, qrOpenKey(handle), []byte("open"), qrLife); err != nil {
		return "", fmt.Errorf("opening a QR code: %w", err)
	}
	return handle, nil
}

// QRCode is the code of this second, and keeps its page alive.
func (s *Service) QRCode(ctx context.Context, p QRPage) (string, error) {
	if err := s.LiveQR(ctx, p); err != nil {
		return "", err
	}
	at := strconv.FormatInt(s.now().Unix(), 36)
	return p.Handle + "." + at + "." + s.qrSeal(p.Handle, at), nil
}

// LiveQR tells that the page is still there.
func (s *Service) LiveQR(ctx context.Context, p QRPage) error {
	raw, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encoding a page: %w", err)
	}
	if err := s.cfg.Ephemera.Put(ctx, qrPageKey(p.Handle), raw, qrAlive); err != nil {
		return fmt.Errorf("keeping a page alive: %w", err)
	}
	return nil
}

func (s *Service) qrSeal(handle, at string) string { return s.cfg.Sealer.Index("qr/"+handle, at) }

// livePage returns the page of a handle; ErrCodeExpired when it was closed.
func (s *Service) livePage(ctx context.Context, handle string) (QRPage, error) {
	var p QRPage
	raw, ok, err := s.cfg.Ephemera.Get(ctx, qrPageKey(handle))
	if err != nil {
		return p, fmt.Errorf("reading a page: %w", err)
	}
	if !ok {
		return p, ErrCodeExpired
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return p, fmt.Errorf("decoding a page: %w", err)
	}
	return p, nil
}

// ClaimQR takes a scanned code for a phone, known by its holder: of many phones one gets it. ErrCodeExpired for a code that is
// old, made up, or of a closed page; ErrCodeSpent when another phone was first.
func (s *Service) ClaimQR(ctx context.Context, code, holder string) (Ask, error) {
	handle, at, mac, ok := cutQR(code)
	if !ok || !keys.NewSecret(s.qrSeal(handle, at)).Equal(mac) {
		return Ask{}, ErrCodeExpired
	}
	seconds, err := strconv.ParseInt(at, 36, 64)
	now := s.now()
	if age := now.Sub(time.Unix(seconds, 0)); err != nil || age > qrFresh || age < -qrFresh {
		return Ask{}, ErrCodeExpired
	}
	page, err := s.livePage(ctx, handle)
	if err != nil {
		return Ask{}, err
	}
	_, first, err := s.cfg.Ephemera.Take(ctx, qrOpenKey(handle))
	if err != nil {
		return Ask{}, fmt.Errorf("claiming a QR code: %w", err)
	}
	if !first {
		return Ask{}, ErrCodeSpent
	}
	ask := newAsk(handle, page.Service, page.Origin, now, qrClaim)
	ask.Holder = keys.Hash(holder)
	return ask, s.keepAsk(ctx, ask)
}

func cutQR(code string) (handle, at, mac string, ok bool) {
	handle, rest, _ := strings.Cut(code, ".")
	at, mac, ok = strings.Cut(rest, ".")
	return handle, at, mac, ok && handle != "" && at != ""
}

// ClaimedQR returns what a phone has claimed; ErrNotFound for another phone's, ErrCodeExpired or ErrCodeSpent when it is over.
func (s *Service) ClaimedQR(ctx context.Context, claim, holder string) (Ask, error) {
	ask, verdict, err := s.ask(ctx, claim)
	switch {
	case err != nil:
		return Ask{}, err
	case holder == "" || ask.Holder == "" || !keys.NewSecret(ask.Holder).Equal(keys.Hash(holder)):
		return Ask{}, ErrNotFound
	case verdict != Waiting:
		return Ask{}, overBy(verdict)
	}
	if _, err := s.livePage(ctx, ask.Flow); err != nil {
		return Ask{}, err
	}
	return ask, nil
}

// AnswerQR takes the word of a person on the phone that claimed a code. The caller has made sure that the phone's session is
// of two factors and young. Errors are those of ClaimedQR.
func (s *Service) AnswerQR(ctx context.Context, id ID, claim, holder string, answer Answer, o Origin) (Verdict, error) {
	ask, err := s.ClaimedQR(ctx, claim, holder)
	if err != nil {
		return "", err
	}
	if err := s.closeAsk(ctx, ask); err != nil {
		return "", err
	}
	verdict := answer.on(ask)
	err = s.change(ctx, id, func(a *Account) error {
		now := s.now()
		if err := a.Gate(SwitchQR, now); err != nil {
			return err
		}
		if a.Status != Active {
			return ErrLocked
		}
		a.noteVerdict(verdict, ask, "qr", now, o)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("keeping a person's answer: %w", err)
	}
	if err := s.cfg.Ephemera.Put(ctx, askByKey(ask.ID), []byte(id), askKept); err != nil {
		return "", fmt.Errorf("keeping whose answer it is: %w", err)
	}
	return verdict, s.keepVerdict(ctx, ask, verdict)
}

// VerifyQR returns who approved the sign-in of a page, once: ErrWrongCode while nobody has, ErrCodeExpired or ErrCodeSpent when
// nobody will.
func (s *Service) VerifyQR(ctx context.Context, handle string) (*Account, error) {
	ask, verdict, err := s.AskOf(ctx, handle)
	switch {
	case errors.Is(err, ErrNotFound), err == nil && verdict == Waiting:
		return nil, ErrWrongCode
	case err != nil:
		return nil, err
	case verdict != Approved:
		return nil, overBy(verdict)
	}
	id, _, err := s.cfg.Ephemera.Take(ctx, askByKey(ask.ID))
	if err != nil {
		return nil, fmt.Errorf("using an approval: %w", err)
	}
	if id == nil {
		return nil, ErrCodeSpent
	}
	a, err := s.cfg.Store.Account(ctx, ID(id))
	if err != nil {
		return nil, fmt.Errorf("reading who approved: %w", err)
	}
	if a.Status != Active {
		return nil, ErrLocked
	}
	return a, a.Gate(SwitchQR, s.now())
}
