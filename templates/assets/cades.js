// Signing by a plug-in of the browser, where one offers itself: this speaks to the object `cadesplugin` as CryptoPro documents it for its
// browser plug-in, and to nothing else. The signature goes the way of one that is pasted as text. Without a plug-in the page is as it was.

// Names of the documented values.
const currentUserStore = 2, myStore = 'My', maximumAllowed = 2 // CAPICOM_STORE_LOCATION, CAPICOM_STORE_OPEN_MODE
const signingTime = 0 // CAPICOM_AUTHENTICATED_ATTRIBUTE_SIGNING_TIME
const base64ToBinary = 1 // CADESCOM_CONTENT_ENCODING_TYPE
const cadesBES = 1, detached = true // CADESCOM_CADES_TYPE

const patience = 30 * 1000 // for a plug-in that says neither yes nor no

const place = document.querySelector('[data-cades]')
const form = document.getElementById('signature')?.form

// What went wrong, by the codes of Windows that plug-ins hand on; the words are the page's.
const kinds = {
	0x000004c7: 'cancelled', 0x800704c7: 'cancelled', 0x8010006e: 'cancelled',
	0x8010006b: 'pin', 0x8010006c: 'blocked',
	0x8009000d: 'away', 0x80090016: 'away', 0x8010000c: 'away', 0x80100069: 'away',
	0x800b0101: 'ended', 0x800b0109: 'chain', 0x800b010a: 'chain',
}

function codeOf(error) {
	const text = String(window.cadesplugin.getLastError?.(error) ?? error?.message ?? error)
	return /0x[0-9a-f]{1,8}\b/i.exec(text)?.[0] ?? ''
}

function say(kind, code = '') {
	const line = place.querySelector('[data-cades-says]')
	line.textContent = kind === 'other' && code ? place.dataset.coded.replace('CODE', code) : place.dataset[kind]
	line.hidden = false
}

const explain = (error) => say(kinds[parseInt(codeOf(error), 16)] ?? 'other', codeOf(error))

// One attribute of a name, as certificates of people write them: SN=Иванов, G="Иван Иванович".
function part(name, key) {
	const found = new RegExp(`(?:^|,\\s*)${key}=("(?:[^"]|"")*"|[^,]*)`, 'i').exec(name)?.[1] ?? ''
	return found.replace(/^"|"$/g, '').replaceAll('""', '"').trim()
}

const owner = (name) => [part(name, 'SN'), part(name, 'GN?')].filter(Boolean).join(' ') || part(name, 'CN') || name

async function read(certificate) {
	const [subject, issuer, until] = await Promise.all([certificate.SubjectName, certificate.IssuerName, certificate.ValidToDate])
	return { certificate, owner: owner(subject), issuer: part(issuer, 'CN') || issuer, until: new Date(until) }
}

// The certificates of the person that have their key. One that does not read is passed over.
async function certificates() {
	const store = await window.cadesplugin.CreateObjectAsync('CAdESCOM.Store')
	await store.Open(currentUserStore, myStore, maximumAllowed)
	try {
		const all = await store.Certificates
		const out = []
		for (let i = 1, n = await all.Count; i <= n; i++) {
			const one = await all.Item(i)
			try {
				if (await one.HasPrivateKey()) out.push(await read(one))
			} catch { /* a broken certificate is none */ }
		}
		return out
	} finally {
		await store.Close()
	}
}

function row(one, i) {
	const over = one.until <= new Date() // it is shown, so that nobody looks for it in vain
	const line = document.createElement('div')
	line.className = 'choice'
	const button = Object.assign(document.createElement('input'), { type: 'radio', name: 'certificate', id: `certificate-${i}`, value: i, disabled: over })
	const label = Object.assign(document.createElement('label'), { htmlFor: button.id, textContent: one.owner })
	const hint = Object.assign(document.createElement('p'), { className: 'hint', id: `certificate-${i}-hint` })
	hint.textContent = `${one.issuer}. ${place.dataset[over ? 'over' : 'until'].replace('DATE', one.until.toLocaleDateString(document.documentElement.lang, { day: 'numeric', month: 'long', year: 'numeric' }))}`
	button.setAttribute('aria-describedby', hint.id)
	line.append(button, label, hint)
	return line
}

async function sign(certificate) {
	const plugin = window.cadesplugin
	const when = await plugin.CreateObjectAsync('CADESCOM.CPAttribute')
	await when.propset_Name(signingTime)
	await when.propset_Value(new Date())
	const signer = await plugin.CreateObjectAsync('CAdESCOM.CPSigner')
	await signer.propset_Certificate(certificate)
	await (await signer.AuthenticatedAttributes2).Add(when)
	const data = await plugin.CreateObjectAsync('CAdESCOM.CadesSignedData')
	await data.propset_ContentEncoding(base64ToBinary) // before the content, which is base64 then and no text of two bytes a letter
	const bytes = new TextEncoder().encode(document.getElementById('challenge').textContent)
	await data.propset_Content(btoa(String.fromCharCode(...bytes)))
	return data.SignCades(signer, cadesBES, detached)
}

const button = (action) => place.querySelector(`[data-action="${action}"]`)
let found = []

async function list() {
	found = await certificates()
	const rows = place.querySelector('[data-cades-list]')
	for (const old of rows.querySelectorAll('.choice')) old.remove()
	rows.append(...found.map(row))
	rows.hidden = found.length === 0
	const free = [...rows.querySelectorAll('input:enabled')]
	button('plugin-sign').hidden = free.length === 0
	if (free.length === 1) free[0].checked = true
	if (free.length === 0) return say(found.length ? 'ended' : 'none')
	free[0].focus()
}

async function signAndSend() {
	const chosen = place.querySelector('input[name=certificate]:checked')
	if (!chosen) return say('choose')
	form.elements.signature_text.value = await sign(found[chosen.value].certificate)
	form.elements.signature.value = '' // a file chosen before would be believed instead
	form.requestSubmit()
}

// A window of the plug-in asks for consent or a PIN meanwhile, so a second press may not ask again.
function onPress(action, act) {
	button(action).addEventListener('click', async () => {
		place.querySelector('[data-cades-says]').hidden = true
		const buttons = [...place.querySelectorAll('button')]
		for (const each of buttons) each.disabled = true
		try {
			await act()
		} catch (error) {
			explain(error)
		} finally {
			for (const each of buttons) each.disabled = false
		}
	})
}

async function offer() {
	try {
		await Promise.race([window.cadesplugin, new Promise((_, no) => { setTimeout(no, patience) })])
		button('plugin-list').hidden = false
	} catch {
		say('absent')
	}
	place.hidden = false
}

if (place && form && window.cadesplugin) {
	onPress('plugin-list', list)
	onPress('plugin-sign', signAndSend)
	offer()
}
