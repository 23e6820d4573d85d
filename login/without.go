package login

import "net/http"

// withoutPage is where somebody says that they have nothing surer with them than their number.
const withoutPage = "/login/without"

// withoutRoutes lead who signs in in a new browser, and has left what they would show at home, to a code by SMS and one by e-mail.
func (d *Door) withoutRoutes() []route {
	return []route{
		{"GET " + withoutPage, d.showWithout},
		{"POST " + withoutPage, d.takeWithout},
	}
}

// withoutData is what the page without shows.
type withoutData struct {
	Attempt string
	Shared  bool // the browser will be a new one the next time, too
}

// enterWithout loads an attempt whose person may say so now, or sends it to where it stands.
func (d *Door) enterWithout(w http.ResponseWriter, r *http.Request) (*visit, error) {
	v, err := d.enter(r)
	if err != nil {
		return nil, err
	}
	if ok, err := d.stands(w, r, v, stepSecond); !ok {
		return nil, err
	}
	if !circumstancesOf(v.person, v.policy).mayDoWithout() {
		return nil, d.advance(w, r, v)
	}
	return v, nil
}

func (d *Door) showWithout(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enterWithout(w, r)
	if v == nil {
		return err
	}
	page := v.page(d, r, "without", withoutData{v.attempt.ID, v.attempt.Shared})
	page.Back = at(v.path(stepSecond), v.attempt)
	return d.render(w, r, v.attempt, page)
}

func (d *Door) takeWithout(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enterWithout(w, r)
	if v == nil {
		return err
	}
	v.attempt.Without, v.policy.Without = true, true
	return d.advance(w, r, v)
}
