package op

import (
	"errors"
	"slices"
	"time"
)

// mostDepth is how deep a verification is asked; what we hold is less deep.
const mostDepth = 8

// The members of a request that bound a value (OpenID Connect Core §5.5.1, OpenID Connect for Identity Assurance 1.0 §5.5), and those
// that say nothing of it.
var (
	bounds   = []string{"value", "values", "max_age"}
	remarks  = []string{"essential", "purpose"}
	anchored = []string{"type", "check_method"} // without which an element is not valid
)

// pick answers the request for a part of a verification from what is held (OpenID Connect for Identity Assurance 1.0 §5.4, §5.5): null
// asks for the whole of it, an object for its members, an array for the elements that fit one of its entries. What is not
// held is left out. It reports false when a value, values or max_age is not kept, also because there is nothing that could keep it.
func pick(asked, held any, now time.Time) (any, bool) {
	if held == nil {
		return nil, !bounded(asked)
	}
	want, _ := asked.(map[string]any)
	switch held := held.(type) {
	case string:
		return held, asked == nil || want != nil && keeps(want, held, now)
	case []any:
		return pickElements(asked, held, now)
	case map[string]any:
		if asked == nil {
			return held, true
		}
		return pickMembers(want, held, now)
	}
	return nil, false
}

// pickMembers answers the request for members of an object.
func pickMembers(want, held map[string]any, now time.Time) (any, bool) {
	if want == nil {
		return nil, false // not an object
	}
	out := map[string]any{}
	whole := true
	for name, asked := range want {
		switch {
		case slices.Contains(bounds, name):
			return nil, false // an object is not compared
		case slices.Contains(remarks, name):
			continue
		}
		whole = false
		part, ok := pick(asked, held[name], now)
		if !ok {
			return nil, false
		}
		if part != nil {
			out[name] = part
		}
	}
	if whole { // {} is null
		return held, true
	}
	if len(out) == 0 {
		return nil, true
	}
	for _, name := range anchored {
		if v := held[name]; v != nil {
			out[name] = v
		}
	}
	return out, true
}

// pickElements answers the request for elements of an array: of each the parts that the first entry asks for that it fits.
func pickElements(asked any, held []any, now time.Time) (any, bool) {
	entries, is := asked.([]any)
	if !is {
		entries = []any{asked}
	}
	var out []any
	for _, element := range held {
		for _, entry := range entries {
			if part, ok := pick(entry, element, now); ok {
				if part != nil {
					out = append(out, part)
				}
				break
			}
		}
	}
	if len(out) == 0 {
		return nil, !bounded(asked)
	}
	return out, true
}

// bounded reports whether a request bounds a value anywhere in it.
func bounded(asked any) bool {
	switch asked := asked.(type) {
	case map[string]any:
		for name, part := range asked {
			if slices.Contains(bounds, name) || bounded(part) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(asked, bounded)
	}
	return false
}

// keeps reports whether a text is one that was asked for.
func keeps(want map[string]any, held string, now time.Time) bool {
	if value, is := want["value"]; is && value != held {
		return false
	}
	if values, is := want["values"].([]any); is && !slices.Contains(values, any(held)) {
		return false
	}
	if age, is := want["max_age"].(float64); is {
		end, err := time.Parse(time.RFC3339, held)
		if err != nil {
			if end, err = time.Parse(time.DateOnly, held); err != nil {
				return false
			}
			end = end.AddDate(0, 0, 1).Add(-time.Second) // the last second of the day
		}
		return now.Sub(end).Seconds() <= age
	}
	for name, part := range want { // a text has no members that could keep a bound
		if !slices.Contains(bounds, name) && bounded(part) {
			return false
		}
	}
	return true
}

// wellFormed checks that a request for a verification can be understood to its last bound: one that is misread would be ignored, and a
// bound must not be.
func wellFormed(asked any, depth int) error {
	if depth > mostDepth {
		return errors.New("verification is too deep")
	}
	switch asked := asked.(type) {
	case nil:
	case map[string]any:
		for name, part := range asked {
			if err := wellFormedMember(name, part, depth); err != nil {
				return err
			}
		}
	case []any:
		if len(asked) == 0 {
			return errors.New("an array in verification is empty")
		}
		for _, entry := range asked {
			if _, is := entry.(map[string]any); !is {
				return errors.New("an array in verification has an entry that is not an object")
			}
			if err := wellFormed(entry, depth+1); err != nil {
				return err
			}
		}
	default:
		return errors.New("an element of verification is asked with null, an object or an array")
	}
	return nil
}

func wellFormedMember(name string, part any, depth int) error {
	switch name {
	case "value":
		if _, is := part.(string); !is {
			return errors.New("value is a text in verification")
		}
	case "values":
		values, is := part.([]any)
		if !is || len(values) == 0 {
			return errors.New("values is an array with at least one member")
		}
	case "max_age":
		if age, is := part.(float64); !is || age < 0 {
			return errors.New("max_age is a number of seconds")
		}
	case "essential":
		if _, is := part.(bool); !is {
			return errors.New("essential is true or false")
		}
	case "purpose":
		if _, is := part.(string); !is {
			return errors.New("purpose is a text")
		}
	default:
		return wellFormed(part, depth+1)
	}
	return nil
}
