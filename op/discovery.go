package op

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"

	"github.com/vhod-id/vhod/account"
)

// prepareDiscovery makes both documents (OpenID Connect Discovery §3, RFC 8414 §2) once. Nothing is named in them that does
// not work; a golden file holds them.
func (p *Provider) prepareDiscovery() error {
	meta := map[string]any{
		"issuer":                                                          p.cfg.Issuer,
		"authorization_endpoint":                                          p.cfg.Issuer + "/authorize",
		"pushed_authorization_request_endpoint":                           p.cfg.Issuer + "/par",
		"require_pushed_authorization_requests":                           false,
		"device_authorization_endpoint":                                   p.cfg.Issuer + "/device_authorization",
		"backchannel_authentication_endpoint":                             p.cfg.Issuer + "/bc-authorize",
		"backchannel_token_delivery_modes_supported":                      []string{"poll", "ping"},
		"backchannel_user_code_parameter_supported":                       false,
		"backchannel_authentication_request_signing_alg_values_supported": []string{"PS256", "ES256", "EdDSA", "RS256"},
		"token_endpoint":                                                  p.cfg.Issuer + "/token",
		"userinfo_endpoint":                                               p.cfg.Issuer + "/userinfo",
		"jwks_uri":                                                        p.cfg.Issuer + "/jwks",
		"introspection_endpoint":                                          p.cfg.Issuer + "/introspect",
		"revocation_endpoint":                                             p.cfg.Issuer + "/revoke",
		"end_session_endpoint":                                            p.cfg.Issuer + "/end_session",
		"scopes_supported":                                                knownScopes,
		"response_types_supported":                                        []string{"code"},
		"response_modes_supported":                                        responseModes,
		"authorization_signing_alg_values_supported":                      signingAlgs,
		"introspection_signing_alg_values_supported":                      signingAlgs,
		"grant_types_supported":                                           grants,
		"subject_types_supported":                                         []string{"pairwise", "public"},
		"id_token_signing_alg_values_supported":                           signingAlgs,
		"id_token_encryption_alg_values_supported":                        encryptionAlgs,
		"id_token_encryption_enc_values_supported":                        encryptionEncs,
		"userinfo_encryption_alg_values_supported":                        encryptionAlgs,
		"userinfo_encryption_enc_values_supported":                        encryptionEncs,
		"userinfo_signing_alg_values_supported":                           signingAlgs,
		"token_endpoint_auth_methods_supported":                           []string{AuthBasic, AuthPost, AuthPrivateKey, AuthNone},
		"introspection_endpoint_auth_methods_supported":                   []string{AuthBasic, AuthPost, AuthPrivateKey},
		"revocation_endpoint_auth_methods_supported":                      []string{AuthBasic, AuthPost, AuthPrivateKey, AuthNone},
		"token_endpoint_auth_signing_alg_values_supported":                assertionAlgorithms[false],
		"introspection_endpoint_auth_signing_alg_values_supported":        assertionAlgorithms[false],
		"revocation_endpoint_auth_signing_alg_values_supported":           assertionAlgorithms[false],
		"code_challenge_methods_supported":                                []string{"S256"},
		"dpop_signing_alg_values_supported":                               dpopAlgorithms,
		"authorization_response_iss_parameter_supported":                  true,
		"acr_values_supported":                                            allACR(),
		"claims_supported":                                                claimNames(),
		"claims_parameter_supported":                                      true,
		"request_parameter_supported":                                     true,
		"request_object_signing_alg_values_supported":                     []string{"PS256", "ES256", "EdDSA", "RS256"},
		"require_signed_request_object":                                   false,
		"request_uri_parameter_supported":                                 false,
		"prompt_values_supported":                                         []string{"none", "login", "consent", "select_account", "create"},
		"authorization_details_types_supported":                           detailTypes,
		"ui_locales_supported":                                            []string{"ru", "en"},
		"claims_locales_supported":                                        claimsLocales,
		"backchannel_logout_supported":                                    true,
		"backchannel_logout_session_supported":                            true,
		"frontchannel_logout_supported":                                   true,
		"frontchannel_logout_session_supported":                           true,
		"display_values_supported":                                        []string{"page"},
	}
	maps.Copy(meta, assuranceMetadata())
	p.mutualMetadata(meta)
	if len(p.cfg.Registration) > 0 {
		meta["registration_endpoint"] = p.cfg.Issuer + "/register"
	}
	body, err := json.Marshal(meta)
	if err != nil {
		return fmt.Errorf("writing metadata: %w", err)
	}
	if p.oidcDoc, err = newDocument(body); err != nil {
		return err
	}
	if err := p.writeSSF(); err != nil {
		return err
	}
	p.oauth = p.oidcDoc // RFC 8414 takes the members of OpenID Connect; one set of bytes serves both
	return nil
}

// mutualMetadata names what there is for callers with certificates (RFC 8705 §3.3, §5).
func (p *Provider) mutualMetadata(meta map[string]any) {
	if !p.cfg.MTLS.offered() {
		return
	}
	meta["mtls_endpoint_aliases"] = p.cfg.MTLS.aliases()
	meta["tls_client_certificate_bound_access_tokens"] = true
	for _, endpoint := range []string{"token", "introspection", "revocation"} {
		name := endpoint + "_endpoint_auth_methods_supported"
		if methods, ok := meta[name].([]string); ok {
			meta[name] = append(methods, p.cfg.MTLS.methods()...)
		}
	}
}

// assuranceMetadata says what verified_claims may hold (OpenID Connect for Identity Assurance 1.0 §8).
func assuranceMetadata() map[string]any {
	var records, checks []string
	for _, record := range registryRecords {
		records = append(records, record.kind)
	}
	for _, method := range []account.ProofingMethod{account.ProvenByCentre, account.ProvenByVideo} {
		checks = append(checks, checksOf[method]...)
	}
	return map[string]any{
		"verified_claims_supported":           true,
		"trust_frameworks_supported":          []string{trustFramework},
		"claims_in_verified_claims_supported": confirmableClaims(),
		"evidence_supported":                  []string{evidenceDocument, evidenceRecord, evidenceSignature, evidenceVouch},
		"documents_supported":                 []string{paperPassport},
		"documents_check_methods_supported":   checks,
		"electronic_records_supported":        append(records, recordBank),
	}
}

func claimNames() []string {
	names := []string{"sub", "acr", "amr", "auth_time", "sid", "verified_claims"}
	for _, c := range claimTable {
		names = append(names, c.name)
	}
	return names
}

func (p *Provider) oidcDocument(w http.ResponseWriter, r *http.Request) {
	p.oidcDoc.serve(w, r)
}

func (p *Provider) oauthDocument(w http.ResponseWriter, r *http.Request) {
	p.oauth.serve(w, r)
}

func (p *Provider) jwks(w http.ResponseWriter, r *http.Request) {
	body, etag := p.cfg.Ring.JWKS()
	coded{body, etag, nil}.serve(w, r)
}
