package records

import (
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
)

// dialect is all in which the two engines differ.
type dialect struct {
	goose goose.Dialect
	// forUpdate ends a SELECT whose row is about to be changed in the same transaction, so that those
	// who wait for it queue; SQLite has one writer.
	forUpdate string
	// skipLocked ends a SELECT that passes by rows which another transaction is changing.
	skipLocked string
	// swaps says that one statement may change several tables (swap.go).
	swaps bool
	// layout says where rows lie (layout.go); none: there is nothing to say.
	layout []string
	// crossed reports an error after which the transaction may be run again.
	crossed func(error) bool
}

// rows writes n groups of placeholders of the given width: ($1, $2), ($3, $4).
func rows(n, width int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("(")
		b.WriteString(list(i*width+1, width))
		b.WriteString(")")
	}
	return b.String()
}

// list writes n placeholders from the given number on: $3, $4, $5.
func list(from, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(from+i))
	}
	return b.String()
}
