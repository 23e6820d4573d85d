package portal

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// What the services need to know.
var (
	forCertificate = need{level: "standard", scopes: []string{"openid", "profile", "snils"}}
	forFines       = need{level: "verified", scopes: []string{"openid", "profile", "inn"}}
)

// office keeps what the services did: numbers of certificates and receipts.
type office struct {
	mu       *sync.Mutex
	last     *int
	orders   map[string]order   // by number
	receipts map[string]receipt // by number
	settled  map[string]bool    // by subject and fine
}

type order struct{ Number, Subject, Name, Purpose, Date string }

type receipt struct {
	Number, Subject, Date string
	Fine                  fine
}

type fine struct {
	ID, Date, Why, Place string
	Rubles               int
	Paid                 bool
}

func newOffice() office {
	return office{mu: &sync.Mutex{}, last: new(int), orders: map[string]order{}, receipts: map[string]receipt{}, settled: map[string]bool{}}
}

// number gives the next number of a kind; it is called under the lock.
func (o office) number(kind string, now time.Time) string {
	*o.last++
	return fmt.Sprintf("%s-%s-%04d", kind, now.Format("060102"), *o.last)
}

func (p *Portal) home(w http.ResponseWriter, r *http.Request) error {
	p.show(w, r, http.StatusOK, view{Name: "portal-home", Title: "Портал услуг"})
	return nil
}

func (p *Portal) me(w http.ResponseWriter, r *http.Request) error {
	u, err := p.known(w, r, everybody)
	if u == nil {
		return err
	}
	p.show(w, r, http.StatusOK, view{Name: "portal-me", Title: "Мои данные", Data: map[string]any{
		"Rows": rows(u.claims), "Level": levelWords[u.level()], "Strength": strengthWords[u.strength()], "ACR": u.acr,
		"AsOf": u.asOf.Format("02.01.2006 15:04"), "Bound": u.key != nil,
	}})
	return nil
}

// certificate shows the form, filled in with what was released.
func (p *Portal) certificate(w http.ResponseWriter, r *http.Request) error {
	u, err := p.known(w, r, forCertificate)
	if u == nil {
		return err
	}
	p.show(w, r, http.StatusOK, view{Name: "portal-certificate", Title: "Справка", Data: rows(u.claims, "name", "birthdate", "snils")})
	return nil
}

func (p *Portal) orderCertificate(w http.ResponseWriter, r *http.Request) error {
	u := p.sessions.user(r)
	if u == nil || !forCertificate.metBy(u) {
		http.Redirect(w, r, "/certificate", http.StatusSeeOther)
		return nil
	}
	purpose := "для личных целей"
	if r.PostFormValue("purpose") == "work" {
		purpose = "по месту работы"
	}
	now := p.cfg.Now()
	p.office.mu.Lock()
	number := p.office.number("СПР", now)
	p.office.orders[number] = order{number, u.subject, text(u.claims["name"]), purpose, now.Format("02.01.2006")}
	p.office.mu.Unlock()
	http.Redirect(w, r, "/certificate/done?number="+number, http.StatusSeeOther)
	return nil
}

func (p *Portal) certificateDone(w http.ResponseWriter, r *http.Request) error {
	u := p.sessions.user(r)
	p.office.mu.Lock()
	found, ok := p.office.orders[r.FormValue("number")]
	p.office.mu.Unlock()
	if u == nil || !ok || found.Subject != u.subject {
		return refusal{Code: "not_found"}
	}
	p.show(w, r, http.StatusOK, view{Name: "portal-certificate-done", Title: "Заявление принято", Data: found})
	return nil
}

func (p *Portal) fines(w http.ResponseWriter, r *http.Request) error {
	u, err := p.known(w, r, forFines)
	if u == nil {
		return err
	}
	p.show(w, r, http.StatusOK, view{Name: "portal-fines", Title: "Штрафы по ИНН", Data: map[string]any{
		"INN": text(u.claims["inn"]), "Fines": p.finesOf(u),
	}})
	return nil
}

// finesOf invents one to three fines for a taxpayer number, always the same ones.
func (p *Portal) finesOf(u *user) []fine {
	inn := text(u.claims["inn"])
	if inn == "" {
		return nil
	}
	invented := []fine{
		{Why: "Превышение скорости на 20–40 км/ч", Place: "Садовая улица, 14", Rubles: 750},
		{Why: "Остановка под знаком", Place: "Лесная улица, 3", Rubles: 1500},
		{Why: "Проезд без оплаты парковки", Place: "Набережная улица, 21", Rubles: 5000},
	}
	sum := sha256.Sum256([]byte(inn))
	seed := binary.BigEndian.Uint32(sum[:])
	p.office.mu.Lock()
	defer p.office.mu.Unlock()
	found := invented[:1+seed%3]
	for i := range found {
		found[i].ID = fmt.Sprintf("18810%010d", uint64(seed)+uint64(i))
		found[i].Date = time.Date(2026, time.Month(1+seed%10), 1+i+int(seed%20), 0, 0, 0, 0, time.UTC).Format("02.01.2006")
		found[i].Paid = p.office.settled[u.subject+found[i].ID]
	}
	return found
}

// pay settles a fine, once.
func (p *Portal) pay(w http.ResponseWriter, r *http.Request) error {
	u := p.sessions.user(r)
	if u == nil || !forFines.metBy(u) {
		http.Redirect(w, r, "/fines", http.StatusSeeOther)
		return nil
	}
	for _, f := range p.finesOf(u) {
		if f.ID != r.PostFormValue("fine") || f.Paid {
			continue
		}
		now := p.cfg.Now()
		p.office.mu.Lock()
		number := p.office.number("КВ", now)
		p.office.settled[u.subject+f.ID] = true
		p.office.receipts[number] = receipt{number, u.subject, now.Format("02.01.2006 15:04"), f}
		p.office.mu.Unlock()
		http.Redirect(w, r, "/fines/paid?receipt="+number, http.StatusSeeOther)
		return nil
	}
	return refusal{Code: "not_found"}
}

func (p *Portal) paid(w http.ResponseWriter, r *http.Request) error {
	u := p.sessions.user(r)
	p.office.mu.Lock()
	found, ok := p.office.receipts[r.FormValue("receipt")]
	p.office.mu.Unlock()
	if u == nil || !ok || found.Subject != u.subject {
		return refusal{Code: "not_found"}
	}
	p.show(w, r, http.StatusOK, view{Name: "portal-paid", Title: "Штраф оплачен", Data: found})
	return nil
}
