package registries

import "fmt"

// snils returns an insurance number with its check digits: the sum of the nine digits weighted 9..1,
// modulo 101, where 100 is written 00.
func snils(body int) string {
	digits := fmt.Sprintf("%09d", body)
	sum := 0
	for i, d := range digits {
		sum += int(d-'0') * (9 - i)
	}
	return fmt.Sprintf("%s%02d", digits, sum%101%100)
}

// inn returns a person's taxpayer number with its two check digits.
func inn(body int) string {
	digits := fmt.Sprintf("%010d", body)
	digits += check(digits, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)
	return digits + check(digits, 3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)
}

func check(digits string, weights ...int) string {
	sum := 0
	for i, w := range weights {
		sum += int(digits[i]-'0') * w
	}
	return fmt.Sprint(sum % 11 % 10)
}
