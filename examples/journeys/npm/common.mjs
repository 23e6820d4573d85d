// What the clients of this folder share: they report in lines of JSON, and receive the browser.
import { createServer } from 'node:http'

export const say = (line) => console.log(JSON.stringify(line))

// refused runs a step that the provider must refuse and returns the error code it gave.
export async function refused(step) {
  try {
    await step()
    return 'not refused'
  } catch (err) {
    return err.error ?? err.cause?.[0]?.parameters?.error ?? err.code ?? String(err)
  }
}

// callbackServer listens at the redirect URI, says which URL to open, and returns the URL that the browser came back to.
export const callbackServer = (redirect, open) => new Promise((resolve) => {
  const home = new URL(redirect)
  const server = createServer((req, res) => {
    res.setHeader('Content-Type', 'text/html; charset=utf-8')
    res.end('<!doctype html><title>done</title><main data-page="callback">done</main>')
    if (!req.url.startsWith(home.pathname)) return
    server.close()
    server.closeAllConnections?.()
    resolve(new URL(req.url, redirect))
  })
  server.listen(Number(home.port), home.hostname, () => say({ open }))
})
