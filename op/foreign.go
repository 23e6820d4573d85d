package op

import (
	"net/http"
	"net/url"
)

// mostBrought is how long an address may get with what another site posted: proxies cut longer ones.
const mostBrought = 7 << 10

// foreignPost reports whether another site's form brought the browser. The session's cookie is SameSite=Lax and stays behind then, so that
// nobody seems to be signed in here.
func foreignPost(r *http.Request) bool {
	return r.Method == http.MethodPost && http.NewCrossOriginProtection().Check(r) != nil
}

// againByGet sends a browser that another site's form brought here once more by GET, with which the cookies come; false when it need not, or when
// the form is longer than an address may be.
func againByGet(w http.ResponseWriter, r *http.Request, form url.Values) bool {
	query := form.Encode()
	if !foreignPost(r) || len(query) > mostBrought {
		return false
	}
	http.Redirect(w, r, r.URL.Path+"?"+query, http.StatusSeeOther)
	return true
}
