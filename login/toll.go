package login

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

// What a guess costs in a storm, in a browser in which the person never signed in: work that a script does while they type,
// in a second or three, or, without scripts, a wait. A program works ten times as fast as a browser, and many can wait at once:
// so what was paid by waiting is bounded for all together, and the limits of account and address stay as they are.
const (
	tollParts  = 8  // puzzles of one toll: together they take about as long each time
	tollBits   = 17 // zero bits at the head of each answer's hash
	tollWait   = time.Minute
	tollWaited = 100 // guesses a minute that were paid by waiting, over all nodes
)

// toll is what waits to be paid in an attempt.
type toll struct {
	Nonce string
	At    time.Time // when it was asked
}

// tollData is what the page password shows of it.
type tollData struct {
	Nonce       string
	Parts, Bits int
	Seconds     int // until waiting will do
}

// askToll says what the page asks for, and keeps it in the attempt; nil where nothing is to be paid.
func (d *Door) askToll(r *http.Request, v *visit, refused bool) (*tollData, error) {
	a, now := v.attempt, d.cfg.Now()
	if !refused && (!d.cfg.Accounts.Stormy() || d.cfg.Accounts.KnowsBrowser(r.Context(), a.Identifier, d.cookie(r, cookieBrowser))) {
		return nil, nil
	}
	if a.Toll == nil {
		a.Toll = &toll{Nonce: keys.RandomID(), At: now}
		if err := d.save(r.Context(), a); err != nil {
			return nil, err
		}
	}
	wait := max(0, a.Toll.At.Add(tollWait).Sub(now))
	return &tollData{a.Toll.Nonce, tollParts, tollBits, int((wait + time.Second - 1) / time.Second)}, nil
}

// showing is what the browser shows beside a guess. A toll is paid once: at the same moment too it pays for one guess.
func (d *Door) showing(r *http.Request, a *attempt) (account.Showing, error) {
	show := account.Showing{Browser: d.cookie(r, cookieBrowser)}
	if a.Toll == nil {
		return show, nil
	}
	paid, err := d.payToll(r, a.Toll)
	if err != nil {
		return show, err
	}
	if paid {
		show.Paid, err = d.cfg.Ephemera.Once(r.Context(), "login/toll/"+a.Toll.Nonce, signInLife)
		if err != nil {
			return show, fmt.Errorf("taking a toll: %w", err)
		}
		a.Toll = nil
	}
	return show, nil
}

// payToll reports whether the form holds the work, or the wait was long enough and not too many wait.
func (d *Door) payToll(r *http.Request, due *toll) (bool, error) {
	if worked(due.Nonce, r.PostFormValue("work")) {
		return true, nil
	}
	if d.cfg.Now().Sub(due.At) < tollWait {
		return false, nil
	}
	n, err := d.cfg.Ephemera.Count(r.Context(), "login/toll-waited", 1, time.Minute)
	if err != nil {
		return false, fmt.Errorf("counting who waited: %w", err)
	}
	if n > tollWaited {
		return false, account.FieldErrors{{Field: "password", Message: "error.toll.crowd"}}
	}
	return true, nil
}

// worked judges the work: for each part a number, separated by commas, so that the SHA-256 of "nonce.part.number" begins with
// the zero bits.
func worked(nonce, work string) bool {
	answers := strings.Split(work, ",")
	if len(answers) != tollParts {
		return false
	}
	for part, answer := range answers {
		if len(answer) > 10 {
			return false
		}
		sum := sha256.Sum256([]byte(nonce + "." + strconv.Itoa(part) + "." + answer))
		if bits.LeadingZeros32(uint32(sum[0])<<24|uint32(sum[1])<<16|uint32(sum[2])<<8) < tollBits {
			return false
		}
	}
	return true
}

// tollError puts into words why a guess was not judged; refused is whether that was for want of a toll.
func tollError(err error) (shown error, refused bool) {
	var due account.TollError
	if !errors.As(err, &due) {
		return err, false
	}
	message := "error.toll.storm"
	if due.Sprayed {
		message = "error.toll.sprayed"
	}
	return account.FieldErrors{{Field: "password", Message: message}}, true
}
