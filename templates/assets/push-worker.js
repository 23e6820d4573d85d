// Shows that somebody signs in, or that a service asks, and opens the page on which the person answers. It controls no page and
// asks the network for nothing: what a message says is shown as text, and it opens no other pages than these.

const pages = { 'push-ask': '/me/approve', 'push-call': '/me/requests' }

self.addEventListener('push', (event) => {
	const { kind = '', title = '', body = '' } = event.data?.json() ?? {}
	event.waitUntil(self.registration.showNotification(title, { body, tag: kind, renotify: true }))
})

self.addEventListener('notificationclick', (event) => {
	event.notification.close()
	const page = new URL(pages[event.notification.tag] ?? '/me/approve', self.location).href
	event.waitUntil((async () => {
		const open = await self.clients.matchAll({ type: 'window', includeUncontrolled: true })
		const there = open.find((client) => client.url.split('?')[0] === page)
		return there ? there.focus() : self.clients.openWindow(page)
	})())
})
