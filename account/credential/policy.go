package credential

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/trustelem/zxcvbn"
	"golang.org/x/text/unicode/norm"
)

// PolicyConfig says which passwords are accepted (C5, C6).
type PolicyConfig struct {
	MinLength int           // characters; 8 when zero: with a second factor
	MaxLength int           // 256 when zero
	MinScore  int           // of zxcvbn, 0 to 4; 3 when zero
	Leaked    *LeakedFilter // may be nil
}

// Policy says which passwords are accepted: a length, four classes of characters, a strength, nothing common,
// nothing leaked and nothing of the person's own.
type Policy struct{ cfg PolicyConfig }

// NewPolicy fills in defaults.
func NewPolicy(cfg PolicyConfig) *Policy {
	if cfg.MinLength == 0 {
		cfg.MinLength = 8
	}
	if cfg.MaxLength == 0 {
		cfg.MaxLength = 256
	}
	if cfg.MinScore == 0 {
		cfg.MinScore = 3
	}
	return &Policy{cfg}
}

// Reason is why a password is refused: a message id of the catalogues.
type Reason string

// The reasons.
const (
	TooShort   Reason = "error.password.short"
	TooLong    Reason = "error.password.long"
	NoClasses  Reason = "error.password.classes"
	TooWeak    Reason = "error.password.weak"
	Repeats    Reason = "error.password.repeats"
	Runs       Reason = "error.password.runs"
	WasLeaked  Reason = "error.password.leaked"
	IsPersonal Reason = "error.password.personal"
)

// Check returns the first reason against a password, or nothing. Words are the person's own: names,
// birth date, phone, address.
func (p *Policy) Check(password string, words ...string) Reason {
	password = norm.NFC.String(password)
	length := utf8.RuneCountInString(password)
	switch {
	case length < p.cfg.MinLength:
		return TooShort
	case length > p.cfg.MaxLength:
		return TooLong
	case !fourClasses(password):
		return NoClasses
	case personal(password, words):
		return IsPersonal
	case repeats(password):
		return Repeats
	case runs(password):
		return Runs
	case p.cfg.Leaked.Has(password):
		return WasLeaked
	}
	if strength(password, words) < p.cfg.MinScore {
		return TooWeak
	}
	return ""
}

// Score rates a password from 0 to 4, for a meter.
func (p *Policy) Score(password string) int { return strength(norm.NFC.String(password), nil) }

// judged is how many characters strength is estimated from: the estimate is quadratic in the length.
const judged = 72

// strength is the least of three estimates: of the password as it is, and of what the same keys give in each of the
// two layouts. A Russian word typed in the Latin layout, or the other way, is a word all the same.
func strength(password string, words []string) int {
	if r := []rune(password); len(r) > judged {
		password = string(r[:judged])
	}
	known := slices.Concat(commonRussian, ownWords, words)
	score := 4
	for _, typed := range []string{password, inLayout(password, cyrillicKeys, latinKeys), inLayout(password, latinKeys, cyrillicKeys)} {
		score = min(score, zxcvbn.PasswordStrength(typed, known).Score)
	}
	return score
}

func fourClasses(password string) bool {
	var upper, lower, digit, other bool
	for _, r := range password {
		switch {
		case unicode.IsUpper(r):
			upper = true
		case unicode.IsLower(r):
			lower = true
		case unicode.IsDigit(r):
			digit = true
		default:
			other = true
		}
	}
	return upper && lower && digit && other
}

// repeats finds four of one character in a row (R160).
func repeats(password string) bool {
	run, last := 0, rune(-1)
	for _, r := range password {
		if r != last {
			run, last = 0, r
		}
		if run++; run >= 4 {
			return true
		}
	}
	return false
}

// runLength is how many neighbours in a row make a run: 12345, qwert (R160).
const runLength = 5

// runs finds neighbours of a keyboard row or of an alphabet, either way.
func runs(password string) bool {
	lower := []rune(strings.ToLower(password))
	for i := range len(lower) - runLength + 1 {
		part := string(lower[i : i+runLength])
		slices.Reverse(lower[i : i+runLength])
		back := string(lower[i : i+runLength])
		slices.Reverse(lower[i : i+runLength])
		for _, row := range keyRows {
			if strings.Contains(row, part) || strings.Contains(row, back) {
				return true
			}
		}
	}
	return false
}

// personal finds a word of the person's, four letters or longer, in a password in either layout.
func personal(password string, words []string) bool {
	lower := strings.ToLower(password)
	latin, cyrillic := inLayout(lower, cyrillicKeys, latinKeys), inLayout(lower, latinKeys, cyrillicKeys)
	for _, w := range words {
		w = strings.ToLower(strings.TrimSpace(w))
		if utf8.RuneCountInString(w) >= 4 && (strings.Contains(lower, w) || strings.Contains(latin, w) || strings.Contains(cyrillic, w)) {
			return true
		}
	}
	return false
}

const (
	latinKeys    = "qwertyuiop[]asdfghjkl;'zxcvbnm,.`QWERTYUIOP{}ASDFGHJKL:\"ZXCVBNM<>~"
	cyrillicKeys = "йцукенгшщзхъфывапролджэячсмитьбюёЙЦУКЕНГШЩЗХЪФЫВАПРОЛДЖЭЯЧСМИТЬБЮЁ"
)

// inLayout is what the keys of one layout give in another.
func inLayout(s, from, to string) string {
	keys, gives := []rune(from), []rune(to)
	return strings.Map(func(r rune) rune {
		if i := slices.Index(keys, r); i >= 0 {
			return gives[i]
		}
		return r
	}, s)
}

// The words of this file are read, never changed.
var (
	keyRows = []string{
		"1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю",
		"abcdefghijklmnopqrstuvwxyz", "абвгдежзийклмнопрстуфхцчшщъыьэюя",
	}
	ownWords = []string{"vhod", "вход", "gosuslugi", "госуслуги"}
	// commonRussian are words that Russian passwords are most often made of; the estimate's own lists are English.
	commonRussian = strings.Fields(`пароль привет любовь солнышко россия москва наташа марина андрей александр дмитрий
		сергей максим светлана татьяна екатерина анастасия спартак зенит динамо йцукен фыва ячсмить люблю мамочка
		лапочка кристина вероника николай владимир виктория здравствуй ольга ирина елена юлия алексей михаил евгений
		артем никита собака кошка котенок малышка зайчик ангел счастье ромашка победа родина медведь лето зима весна
		осень январь февраль апрель август сентябрь октябрь ноябрь декабрь понедельник вторник пятница суббота
		parol privet lubov lyubov solnyshko rossiya moskva natasha sergey dmitriy aleksandr spartak zenit qazwsx`)
)
