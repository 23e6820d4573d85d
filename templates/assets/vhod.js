// Help for those who have scripts. Every page works without.

const focus = document.querySelector('[data-focus]')
if (focus) focus.focus()

// What an error says leads to the field; of several that belong together to the first.
for (const link of document.querySelectorAll('.errors a[href^="#"]')) {
	const field = document.getElementById(link.hash.slice(1))?.querySelector('input, button')
	if (field) link.addEventListener('click', (event) => { event.preventDefault(); field.focus() })
}

// Show and hide a password.
for (const button of document.querySelectorAll('[data-show]')) {
	const input = document.getElementById(button.dataset.show)
	button.hidden = false
	button.addEventListener('click', () => {
		const shown = input.type === 'password'
		input.type = shown ? 'text' : 'password'
		button.setAttribute('aria-pressed', String(shown))
		button.textContent = shown ? button.dataset.hideText : button.dataset.showText
	})
	input.form?.addEventListener('submit', () => { input.type = 'password' })
}

// Count down to the moment when a code may be sent again: on the button, in silence, and aloud when it has come.
for (const button of document.querySelectorAll('[data-resend-seconds]')) {
	const at = Date.now() + 1000 * Number(button.dataset.resendSeconds || 0)
	const words = button.textContent
	const [wait, now] = ['wait', 'now'].map((name) => button.form.querySelector(`[data-resend-${name}]`))
	if (wait) wait.hidden = true
	const tick = () => {
		const left = Math.ceil((at - Date.now()) / 1000)
		if (button.disabled && left <= 0) now.textContent = now.dataset.resendNow
		button.disabled = left > 0
		button.textContent = left > 0 ? `${words} (${left})` : words
		if (left > 0) setTimeout(tick, 1000)
	}
	tick()
}

// Format on blur; whatever is typed or pasted is taken as it is.
const formats = {
	phone(value) {
		const d = value.replace(/\D/g, '').replace(/^8(?=\d{10}$)/, '7').replace(/^(?=9\d{9}$)/, '7')
		return /^7\d{10}$/.test(d) ? `+7 (${d.slice(1, 4)}) ${d.slice(4, 7)}-${d.slice(7, 9)}-${d.slice(9)}` : value
	},
	snils(value) {
		const d = value.replace(/\D/g, '')
		return d.length === 11 ? `${d.slice(0, 3)}-${d.slice(3, 6)}-${d.slice(6, 9)} ${d.slice(9)}` : value
	},
	division(value) {
		const d = value.replace(/\D/g, '')
		return d.length === 6 ? `${d.slice(0, 3)}-${d.slice(3)}` : value
	},
}
for (const input of document.querySelectorAll('[data-format]')) {
	input.addEventListener('blur', () => { input.value = formats[input.dataset.format]?.(input.value) ?? input.value })
}

// A whole date pasted into the day goes where it belongs.
for (const day of document.querySelectorAll('input[name$="-day"]')) {
	day.addEventListener('paste', (event) => {
		const m = /^\s*(\d{1,2})[./-](\d{1,2})[./-](\d{4})\s*$/.exec(event.clipboardData?.getData('text') ?? '')
		if (!m) return
		event.preventDefault()
		const name = day.name.slice(0, -4)
		for (const [i, part] of ['-day', '-month', '-year'].entries()) day.form.elements[name + part].value = m[i + 1]
	})
}

// A page that is out of date as soon as somebody answers elsewhere.
const live = document.querySelector('[data-live]')
if (live) {
	const events = new EventSource(live.dataset.live)
	events.addEventListener('changed', () => { events.close(); location.reload() })
	events.addEventListener('error', () => { if (events.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 4000) })
}

// A page that asks again by itself, in silence: it is shown anew only when it has something else to say.
const again = document.querySelector('main[data-again]')
if (again) {
	const said = again.textContent
	setInterval(async () => {
		const answer = await fetch(location.href, { redirect: 'manual' }).catch(() => null)
		if (answer?.ok) {
			const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
			if (page.querySelector('main')?.textContent !== said) location.reload()
		} else if (answer?.type === 'opaqueredirect') location.reload()
	}, 1000 * Number(again.dataset.again))
}

// A code that changes every second, for as long as the page is there.
const ticking = document.querySelector('img[data-every-second]')
if (ticking) setInterval(() => { ticking.src = `${ticking.dataset.everySecond}&at=${Date.now()}` }, 1000)

// A form that only carries an answer on.
document.querySelector('form[data-autosubmit]')?.requestSubmit()

// A second press of a button does nothing while the first is on its way.
for (const form of document.querySelectorAll('form')) {
	form.addEventListener('submit', (event) => {
		if (form.dataset.sent) event.preventDefault()
		form.dataset.sent = 'yes'
	})
}
addEventListener('pageshow', () => { for (const form of document.forms) delete form.dataset.sent })

for (const button of document.querySelectorAll('[data-print]')) {
	button.hidden = false
	button.addEventListener('click', () => print())
}

// After signing out: go on as soon as the services have heard of it, or have had their time.
const onward = document.querySelector('a[data-onward]')
if (onward) {
	const heard = [...document.querySelectorAll('iframe[data-farewell]')].map((frame) => new Promise((done) => { frame.addEventListener('load', done) }))
	Promise.race([Promise.all(heard), new Promise((done) => { setTimeout(done, 2000) })]).then(() => { location.assign(onward.href) })
}

// What the page shows need not be shown outside it any more.
const told = document.querySelector('[data-told]')
if (told && 'serviceWorker' in navigator) {
	const registration = await navigator.serviceWorker.getRegistration('/push/')
	const shown = await registration?.getNotifications({ tag: told.dataset.told })
	for (const one of shown ?? []) one.close()
}
