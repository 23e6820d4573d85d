// The work that a guess costs while passwords are being guessed everywhere: for each part a number, so that the SHA-256 of
// "nonce.part.number" begins with zero bits. Done in slices, so that the page stays alive under it.

const K = new Int32Array(64)
const H = new Int32Array(8)
for (let n = 2, found = 0; found < 64; n++) {
	let prime = true
	for (let d = 2; d * d <= n && prime; d++) prime = n % d !== 0
	if (!prime) continue
	if (found < 8) H[found] = (Math.sqrt(n) % 1) * 2 ** 32
	K[found++] = (Math.cbrt(n) % 1) * 2 ** 32
}

const w = new Int32Array(64)

// head returns the first 32 bits of the SHA-256 of a text of at most 55 ASCII signs.
function head(text) {
	w.fill(0, 0, 16)
	for (let i = 0; i < text.length; i++) w[i >> 2] |= text.charCodeAt(i) << (24 - 8 * (i & 3))
	w[text.length >> 2] |= 0x80 << (24 - 8 * (text.length & 3))
	w[15] = 8 * text.length
	for (let i = 16; i < 64; i++) {
		const a = w[i - 15], b = w[i - 2]
		w[i] = w[i - 16] + w[i - 7] + ((a >>> 7 | a << 25) ^ (a >>> 18 | a << 14) ^ a >>> 3) + ((b >>> 17 | b << 15) ^ (b >>> 19 | b << 13) ^ b >>> 10)
	}
	let [a, b, c, d, e, f, g, h] = H
	for (let i = 0; i < 64; i++) {
		const one = h + ((e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7)) + (e & f ^ ~e & g) + K[i] + w[i] | 0
		const two = ((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) + (a & b ^ a & c ^ b & c) | 0
		h = g; g = f; f = e; e = d + one | 0; d = c; c = b; b = a; a = one + two | 0
	}
	return H[0] + a >>> 0
}

const breath = () => new Promise((done) => { setTimeout(done) })

async function work(nonce, parts, bits) {
	const answers = []
	for (let part = 0; part < parts; part++) {
		for (let n = 0; ; n++) {
			if (head(`${nonce}.${part}.${n}`) >>> (32 - bits) === 0) {
				answers.push(n)
				break
			}
			if (n % 5000 === 4999) await breath()
		}
	}
	return answers.join(',')
}

const form = document.querySelector('form[data-toll]')
if (form) {
	const status = form.querySelector('[data-toll-busy]')
	let waiting = null
	form.addEventListener('submit', (event) => {
		if (form.elements.work.value) return
		event.preventDefault()
		waiting = event.submitter // pressed too early: sent when the work is done
		delete form.dataset.sent
	})
	status.textContent = status.dataset.tollBusy
	work(form.dataset.toll, Number(form.dataset.tollParts), Number(form.dataset.tollBits)).then((answers) => {
		form.elements.work.value = answers
		status.textContent = status.dataset.tollDone
		if (waiting) form.requestSubmit(waiting)
	})
}
