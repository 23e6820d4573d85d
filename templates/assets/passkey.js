// Passkeys by the browser's own JSON helpers (WebAuthn Level 3 §5.1). The server asks, the authenticator answers, and
// the answer goes back in a plain form.

const able = Boolean(window.PublicKeyCredential?.parseRequestOptionsFromJSON && navigator.credentials)
const renewAfter = 8 * 60 * 1000 // a challenge lives for ten minutes

for (const field of document.querySelectorAll('[data-passkeys-able]')) field.value = able ? 'yes' : ''
for (const words of document.querySelectorAll('[data-passkey-unable]')) words.hidden = able

async function options(form) {
	const answer = await fetch(form.dataset.ask, {
		method: 'POST',
		body: new URLSearchParams({ attempt: form.elements.attempt.value }),
	})
	if (!answer.ok || answer.redirected) throw new Error('no challenge')
	return (await answer.json()).publicKey
}

async function answer(form, more = {}) {
	const asked = await options(form)
	if (form.dataset.passkey === 'make') {
		return navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(asked) })
	}
	return navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(asked), ...more })
}

function send(form, credential) {
	const shared = document.querySelector('input[type=checkbox][name=shared]')
	if (shared?.checked && form.elements.shared) form.elements.shared.value = 'yes'
	form.elements.credential.value = JSON.stringify(credential.toJSON())
	form.submit()
}

// What went wrong, in words that the page brought along.
function say(form, error) {
	const kinds = {
		NotAllowedError: 'notAllowed', AbortError: 'notAllowed', InvalidStateError: 'invalidState',
		SecurityError: 'security', NotSupportedError: 'notSupported',
	}
	const line = form.querySelector('[data-passkey-says]')
	line.textContent = form.dataset[kinds[error.name] ?? 'other']
	line.hidden = false
}

let waiting // the autofill that must end before anything else may ask

async function autofill(form) {
	if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return
	for (;;) {
		const stop = (waiting = new AbortController())
		const renew = setTimeout(() => stop.abort('renew'), renewAfter)
		try {
			return send(form, await answer(form, { mediation: 'conditional', signal: stop.signal }))
		} catch {
			if (stop.signal.reason !== 'renew') return
		} finally {
			clearTimeout(renew)
		}
	}
}

for (const form of able ? document.querySelectorAll('form[data-passkey]') : []) {
	form.hidden = false
	form.addEventListener('submit', async (event) => {
		event.preventDefault()
		waiting?.abort('another way')
		form.querySelector('[data-passkey-says]').hidden = true
		try {
			send(form, await answer(form))
		} catch (error) {
			say(form, error)
		}
	})
	if ('conditional' in form.dataset) autofill(form)
}

// Tell the browser which passkeys are still taken, so that it hides the others.
for (const signal of document.querySelectorAll('[data-passkey-signal]')) {
	window.PublicKeyCredential?.signalAllAcceptedCredentials?.(JSON.parse(signal.dataset.passkeySignal)).catch(() => {})
}
