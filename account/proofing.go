package account

import "time"

// Method of proofing: by what the person's identity was confirmed.
type ProofingMethod string

// The proofing methods.
const (
	ProvenByRegistries ProofingMethod = "registries" // → standard
	ProvenByBank       ProofingMethod = "bank"       // → verified, as the others below
	ProvenByCentre     ProofingMethod = "centre"
	ProvenByLetter     ProofingMethod = "letter"
	ProvenBySignature  ProofingMethod = "signature"
	ProvenByVideo      ProofingMethod = "video"
)

// Evidence is why we believe in an identity. It holds what every later form of answer needs, OpenID
// Connect for Identity Assurance 1.0 §5 included.
type Evidence struct {
	ID       string
	Method   ProofingMethod
	At       time.Time
	Verifier string            // who verified: a registry set, a bank's id, a centre
	Issuer   string            `json:",omitzero"` // the bank's issuer, the certificate's CA
	Record   string            // the verifier's own id of the transaction or record
	Document string            // kind of document relied upon: "passport", "certificate"
	Details  map[string]string `json:",omitzero"` // check details: per-registry grade, bank's acr and auth_time
	Matched  []string          // names of the fields that matched
	Claims   Claimed           // what the verifier asserted; compared, not kept after Confirm
	Level    Level             // the most that this evidence may give
}

// Claimed is an identity as another party asserts it.
type Claimed struct {
	Person   Person
	Passport Passport
	SNILS    SNILS
	INN      INN
	Phone    string
	Subject  string
}

// Registry names a state registry. Which body runs it is configuration (C2).
type Registry string

// The registries.
const (
	RegistryPassport Registry = "passport" // interior ministry: passport and person
	RegistrySNILS    Registry = "snils"    // social fund: SNILS and person
	RegistryINN      Registry = "inn"      // tax service: INN and person
)

// Grade is how a registry's record compares with what the person typed, each with a next step.
type Grade string

// The grades.
const (
	Matches        Grade = "matches"        // letter for letter
	MatchesNearly  Grade = "matches-nearly" // after normalising ё/е, hyphens, spaces, case
	FormerName     Grade = "former-name"    // matches a former name: ask for the present one
	NearMiss       Grade = "near-miss"      // exactly one field differs; Fields names it
	Several        Grade = "several"        // several records fit: an operator or centre decides
	None           Grade = "none"           // no record fits
	InvalidPaper   Grade = "invalid"        // the document is known and not valid
	PersonDeceased Grade = "deceased"       // the record says the person has died
	Silent         Grade = "silent"         // no answer in time: asked again later
)

// Check is a registry's answer about an application.
type Check struct {
	Registry Registry
	Grade    Grade
	Fields   []string // names of form fields that differ: "family_name", "passport_issued_on"
	At       time.Time
	Record   string // the registry's id of its answer
	Known    Name   // the registry's spelling, when the name matches nearly
}
