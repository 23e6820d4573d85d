package journeys_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const signedAct = "Прошу перечислить пособие на мой счёт.\nС условиями согласна."

func TestPersonSignsAnActForAService(t *testing.T) {
	ctx, s := t.Context(), startStand(t)
	provider, err := oidc.NewProvider(ctx, s.url(0, ""))
	if err != nil {
		t.Fatal(err)
	}
	config := oauth2.Config{ClientID: demoID, ClientSecret: demoSecret, Endpoint: provider.Endpoint(), RedirectURL: s.url(10, "/callback"),
		Scopes: []string{oidc.ScopeOpenID}}
	codes := make(chan string, 1)
	listen(t, s.base+10, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!doctype html><title>done</title><main data-page="callback">done</main>`))
		if r.URL.Path == "/callback" {
			codes <- r.URL.Query().Get("code")
		}
	}))
	details, err := json.Marshal([]map[string]string{{"type": "confirm_act", "text": signedAct}})
	if err != nil {
		t.Fatal(err)
	}
	verifier := oauth2.GenerateVerifier()
	c := signInAs(t, s, s.registered("totp"), config.AuthCodeURL("a-state", oauth2.S256ChallengeOption(verifier),
		oauth2.SetAuthURLParam("authorization_details", string(details))), "consent")
	c.says("Прошу перечислить пособие на мой счёт.", "С условиями согласна.")
	c.photograph("consent-signs")
	c.press("allow")
	c.walk("callback")
	tokens, err := config.Exchange(ctx, <-codes, oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	signed, _ := tokens.Extra("authorization_details").([]any)
	if len(signed) != 1 {
		t.Fatalf("signed: %v", signed)
	}
	if got, _ := signed[0].(map[string]any); got["text"] != signedAct || got["type"] != "confirm_act" || got["signed_at"] == nil {
		t.Errorf("signed: %v", got)
	}
	c.open(s.url(0, "/me/history"))
	c.says("Прошу перечислить пособие на мой счёт.")
	c.secrets = map[string]string{"what was signed": "Прошу перечислить пособие"}
}
