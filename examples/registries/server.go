package registries

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/vhod-id/vhod/examples/faults"
)

// The adapters' names in the faults of the stand.
const (
	FaultPassport = "registry-passport"
	FaultSNILS    = "registry-snils"
	FaultINN      = "registry-inn"
)

// Server answers for the three registries.
type Server struct {
	population *Population
	faults     *faults.Set
	key        string // what Authorization must bear; empty: anybody
}

// NewServer makes the registries over a population. Callers show key as a bearer token; empty lets
// everybody in.
func NewServer(p *Population, f *faults.Set, key string) *Server {
	return &Server{population: p, faults: f, key: key}
}

// Handler serves POST /registry/passport, /registry/snils and /registry/inn.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /registry/passport", s.answer(FaultPassport, "P", func(q query) func(Citizen) bool {
		return func(c Citizen) bool {
			return c.Passport.Series == digits(q.Series) && c.Passport.Number == digits(q.Number)
		}
	}))
	mux.Handle("POST /registry/snils", s.answer(FaultSNILS, "S", func(q query) func(Citizen) bool {
		return func(c Citizen) bool { return c.SNILS == digits(q.SNILS) }
	}))
	mux.Handle("POST /registry/inn", s.answer(FaultINN, "T", func(q query) func(Citizen) bool {
		return func(c Citizen) bool { return c.INN != "" && c.INN == digits(q.INN) }
	}))
	return mux
}

// query is what a registry is asked; each uses its own document and the person.
type query struct {
	Series     string `json:"series"`
	Number     string `json:"number"`
	IssuedOn   string `json:"issued_on"`
	IssuerCode string `json:"issuer_code"`
	SNILS      string `json:"snils"`
	INN        string `json:"inn"`
	Name
	Birthdate string `json:"birthdate"`
	Gender    string `json:"gender"`
}

// record is what a registry answers. A registry tells of its own document alone.
type record struct {
	Record      string    `json:"record"`
	Status      string    `json:"status"` // found, none, several, invalid, deceased
	Person      *person   `json:"person,omitempty"`
	FormerNames []Name    `json:"former_names,omitempty"`
	Passport    *Passport `json:"passport,omitempty"`
	SNILS       string    `json:"snils,omitempty"`
	INN         string    `json:"inn,omitempty"`
}

type person struct {
	Name
	Birthdate string `json:"birthdate"`
	Gender    string `json:"gender"`
}

// answer serves one registry: by its document first, then by the person's name and birth date.
func (s *Server) answer(adapter, prefix string, document func(query) func(Citizen) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.key != "" && r.Header.Get("Authorization") != "Bearer "+s.key {
			http.Error(w, `{"error":"unknown key"}`, http.StatusUnauthorized)
			return
		}
		var q query
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<10)).Decode(&q); err != nil {
			http.Error(w, `{"error":"not a query"}`, http.StatusBadRequest)
			return
		}
		outcome := s.faults.Strike(r.Context(), adapter)
		switch outcome {
		case faults.Down, faults.Timeout:
			panic(http.ErrAbortHandler)
		case faults.Refuse:
			http.Error(w, `{"error":"refused"}`, http.StatusServiceUnavailable)
			return
		}
		found := s.find(document(q), q)
		if outcome == faults.Mismatch && len(found) == 1 {
			found[0] = s.another(found[0])
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(describe(adapter, prefix, found))
	})
}

func (s *Server) find(byDocument func(Citizen) bool, q query) []Citizen {
	if found := s.known(byDocument); len(found) > 0 {
		return found
	}
	return s.known(func(c Citizen) bool {
		if c.Birthdate != q.Birthdate {
			return false
		}
		for _, name := range append([]Name{c.Name}, c.Former...) {
			if plain(name) == plain(q.Name) {
				return true
			}
		}
		return false
	})
}

// known returns the matching citizens whom the registries know.
func (s *Server) known(match func(Citizen) bool) []Citizen {
	var found []Citizen
	for _, c := range s.population.all {
		if c.Story != Unknown && match(c) {
			found = append(found, c)
			if c.Story == Several {
				found = append(found, c)
			}
		}
	}
	return found
}

// another is somebody else, for the fault that mixes people up.
func (s *Server) another(c Citizen) Citizen {
	for _, other := range s.population.all {
		if other.ID != c.ID && other.Gender == c.Gender {
			return other
		}
	}
	return c
}

func describe(adapter, prefix string, found []Citizen) record {
	switch {
	case len(found) == 0:
		return record{Record: prefix + "-none", Status: "none"}
	case len(found) > 1:
		return record{Record: prefix + "-" + found[0].ID, Status: "several"}
	}
	c := found[0]
	out := record{Record: prefix + "-" + c.ID, Status: "found", Person: &person{c.Name, c.Birthdate, c.Gender}, FormerNames: c.Former}
	switch adapter {
	case FaultPassport:
		out.Passport = &c.Passport
		if !c.Passport.Valid {
			out.Status = "invalid"
		}
	case FaultSNILS:
		out.SNILS = c.SNILS
	case FaultINN:
		out.INN = c.INN
	}
	if c.Deceased {
		out.Status = "deceased"
	}
	return out
}

// plain writes a name as registries search it: lower case, е for ё, no spaces.
func plain(n Name) string {
	name := strings.ToLower(n.Family + "|" + n.Given + "|" + n.Middle)
	return strings.NewReplacer("ё", "е", " ", "").Replace(name)
}

// digits drops everything but digits.
func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}
