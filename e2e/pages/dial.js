// One way to reach the relay: WebTransport with a forced list of subprotocols and no WebSocket fallback,
// so that a refused or broken WebTransport session can only show up as a failure.
import { Connection } from "@moq/net";

/** Column of the table → what the client offers and what it must end up speaking. */
export const dialects = {
	"lite-03": { protocols: ["moq-lite-03"], version: "moq-lite-03" },
	"lite-04": { protocols: ["moq-lite-04"], version: "moq-lite-04" },
	"lite-05": { protocols: ["moq-lite-05"], version: "moq-lite-05" },
	"lite-02 moql": { protocols: ["moql"], version: "moq-lite-02" },
	"lite-02 none": { protocols: [], version: "moq-lite-02" },
	"moqt-14": { protocols: [], version: "moq-transport-14", code: 0xff00000en },
	"moqt-16": { protocols: ["moqt-16"], version: "moq-transport-16" },
	"moqt-18": { protocols: ["moqt-18"], version: "moq-transport-18" },
	"moqt-19": { protocols: ["moqt-19"], version: "moq-transport-19" },
	"moqt-20": { protocols: ["moqt-20"], version: "moq-transport-20" },
};

const relay = new URL(new URLSearchParams(location.search).get("relay") ?? "http://127.0.0.1:1/");

/**
 * only offers one version of the three that the client lists in CLIENT_SETUP, which it has no option for: what it
 * writes first is read up to the list, and the list replaced.
 */
async function only(code) {
	const url = new URL(relay);
	url.protocol = "https:";
	const hash = await (await fetch(new URL("certificate.sha256", relay))).text();
	const value = Uint8Array.from(hash.trim().match(/../g), (byte) => Number.parseInt(byte, 16));
	const transport = new WebTransport(url, { allowPooling: false, serverCertificateHashes: [{ algorithm: "sha-256", value }] });
	await transport.ready;
	const open = transport.createBidirectionalStream.bind(transport);
	transport.createBidirectionalStream = async (...args) => {
		transport.createBidirectionalStream = open;
		const stream = await open(...args);
		const writer = stream.writable.getWriter();
		let setup = new Uint8Array();
		let sent = false;
		const writable = new WritableStream({
			async write(chunk) {
				if (sent) return writer.write(chunk);
				setup = new Uint8Array([...setup, ...chunk]);
				// Type 0x20, 16 bits of length, the count of versions, 8 bytes each.
				if (setup.length < 3 || setup.length < 3 + (setup[1] << 8) + setup[2]) return;
				sent = true;
				const body = setup.subarray(4 + 8 * setup[3]);
				const size = 9 + body.length;
				const version = new DataView(new ArrayBuffer(8));
				version.setBigUint64(0, (3n << 62n) | code);
				await writer.write(new Uint8Array([0x20, size >> 8, size & 255, 1, ...new Uint8Array(version.buffer), ...body]));
			},
			close: () => writer.close(),
			abort: (reason) => writer.abort(reason),
		});
		return { readable: stream.readable, writable };
	};
	return transport;
}

export async function dial(dialect) {
	const { protocols, version, code } = dialects[dialect];
	const options = code ? { transport: await only(code) } : { webtransport: { protocols } };
	const session = await Connection.connect(relay, { ...options, websocket: { enabled: false } }).catch((err) => {
		throw err instanceof AggregateError ? err.errors[0] : err;
	});
	if (session.transport !== "webtransport" || session.version !== version) {
		session.close();
		throw new Error(`negotiated ${session.version} over ${session.transport}, want ${version} over webtransport`);
	}
	return session;
}
