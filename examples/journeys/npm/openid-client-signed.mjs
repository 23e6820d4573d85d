// Signs in with openid-client as a service that signs its request (RFC 9101) and takes a signed answer (JARM).
//
//   node openid-client-signed.mjs ISSUER CLIENT_ID PRIVATE_JWK_FILE REDIRECT_URI
//
// The first line is {"open": URL}: whoever drives this opens it in a browser and signs in there.
import { readFileSync } from 'node:fs'
import * as client from 'openid-client'
import { callbackServer, say } from './common.mjs'

const [issuer, id, keyFile, redirect] = process.argv.slice(2)
const jwk = JSON.parse(readFileSync(keyFile, 'utf8'))
const key = await crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])

const config = await client.discovery(new URL(issuer), id, { authorization_signed_response_alg: 'ES256' },
  client.PrivateKeyJwt({ key, kid: jwk.kid }, { [client.modifyAssertion]: (_, payload) => { payload.aud = issuer } }),
  { execute: [client.allowInsecureRequests, client.useJwtResponseMode] })

const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const nonce = client.randomNonce()
const authorize = await client.buildAuthorizationUrlWithJAR(config, {
  redirect_uri: redirect,
  scope: 'openid profile',
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
  nonce,
}, { key, kid: jwk.kid })
say({ step: 'signed', parameters: [...authorize.searchParams.keys()].sort() })

const callback = await callbackServer(redirect, authorize.href)
say({ step: 'answered', parameters: [...callback.searchParams.keys()].sort() })
const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true }
const tokens = await client.authorizationCodeGrant(config, callback, checks)
say({ step: 'id_token', sub: tokens.claims().sub, acr: tokens.claims().acr, type: tokens.token_type })
say({ done: true })
