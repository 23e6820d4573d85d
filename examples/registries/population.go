package registries

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Population is everybody whom the registries know, and a few whom they do not.
type Population struct {
	all []Citizen
}

// ordinaryCount is how many citizens have no story: enough for long scripts that sign people up.
const ordinaryCount = 300

// perStory is how many citizens each other story has.
const perStory = 6

// NewPopulation generates the population, the same one every time. Birth dates lie in fixed years, so
// that ages grow with the calendar; the fifteen-year-olds are born relative to today.
func NewPopulation(today time.Time) *Population {
	g := generator{rng: rand.New(rand.NewPCG(1703, 1917)), taken: map[string]bool{}, today: today}
	p := &Population{}
	for range ordinaryCount {
		p.all = append(p.all, g.citizen(len(p.all)+1, Ordinary))
	}
	for _, story := range []Story{NoMiddleName, NoINN, YoInName, FormerName, NearMiss, PassportInvalid, Deceased, Several, Unknown, Minor} {
		for range perStory {
			p.all = append(p.all, g.citizen(len(p.all)+1, story))
		}
	}
	return p
}

// All returns everybody: first those without a story, then story by story.
func (p *Population) All() []Citizen { return slices.Clone(p.all) }

// Of returns the citizens of one story.
func (p *Population) Of(story Story) []Citizen {
	var found []Citizen
	for _, c := range p.all {
		if c.Story == story {
			found = append(found, c)
		}
	}
	return found
}

// generator draws citizens; no two share a name and a birth date.
type generator struct {
	rng   *rand.Rand
	taken map[string]bool
	today time.Time
}

func (g *generator) pick(words []string) string { return words[g.rng.IntN(len(words))] }

func (g *generator) citizen(n int, story Story) Citizen {
	home := places[g.rng.IntN(len(places))]
	born := g.born(story)
	c := Citizen{
		ID:         fmt.Sprintf("c%03d", n),
		Story:      story,
		Birthdate:  born.Format(time.DateOnly),
		Birthplace: "г. " + home.city,
		Passport:   g.passport(n, home, born),
		SNILS:      snils(112_000_000 + n*70_607),
		INN:        inn(atoi(home.tax)*100_000_000 + 10_000_000 + n*7_919),
		Phone:      fmt.Sprintf("+7900%07d", 1_000_000+n*1_013),
	}
	c.Name, c.Gender = g.name(c.Birthdate)
	c.Email = fmt.Sprintf("%s.%s.%d@pochta.example", latin(c.Name.Given), latin(c.Name.Family), n)
	c.Address = Address{home.region, home.city, g.pick(streets), fmt.Sprint(1 + g.rng.IntN(90)), fmt.Sprint(1 + g.rng.IntN(180)), home.postcode}
	return g.told(c)
}

// told bends a citizen to their story.
func (g *generator) told(c Citizen) Citizen {
	switch c.Story {
	case NoMiddleName:
		c.Name.Middle = ""
	case NoINN:
		c.INN = ""
	case YoInName:
		c.Name.Family = "Королёв"
		if c.Gender == "female" {
			c.Name.Family = "Королёва"
		}
	case FormerName:
		former := c.Name
		for former.Family == c.Name.Family {
			former.Family = g.surname(c.Gender)
		}
		c.Former = []Name{former}
	case PassportInvalid:
		c.Passport.Valid = false
	case Deceased:
		c.Deceased = true
	}
	return c
}

func (g *generator) born(story Story) time.Time {
	if story == Minor {
		return g.today.AddDate(-15, -g.rng.IntN(8), -g.rng.IntN(28))
	}
	return time.Date(1955+g.rng.IntN(48), time.Month(1+g.rng.IntN(12)), 1+g.rng.IntN(28), 0, 0, 0, 0, time.UTC)
}

// passport is issued at the birthday of 14, 20 or 45 that came last.
func (g *generator) passport(n int, home place, born time.Time) Passport {
	issued := born.AddDate(14, 0, 0)
	for _, age := range []int{20, 45} {
		if due := born.AddDate(age, 0, 0); due.Before(g.today.AddDate(-1, 0, 0)) {
			issued = due
		}
	}
	issued = issued.AddDate(0, 0, 3+g.rng.IntN(25))
	return Passport{
		Series:     home.series + issued.Format("06"),
		Number:     fmt.Sprintf("%06d", 100_000+n*1_237),
		IssuedOn:   issued.Format(time.DateOnly),
		IssuerCode: home.office,
		IssuedBy:   home.area,
		Valid:      true,
	}
}

func (g *generator) surname(gender string) string {
	if gender == "female" {
		return feminine(g.pick(surnames))
	}
	return g.pick(surnames)
}

func (g *generator) name(birthdate string) (Name, string) {
	for {
		gender, given, second := "male", menNames, 0
		if g.rng.IntN(2) == 1 {
			gender, given, second = "female", womenNames, 1
		}
		father := g.rng.IntN(len(patronymics) / 2)
		name := Name{g.surname(gender), g.pick(given), patronymics[2*father+second]}
		if key := fmt.Sprint(name, birthdate); !g.taken[key] {
			g.taken[key] = true
			return name, gender
		}
	}
}

func atoi(digits string) int {
	n := 0
	for _, d := range digits {
		n = n*10 + int(d-'0')
	}
	return n
}
