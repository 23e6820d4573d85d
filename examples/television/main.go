// Command television signs a person in on a device that has neither browser nor keyboard (RFC 8628), in one file.
//
// It shows an address, a code and both as a QR code, and waits until the person has agreed on their phone or computer.
// Start the stand (make run), then
//
//	go run ./examples/television
//
// To use it elsewhere set VHOD_ISSUER and VHOD_CLIENT_ID; the client's registration must have the device grant.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"rsc.io/qr"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	provider, err := oidc.NewProvider(ctx, setting("VHOD_ISSUER", "http://localhost:8080"))
	if err != nil {
		return err
	}
	client := oauth2.Config{ClientID: setting("VHOD_CLIENT_ID", "demo-device"), Endpoint: provider.Endpoint(),
		Scopes: []string{oidc.ScopeOpenID, "level"}}
	client.Endpoint.AuthStyle = oauth2.AuthStyleInParams // it has no secret: what ships in every box is none
	codes, err := client.DeviceAuth(ctx)
	if err != nil {
		return err
	}
	if err := draw(codes.VerificationURIComplete); err != nil {
		return err
	}
	fmt.Printf("open %s and enter %s\n", codes.VerificationURI, codes.UserCode)
	tokens, err := client.DeviceAccessToken(ctx, codes) // asks every few seconds, slower when told to
	if refused := (*oauth2.RetrieveError)(nil); errors.As(err, &refused) {
		return fmt.Errorf("not signed in: %s", refused.ErrorCode)
	}
	if err != nil {
		return err
	}
	raw, _ := tokens.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: client.ClientID}).Verify(ctx, raw)
	if err != nil {
		return err
	}
	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil {
		return err
	}
	if info.Subject != id.Subject {
		return errors.New("the claims are of another person")
	}
	claims := map[string]any{}
	if err := errors.Join(id.Claims(&claims), info.Claims(&claims)); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(claims)
}

// draw shows a QR code in a terminal, two rows of it to a line.
func draw(text string) error {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return err
	}
	const quiet = 2
	var out strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		out.WriteString("\x1b[30;47m")
		for x := -quiet; x < code.Size+quiet; x++ {
			upper, lower := code.Black(x, y), code.Black(x, y+1)
			out.WriteString(map[[2]bool]string{{true, true}: "█", {true, false}: "▀", {false, true}: "▄", {false, false}: " "}[[2]bool{upper, lower}])
		}
		out.WriteString("\x1b[0m\n")
	}
	fmt.Print(out.String())
	return nil
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
