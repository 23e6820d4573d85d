package account_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vhod-id/vhod/account"
)

// TestCloneSharesNothingThatAChangeCouldWriteThrough fills every field of an account, those of later releases too, and
// looks for memory that its clone shares.
func TestCloneSharesNothingThatAChangeCouldWriteThrough(t *testing.T) {
	a := new(account.Account)
	fill(reflect.ValueOf(a).Elem())
	c := a.Clone()
	was, err := account.Encode(a)
	if err != nil {
		t.Fatal(err)
	}
	is, err := account.Encode(c)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(was), string(is)); diff != "" {
		t.Errorf("the clone differs (-original +clone):\n%s", diff)
	}
	for _, path := range shared("Account", reflect.ValueOf(a).Elem(), reflect.ValueOf(c).Elem()) {
		t.Errorf("%s is shared", path)
	}
}

// fill gives everything that can be shared two elements.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.SetMapIndex(key, value)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.String:
		v.SetString("text")
	}
}

// shared lists what two values have in common that can be written.
func shared(path string, a, b reflect.Value) (paths []string) {
	if a.Type() == reflect.TypeFor[time.Time]() {
		return nil
	}
	switch a.Kind() {
	case reflect.Struct:
		for i := range a.NumField() {
			if field := a.Type().Field(i); field.IsExported() {
				paths = append(paths, shared(path+"."+field.Name, a.Field(i), b.Field(i))...)
			}
		}
	case reflect.Slice:
		if a.Len() > 0 && a.Pointer() == b.Pointer() {
			return []string{path}
		}
		for i := range a.Len() {
			paths = append(paths, shared(fmt.Sprintf("%s[%d]", path, i), a.Index(i), b.Index(i))...)
		}
	case reflect.Map, reflect.Pointer:
		if a.Pointer() == b.Pointer() {
			return []string{path}
		}
	}
	return paths
}
