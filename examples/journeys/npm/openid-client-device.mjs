// Signs in on a device without a browser, with openid-client, asking which claims were confirmed. Refreshes, revokes, and reports each step as
// a line of JSON.
//
//   node openid-client-device.mjs ISSUER CLIENT_ID
//
// The first line is {"open": URL, "code": CODE}: whoever drives this types the code there and signs in.
import * as client from 'openid-client'
import { refused, say } from './common.mjs'

const [issuer, id] = process.argv.slice(2)
const config = await client.discovery(new URL(issuer), id, undefined, client.None(), {
  execute: [client.allowInsecureRequests], // the stand speaks plain HTTP on loopback
})
const asked = await client.initiateDeviceAuthorization(config, {
  scope: 'openid profile offline_access',
  claims: JSON.stringify({
    id_token: {
      verified_claims: {
        verification: { trust_framework: { value: 'ru_vhod' }, assurance_level: null, evidence: [{ type: { value: 'electronic_record' }, record: { type: null } }] },
        claims: { family_name: null },
      },
    },
  }),
})
say({ open: asked.verification_uri, code: asked.user_code })

const tokens = await client.pollDeviceAuthorizationGrant(config, asked)
const { sub, acr, verified_claims: verified } = tokens.claims()
say({ step: 'id_token', sub, acr })
say({ step: 'verified', type: verified.verification.assurance_level, claims: Object.keys(verified.claims), parameters: verified.verification.evidence.map((one) => one.record.type).sort() })

const info = await client.fetchUserInfo(config, tokens.access_token, sub)
say({ step: 'userinfo', sub: info.sub, claims: Object.keys(info).sort() })

const fresh = await client.refreshTokenGrant(config, tokens.refresh_token)
say({ step: 'refresh', rotated: fresh.refresh_token !== tokens.refresh_token })
say({ step: 'replayed device code', error: await refused(() => client.pollDeviceAuthorizationGrant(config, { ...asked, interval: 0 })) })
say({ step: 'after the replay', error: await refused(() => client.fetchUserInfo(config, fresh.access_token, sub)) })
await client.tokenRevocation(config, fresh.refresh_token)
say({ step: 'revoked', error: await refused(() => client.refreshTokenGrant(config, fresh.refresh_token)) })
say({ done: true })
