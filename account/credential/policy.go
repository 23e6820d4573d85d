package credential

import (
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
	case repeats(password):
		return Repeats
	case personal(password, words):
		return IsPersonal
	case p.cfg.Leaked.Has(password):
		return WasLeaked
	}
	// Strength is judged on a beginning: the estimate is quadratic in the length.
	judged := password
	if len(judged) > 72 {
		judged = judged[:72]
	}
	inputs := append([]string{"vhod", "вход", "gosuslugi", "госуслуги", "пароль", "password"}, words...)
	score := zxcvbn.PasswordStrength(judged, inputs).Score
	// A Russian word typed in the Latin layout (and the other way) is a word all the same.
	if other := zxcvbn.PasswordStrength(otherLayout(judged), append(inputs, commonRussian...)).Score; other < score {
		score = other
	}
	if score < p.cfg.MinScore {
		return TooWeak
	}
	return ""
}

// Score rates a password from 0 to 4, for a meter.
func (p *Policy) Score(password string) int {
	if len(password) > 72 {
		password = password[:72]
	}
	return zxcvbn.PasswordStrength(password, nil).Score
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

// personal finds a word of the person's, four letters or longer, in a password in either layout.
func personal(password string, words []string) bool {
	lower := strings.ToLower(password)
	typed := strings.ToLower(otherLayout(password))
	for _, w := range words {
		w = strings.ToLower(strings.TrimSpace(w))
		if utf8.RuneCountInString(w) >= 4 && (strings.Contains(lower, w) || strings.Contains(typed, w)) {
			return true
		}
	}
	return false
}

const (
	latinKeys    = "qwertyuiop[]asdfghjkl;'zxcvbnm,.`QWERTYUIOP{}ASDFGHJKL:\"ZXCVBNM<>~"
	cyrillicKeys = "йцукенгшщзхъфывапролджэячсмитьбюёЙЦУКЕНГШЩЗХЪФЫВАПРОЛДЖЭЯЧСМИТЬБЮЁ"
)

// otherLayout is what the same keys give in the other of the two layouts.
func otherLayout(s string) string {
	latin, cyr := []rune(latinKeys), []rune(cyrillicKeys)
	return strings.Map(func(r rune) rune {
		for i := range latin {
			if r == latin[i] {
				return cyr[i]
			}
			if r == cyr[i] {
				return latin[i]
			}
		}
		return r
	}, s)
}

// commonRussian are words that Russian passwords are most often made of; the estimate's own lists are English.
var commonRussian = []string{
	"пароль", "привет", "любовь", "солнышко", "россия", "москва", "наташа", "марина", "андрей", "александр", "дмитрий",
	"сергей", "максим", "светлана", "татьяна", "екатерина", "анастасия", "спартак", "зенит", "динамо", "йцукен", "фыва",
	"ячсмить", "люблю", "мамочка", "лапочка", "кристина", "вероника", "николай", "владимир", "виктория", "здравствуй",
}
