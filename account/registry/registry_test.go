package registry_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/account/registry"
	"github.com/vhod-id/vhod/keys"
)

var now = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func application(t *testing.T) account.Application {
	t.Helper()
	snils, err := account.ParseSNILS("112-233-445 95")
	if err != nil {
		t.Fatal(err)
	}
	return account.Application{
		Person: account.Person{FamilyName: "Соколова", GivenName: "Анна", MiddleName: "Сергеевна",
			Birthdate: account.Date{Year: 1990, Month: 5, Day: 17}, Gender: account.Female},
		Passport: account.Passport{Series: "9210", Number: "123456", IssuedOn: account.Date{Year: 2010, Month: 6, Day: 2}, IssuerCode: "160-003"},
		SNILS:    snils,
	}
}

const (
	person   = `"person":{"family_name":"Соколова","given_name":"Анна","middle_name":"Сергеевна","birthdate":"1990-05-17","gender":"female"}`
	passport = `"passport":{"series":"92 10","number":"123456","issued_on":"2010-06-02","issuer_code":"160-003","issued_by":"МВД","valid":true}`
)

// registries starts servers that answer by the paths /passport, /snils and /inn.
func registries(t *testing.T, log io.Writer, answer http.HandlerFunc) *registry.Registries {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	endpoints := map[account.Registry]registry.Endpoint{}
	for _, name := range []account.Registry{account.RegistryPassport, account.RegistrySNILS, account.RegistryINN} {
		endpoints[name] = registry.Endpoint{URL: server.URL + "/" + string(name), Key: keys.NewSecret("key-of-" + string(name))}
	}
	r, err := registry.New(registry.Config{Endpoints: endpoints, Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func grades(checks []account.Check) string {
	var out []string
	for _, c := range checks {
		out = append(out, fmt.Sprintf("%s %s %v", c.Registry, c.Grade, c.Fields))
	}
	return strings.Join(out, ", ")
}

func TestRegistriesAreAskedInTheirWords(t *testing.T) {
	asked := make(chan string, 3)
	r := registries(t, io.Discard, func(w http.ResponseWriter, r *http.Request) {
		var q map[string]string
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			t.Error(err)
		}
		if r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer key-of"+strings.ReplaceAll(r.URL.Path, "/", "-") {
			t.Errorf("%s %s by %q", r.Method, r.URL.Path, r.Header.Get("Authorization"))
		}
		var want map[string]string
		name := map[string]string{"family_name": "Соколова", "given_name": "Анна", "middle_name": "Сергеевна", "birthdate": "1990-05-17", "gender": "female"}
		switch want = name; r.URL.Path {
		case "/passport":
			want["series"], want["number"], want["issued_on"], want["issuer_code"] = "9210", "123456", "2010-06-02", "160-003"
			_, _ = fmt.Fprintf(w, `{"record":"p1","status":"found",%s,%s}`, person, passport)
		case "/snils":
			want["snils"] = "11223344595"
			_, _ = fmt.Fprintf(w, `{"record":"s1","status":"found",%s,"snils":"112-233-445 95"}`, person)
		}
		if diff := cmp.Diff(want, q); diff != "" {
			t.Errorf("%s is asked (-want +got):\n%s", r.URL.Path, diff)
		}
		asked <- r.URL.Path
	})
	got := r.Check(t.Context(), application(t))
	if s := grades(got); s != "passport matches [], snils matches []" {
		t.Error(s)
	}
	if got[0].Record != "p1" || got[1].Record != "s1" || !got[0].At.Equal(now) {
		t.Errorf("%+v", got)
	}
	if len(asked) != 2 {
		t.Errorf("%d were asked: without an INN the tax service is not", len(asked))
	}
}

func TestAnswersAreGraded(t *testing.T) {
	for answer, want := range map[string]string{
		`{"status":"none"}`:     "none [snils]",
		`{"status":"several"}`:  "several []",
		`{"status":"deceased"}`: "deceased []",
		`{"status":"found",` + person + `,"snils":"11223344600"}`:                                                                                                                                      "near-miss [snils]",
		`{"status":"found",` + strings.Replace(person, "Соколова", "СОКОЛОВА", 1) + `,"snils":"11223344595"}`:                                                                                          "matches-nearly []",
		`{"status":"found",` + strings.Replace(person, "Соколова", "Петрова", 1) + `,"snils":"11223344595"}`:                                                                                           "near-miss [family_name]",
		`{"status":"found",` + strings.Replace(person, "Соколова", "Петрова", 1) + `,"former_names":[{"family_name":"Соколова","given_name":"Анна","middle_name":"Сергеевна"}],"snils":"11223344595"}`: "former-name [family_name]",
	} {
		r := registries(t, io.Discard, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/passport" {
				_, _ = fmt.Fprintf(w, `{"status":"found",%s,%s}`, person, strings.Replace(passport, "true", "false", 1))
				return
			}
			_, _ = io.WriteString(w, answer)
		})
		if s := grades(r.Check(t.Context(), application(t))); s != "passport invalid [passport_number], snils "+want {
			t.Errorf("%s\n is %s", answer, s)
		}
	}
}

func TestWhatIsNoAnswerIsSilenceAndSaysNothingInTheLog(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"an error":       func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", http.StatusBadGateway) },
		"another page":   func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>Соколова") },
		"another status": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"status":"busy"}`) },
		"no status":      func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{}`) },
		"no document": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"status":"found",`+person+`}`)
		},
		"no day": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"status":"found","person":{"birthdate":"17.05.1990"}}`)
		},
		"an endless one": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"record":"`+strings.Repeat("x", 1<<20))
		},
		"elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		},
		"a cut connection": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			r := registries(t, &log, answer)
			if s := grades(r.Check(t.Context(), application(t))); s != "passport silent [], snils silent []" {
				t.Error(s)
			}
			for _, personal := range []string{"Соколова", "11223344595", "123456", "1990", "key-of"} {
				if strings.Contains(log.String(), personal) {
					t.Errorf("%q is in the log: %s", personal, log.String())
				}
			}
		})
	}
}

func TestLateRegistryIsSilentAndTheOthersAreHeard(t *testing.T) {
	stop := make(chan struct{})
	r := registries(t, io.Discard, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/passport" {
			select {
			case <-stop:
			case <-r.Context().Done():
			}
			return
		}
		_, _ = fmt.Fprintf(w, `{"status":"found",%s,"snils":"11223344595"}`, person)
	})
	defer close(stop)
	if s := grades(r.Check(t.Context(), application(t))); s != "passport silent [], snils matches []" {
		t.Error(s)
	}
}

func TestUnnamedRegistryIsSilent(t *testing.T) {
	r, err := registry.New(registry.Config{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	if s := grades(r.Check(t.Context(), application(t))); s != "passport silent [], snils silent []" {
		t.Error(s)
	}
}
