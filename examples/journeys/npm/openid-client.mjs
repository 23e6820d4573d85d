// Signs in with openid-client from discovery alone, and reports each step as a line of JSON.
//
//   node openid-client.mjs ISSUER CLIENT_ID CLIENT_SECRET REDIRECT_URI
//
// The first line is {"open": URL}: whoever drives this opens it in a browser and signs in there.
import * as client from 'openid-client'
import { callbackServer, refused, say } from './common.mjs'

const [issuer, id, secret, redirect] = process.argv.slice(2)
const config = await client.discovery(new URL(issuer), id, undefined, client.ClientSecretBasic(secret), {
  execute: [client.allowInsecureRequests], // the stand speaks plain HTTP on loopback
})

const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const nonce = client.randomNonce()
const authorize = client.buildAuthorizationUrl(config, {
  redirect_uri: redirect,
  scope: 'openid profile email offline_access',
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
  nonce,
})

const callback = await callbackServer(redirect, authorize.href)

const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true }
const tokens = await client.authorizationCodeGrant(config, callback, checks)
const claims = tokens.claims()
say({ step: 'id_token', sub: claims.sub, acr: claims.acr, amr: claims.amr, aud: claims.aud })

const info = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
say({ step: 'userinfo', sub: info.sub, claims: Object.keys(info).sort() })

const fresh = await client.refreshTokenGrant(config, tokens.refresh_token)
say({ step: 'refresh', rotated: fresh.refresh_token !== tokens.refresh_token, sub: fresh.claims()?.sub })

say({ step: 'replayed refresh token', error: await refused(() => client.refreshTokenGrant(config, tokens.refresh_token)) })
say({ step: 'successor after the replay', error: await refused(() => client.refreshTokenGrant(config, fresh.refresh_token)) })
say({ step: 'replayed code', error: await refused(() => client.authorizationCodeGrant(config, callback, checks)) })
say({ done: true })
