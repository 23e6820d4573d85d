// Shows that somebody signs in, and opens the page on which the person answers. It controls no page and asks for nothing: what
// a message says is shown as text, and the page to open is always the same.

const page = new URL('/me/approve', self.location).href

self.addEventListener('push', (event) => {
	const { title = '', body = '' } = event.data?.json() ?? {}
	event.waitUntil(self.registration.showNotification(title, { body, tag: 'sign-in', renotify: true }))
})

self.addEventListener('notificationclick', (event) => {
	event.notification.close()
	event.waitUntil((async () => {
		const open = await self.clients.matchAll({ type: 'window', includeUncontrolled: true })
		const there = open.find((client) => client.url.split('?')[0] === page)
		return there ? there.focus() : self.clients.openWindow(page)
	})())
})
