// A session or an attempt that is about to end: say so in time, and let one button put it off.

const box = document.querySelector('[data-timeout]')
const part = (name) => box.querySelector(`[data-${name}]`)
const { stay, who = '', again } = box.dataset
const warn = 1000 * Number(box.dataset.warn)
let end, whole, heard, timer, before

// Another tab of the same session puts this one off too.
const tabs = 'BroadcastChannel' in window ? new BroadcastChannel('vhod-timeout') : null
tabs?.addEventListener('message', ({ data }) => { if (data.stay === stay && data.who === who) lasts(data.end, data.whole) })

function lasts(until, last) {
	end = until
	whole = last
	heard = false
	hide()
	look()
}

function told(left, last) {
	lasts(Date.now() + 1000 * left, last)
	tabs?.postMessage({ stay, who, end, whole })
}

function look() {
	clearTimeout(timer)
	const left = end - Date.now()
	if (left <= 0) return over()
	if (left <= warn && !heard) show(left)
	timer = setTimeout(look, left > warn ? Math.min(left - warn, 86400000) : 1000) // a timer of over 24 days runs out at once
}

function show(left) {
	const seconds = Math.ceil(left / 1000)
	part('clock').textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
	if (seconds <= 60) part('minute').textContent = part('minute').dataset.minute
	if (!box.hidden) return
	for (const one of box.querySelectorAll('[data-more]')) one.hidden = whole
	for (const one of box.querySelectorAll('[data-last]')) one.hidden = !whole
	before = document.activeElement
	box.hidden = false
	if (box.showModal) box.showModal()
	else box.querySelector('button:not([hidden])').focus()
}

function hide() {
	if (box.hidden) return
	if (box.open) box.close()
	box.hidden = true
	part('minute').textContent = part('failed').textContent = ''
	before?.focus()
}

// Nothing of the page is left where nobody may be, so that it is asked for again: it leads to where one signs in, and back.
function over() {
	keep()
	location.replace(again)
}

async function ask() {
	const answer = await fetch(stay, { method: 'POST' }).catch(() => null)
	if (answer?.ok) {
		const { left, whole } = await answer.json()
		told(left, whole)
	} else if (answer && answer.status < 500) over()
	else part('failed').textContent = part('failed').dataset.failed
}

function listen() {
	heard = true
	hide()
}

box.querySelector('[data-action="stay"]').addEventListener('click', ask)
box.querySelector('[data-action="heard"]').addEventListener('click', listen)
box.addEventListener('cancel', (event) => {
	event.preventDefault()
	if (whole) listen()
	else ask()
})
addEventListener('visibilitychange', () => { if (!document.hidden) look() })

// What was typed waits in this tab for the same person, for an hour: no password, no code, and nothing on a shared computer.
const place = 'vhod-typed'
const fields = [...document.querySelectorAll('main :is(input, select, textarea)')].filter((f) => f.name && f.name !== 'code' && !f.readOnly &&
	!['hidden', 'password', 'file'].includes(f.type) && !/password|one-time/.test(f.autocomplete))
const ticks = (f) => f.type === 'checkbox' || f.type === 'radio'

function keep() {
	const typed = fields.map((f) => [f.name, ticks(f) ? f.checked : f.value])
	if (who && typed.length) sessionStorage.setItem(place, JSON.stringify({ who, path: location.pathname, at: Date.now(), typed }))
}

function giveBack() {
	const kept = JSON.parse(sessionStorage.getItem(place) ?? 'null')
	if (!who || !kept || (kept.who === who && kept.path !== location.pathname)) return // a page on the way back
	sessionStorage.removeItem(place)
	if (kept.who !== who || Date.now() - kept.at > 3600000) return
	for (const [i, f] of fields.entries()) {
		const [name, value] = kept.typed[i] ?? []
		if (name !== f.name) continue
		if (ticks(f)) f.checked = value
		else f.value = value
	}
}

giveBack()
told(Number(box.dataset.left), 'whole' in box.dataset)
