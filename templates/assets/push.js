// Makes this browser one that is told of requests while the page is closed. Without scripts the page alone shows them.

const form = document.querySelector('form[data-push-key]')
const able = 'serviceWorker' in navigator && 'PushManager' in window && 'Notification' in window
if (form && able && Notification.permission !== 'denied') {
	form.hidden = false
	form.querySelector('button').addEventListener('click', async () => {
		const said = form.querySelector('[role="status"]')
		said.textContent = ''
		try {
			const { endpoint, keys } = (await subscribe(form.dataset.pushKey)).toJSON()
			const fields = form.elements
			fields.endpoint.value = endpoint
			fields.p256dh.value = keys.p256dh
			fields.auth.value = keys.auth
			form.submit()
		} catch {
			said.textContent = said.dataset.failed
		}
	})
}

async function subscribe(applicationServerKey) {
	if (await Notification.requestPermission() !== 'granted') throw new Error('not allowed')
	const registration = await navigator.serviceWorker.register('/push/worker.js', { scope: '/push/' })
	await activated(registration)
	const before = await registration.pushManager.getSubscription()
	await before?.unsubscribe() // it may be of another key
	return registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey })
}

// activated waits for the worker: this page is not in its scope, so that navigator.serviceWorker.ready never is.
function activated(registration) {
	if (registration.active) return null
	const worker = registration.installing ?? registration.waiting
	return new Promise((done, fail) => {
		worker.addEventListener('statechange', () => {
			if (worker.state === 'activated') done()
			if (worker.state === 'redundant') fail(new Error('the worker was dropped'))
		})
	})
}
