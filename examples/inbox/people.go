package inbox

import (
	"net/http"
	"slices"
	"strconv"
)

// Person is somebody whom a script can play: what they type, where they bank. It is the record of
// GET /people (stand.md); the fields birthplace and address are what the forms want besides.
type Person struct {
	ID          string   `json:"id"`
	Story       string   `json:"story"`
	Level       string   `json:"level"` // of their account; empty when they have none
	Phone       string   `json:"phone"`
	Email       string   `json:"email"`
	SNILS       string   `json:"snils"`
	INN         string   `json:"inn"`
	Passport    Passport `json:"passport"`
	FamilyName  string   `json:"familyName"`
	GivenName   string   `json:"givenName"`
	MiddleName  string   `json:"middleName"`
	Birthdate   string   `json:"birthdate"` // YYYY-MM-DD
	Birthplace  string   `json:"birthplace"`
	Gender      string   `json:"gender"` // male, female
	Address     Address  `json:"address"`
	Password    string   `json:"password"` // of the account, or a good one for signing up
	TOTPSecret  string   `json:"totpSecret,omitempty"`
	BackupCodes []string `json:"backupCodes,omitempty"`
	Bank        *Bank    `json:"bank,omitempty"`
	Roles       []string `json:"roles"`
	Registered  bool     `json:"registered"`
}

// Passport as it is typed.
type Passport struct {
	Series     string `json:"series"`
	Number     string `json:"number"`
	IssuedOn   string `json:"issuedOn"`
	IssuerCode string `json:"issuerCode"`
	IssuedBy   string `json:"issuedBy"`
}

// Address of registration as it is typed.
type Address struct {
	Region   string `json:"region"`
	City     string `json:"city"`
	Street   string `json:"street"`
	House    string `json:"house"`
	Flat     string `json:"flat"`
	Postcode string `json:"postcode"`
}

// Bank is where a person banks and how they sign in there.
type Bank struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	Password string `json:"password"`
}

// people answers GET /people: those with an account, or with registered=false the others; chosen
// further by story, id and level; limit and skip cut a piece out.
func (s *Server) people(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	registered := q.Get("registered") != "false"
	found := slices.DeleteFunc(slices.Clone(s.cfg.People), func(p Person) bool {
		return p.Registered != registered || differs(q.Get("story"), p.Story) || differs(q.Get("id"), p.ID) || differs(q.Get("level"), p.Level)
	})
	if skip, err := strconv.Atoi(q.Get("skip")); err == nil && skip > 0 {
		found = found[min(skip, len(found)):]
	}
	if limit, err := strconv.Atoi(q.Get("limit")); err == nil && limit >= 0 {
		found = found[:min(limit, len(found))]
	}
	answer(w, http.StatusOK, found)
}

func differs(wanted, value string) bool { return wanted != "" && wanted != value }
