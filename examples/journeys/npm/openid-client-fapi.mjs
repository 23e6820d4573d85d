// Signs in with openid-client as a service of the strictest profile: pushed requests, an assertion of a private key, tokens
// bound to another key by DPoP. Then introspects, revokes and asks for the address that signs out.
//
//   node openid-client-fapi.mjs ISSUER CLIENT_ID PRIVATE_JWK_FILE REDIRECT_URI
//
// The first line is {"open": URL}: whoever drives this opens it in a browser and signs in there.
import { readFileSync } from 'node:fs'
import * as client from 'openid-client'
import { callbackServer, refused, say } from './common.mjs'

const [issuer, id, keyFile, redirect] = process.argv.slice(2)
const jwk = JSON.parse(readFileSync(keyFile, 'utf8'))
const key = await crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])

const config = await client.discovery(new URL(issuer), id, { use_mtls_endpoint_aliases: false },
  client.PrivateKeyJwt({ key, kid: jwk.kid }, { [client.modifyAssertion]: (_, payload) => { payload.aud = issuer } }),
  { execute: [client.allowInsecureRequests] })
const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))

const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const nonce = client.randomNonce()
const authorize = await client.buildAuthorizationUrlWithPAR(config, {
  redirect_uri: redirect,
  scope: 'openid profile email offline_access',
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
  nonce,
}, { DPoP })
say({ step: 'pushed', parameters: [...authorize.searchParams.keys()].sort() })

const callback = await callbackServer(redirect, authorize.href)
const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true }
const tokens = await client.authorizationCodeGrant(config, callback, checks, undefined, { DPoP })
say({ step: 'id_token', sub: tokens.claims().sub, acr: tokens.claims().acr, type: tokens.token_type })

const info = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, { DPoP })
say({ step: 'userinfo', sub: info.sub })
say({ step: 'userinfo without the key', error: await refused(() => client.fetchUserInfo(config, tokens.access_token, info.sub)) })

const fresh = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
say({ step: 'refresh', rotated: fresh.refresh_token !== tokens.refresh_token, type: fresh.token_type })

const before = await client.tokenIntrospection(config, fresh.access_token)
say({ step: 'introspection', active: before.active, bound: typeof before.cnf?.jkt === 'string', type: before.token_type })
await client.tokenRevocation(config, fresh.refresh_token)
const after = await client.tokenIntrospection(config, fresh.access_token)
say({ step: 'introspection after the revocation', active: after.active })

say({ open: client.buildEndSessionUrl(config, { id_token_hint: tokens.id_token }).href, step: 'sign-out' })
say({ done: true })
