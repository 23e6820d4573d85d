package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
)

var errNoRequest = errors.New("the request is no PKCS #10 in PEM: openssl req -new makes one")

// maxRequest is more than any request for a certificate has.
const maxRequest = 64 << 10

// Server answers for the authority over HTTP.
type Server struct {
	authority *Authority
	person    func(id string) (Subject, bool)
}

// NewServer serves an authority; person knows the people of the stand.
func NewServer(a *Authority, person func(id string) (Subject, bool)) *Server {
	return &Server{a, person}
}

// Handler serves /certificates.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /certificates", s.issue)
	mux.HandleFunc("DELETE /certificates/{serial}", s.revoke)
	return mux
}

// issued is the answer: everything in PEM. Key is there when the person brought no request of their own.
type issued struct {
	Serial      string `json:"serial"` // hexadecimal, for DELETE /certificates/SERIAL
	Certificate string `json:"certificate"`
	Issuer      string `json:"issuer"`
	Key         string `json:"key,omitempty"`
}

// issue answers POST /certificates {"person":"ID","request":"PKCS #10 in PEM"}; without a request it makes
// a key of P-256. What a request says of its subject does not count, nor is its signature looked at: it is
// the person of the stand to whom the certificate is issued.
func (s *Server) issue(w http.ResponseWriter, r *http.Request) {
	var in struct{ Person, Request string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&in); err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": `the body is {"person":"ID","request":"PKCS #10 in PEM, or absent"}`})
		return
	}
	subject, known := s.person(in.Person)
	if !known {
		answer(w, http.StatusNotFound, map[string]string{"error": "no such person: see GET /people"})
		return
	}
	public, key, err := keyOf(in.Request)
	if err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	der, err := s.authority.Issue(subject, public)
	if err != nil {
		answer(w, http.StatusInternalServerError, map[string]string{"error": err.Error()})
		return
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		answer(w, http.StatusInternalServerError, map[string]string{"error": err.Error()})
		return
	}
	answer(w, http.StatusCreated, issued{hex.EncodeToString(c.SerialNumber.Bytes()), string(certificatePEM(der)), string(certificatePEM(s.authority.root.Raw)), key})
}

// keyOf is the public key of a request, or a fresh pair.
func keyOf(request string) (public []byte, private string, err error) {
	if request != "" {
		block, _ := pem.Decode([]byte(request))
		if block == nil {
			return nil, "", errNoRequest
		}
		parsed, err := x509.ParseCertificateRequest(block.Bytes)
		if err != nil {
			return nil, "", errNoRequest
		}
		return parsed.RawSubjectPublicKeyInfo, "", nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, "", err
	}
	if public, err = x509.MarshalPKIXPublicKey(key.Public()); err != nil {
		return nil, "", err
	}
	return public, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

// revoke answers DELETE /certificates/SERIAL: the provider knows of it when it next reads the list.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	serial, ok := new(big.Int).SetString(r.PathValue("serial"), 16)
	if !ok || serial.Sign() <= 0 {
		answer(w, http.StatusBadRequest, map[string]string{"error": "the serial number is hexadecimal"})
		return
	}
	if err := s.authority.Revoke(serial); err != nil {
		answer(w, http.StatusInternalServerError, map[string]string{"error": err.Error()})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}
