// Asks a person to sign in where they are, as a call centre does, with openid-client, and reports each step as a line of JSON.
//
//   node openid-client-call.mjs ISSUER CLIENT_ID CLIENT_SECRET LOGIN_HINT BINDING_MESSAGE
//
// After the line {"step": "asked"} the person finds the request in their cabinet.
import * as client from 'openid-client'
import { refused, say } from './common.mjs'

const [issuer, id, secret, loginHint, message] = process.argv.slice(2)
const config = await client.discovery(new URL(issuer), id, undefined, client.ClientSecretBasic(secret), {
  execute: [client.allowInsecureRequests], // the stand speaks plain HTTP on loopback
})
const asked = await client.initiateBackchannelAuthentication(config, { scope: 'openid level', login_hint: loginHint, binding_message: message })
say({ step: 'asked' })

let tokens
const error = await refused(async () => { tokens = await client.pollBackchannelAuthenticationGrant(config, asked) })
if (tokens) {
  const claims = tokens.claims()
  say({ step: 'id_token', sub: claims.sub, acr: claims.acr, amr: claims.amr })
  const info = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
  say({ step: 'userinfo', sub: info.sub, claims: Object.keys(info).sort() })
} else {
  say({ step: 'refused', error })
}
say({ done: true })
