// Package registries is the state of the stand: a population with its papers, and the three registries
// that answer about it over HTTP (passports, insurance numbers, taxpayer numbers).
//
// The population is invented and generated, the same on every start; numbers have right check digits.
// A Citizen is what the state knows. What the citizen types into a form is Typed, and differs where the
// story of the citizen is about a difference.
package registries

import "strings"

// Citizen is one person as the registries know them.
type Citizen struct {
	ID        string // "c001", for people who read the stand
	Story     Story
	Name      Name
	Former    []Name // names borne before, oldest first
	Birthdate string // YYYY-MM-DD, as all dates here
	Birthplace,
	Gender string // "male" or "female"
	Passport Passport
	SNILS    string // eleven digits
	INN      string // twelve digits; empty when none was given
	Address  Address
	Phone    string // E.164
	Email    string
	Deceased bool
}

// Name of a person; Middle is empty when there is none.
type Name struct {
	Family string `json:"family_name"`
	Given  string `json:"given_name"`
	Middle string `json:"middle_name"`
}

// Passport is an internal passport.
type Passport struct {
	Series     string `json:"series"`
	Number     string `json:"number"`
	IssuedOn   string `json:"issued_on"`
	IssuerCode string `json:"issuer_code"`
	IssuedBy   string `json:"issued_by"`
	Valid      bool   `json:"valid"`
}

// Address of registration.
type Address struct {
	Region   string `json:"region"`
	City     string `json:"city"`
	Street   string `json:"street"`
	House    string `json:"house"`
	Flat     string `json:"flat"`
	Postcode string `json:"postcode"`
}

// Story is what is peculiar about a citizen. Most have none.
type Story string

// The stories of the population, and the grade that an application of such a citizen meets.
const (
	Ordinary        Story = "ordinary"
	NoMiddleName    Story = "no-middle-name"
	NoINN           Story = "no-inn"
	YoInName        Story = "yo-in-name"       // the registry writes ё, the citizen е: matches nearly
	FormerName      Story = "former-name"      // types the name borne before marriage
	NearMiss        Story = "near-miss"        // types a wrong day of issue of the passport
	PassportInvalid Story = "passport-invalid" // the passport has expired
	Deceased        Story = "deceased"         // the registries say that the person has died
	Several         Story = "several"          // two records bear this passport's number
	Unknown         Story = "unknown"          // the registries have never heard of the person
	Minor           Story = "minor"            // fifteen years old
)

// Typed is the citizen as they fill in a form.
func (c Citizen) Typed() Citizen {
	switch c.Story {
	case YoInName:
		yo := strings.NewReplacer("ё", "е", "Ё", "Е")
		c.Name = Name{yo.Replace(c.Name.Family), yo.Replace(c.Name.Given), yo.Replace(c.Name.Middle)}
	case FormerName:
		c.Name = c.Former[len(c.Former)-1]
	case NearMiss:
		c.Passport.IssuedOn = otherDay(c.Passport.IssuedOn)
	}
	return c
}

// otherDay changes the day of a date within its month.
func otherDay(date string) string {
	if strings.HasSuffix(date, "-11") {
		return date[:8] + "12"
	}
	return date[:8] + "11"
}
