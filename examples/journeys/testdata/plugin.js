// An imitation of CryptoPro's browser plug-in, as far as its documentation says what a page may do with it: a promise with
// CreateObjectAsync, properties that are promises, propset_ to set one. It signs by the tool of the test, which listens to signByTool.
// The test writes its store into `imitation` before this.
(() => {
	const state = (window.imitation = IMITATION)
	const plugin = (window.cadesplugin = state.absent ? Promise.reject(new Error('Плагин недоступен')) : Promise.resolve())
	plugin.catch(() => {})
	plugin.getLastError = (error) => error.message
	const waiting = []
	window.toolSigned = (i, signature) => waiting[i](signature)
	const fail = (text) => { if (text) throw new Error(text) }

	const certificate = (one) => ({
		one,
		get SubjectName() { return Promise.resolve(one.subject) },
		get IssuerName() { return Promise.resolve(one.issuer) },
		get ValidFromDate() { return Promise.resolve('2020-01-01T00:00:00.000Z') },
		get ValidToDate() { return one.broken ? Promise.reject(new Error('0x80070057')) : Promise.resolve(one.until) },
		HasPrivateKey: async () => !one.keyless,
	})
	const make = {
		'CAdESCOM.Store': () => ({
			async Open(location, name, mode) {
				if (location !== 2 || name !== 'My' || mode !== 2) throw new Error('0x80070057')
				fail(state.refuseStore)
			},
			get Certificates() {
				return Promise.resolve({ get Count() { return Promise.resolve(state.certificates.length) }, Item: async (i) => certificate(state.certificates[i - 1]) })
			},
			async Close() {},
		}),
		'CADESCOM.CPAttribute': () => ({
			async propset_Name(name) { this.name = name },
			async propset_Value(value) { this.value = value },
		}),
		'CAdESCOM.CPSigner': () => {
			const attributes = []
			return {
				attributes,
				get AuthenticatedAttributes2() { return Promise.resolve({ Add: async (one) => { attributes.push(one) } }) },
				async propset_Certificate(one) { this.certificate = one.one },
			}
		},
		'CAdESCOM.CadesSignedData': () => ({
			encoding: 0,
			async propset_ContentEncoding(encoding) { this.encoding = encoding },
			async propset_Content(content) {
				if (this.encoding !== 1) throw new Error('the content would be signed as UCS-2')
				this.content = content
			},
			async SignCades(signer, type, detached) {
				fail(state.refuseSigning)
				const time = signer.attributes.find((one) => one.name === 0)
				if (type !== 1 || detached !== true || !(time?.value instanceof Date)) throw new Error('no detached CAdES-BES with its time')
				return new Promise((done) => {
					window.signByTool(JSON.stringify({ i: waiting.push(done) - 1, content: this.content, subject: signer.certificate.subject }))
				})
			},
		}),
	}
	plugin.CreateObjectAsync = async (name) => make[name]()
})()
