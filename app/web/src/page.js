// What the three pages share: elements, names in addresses, the relay's address, the clipboard.

/** $ returns the element with an id. */
export const $ = (id) => document.getElementById(id);

/** element makes an element; children may be strings. */
export function element(tag, properties = {}, ...children) {
	const node = Object.assign(document.createElement(tag), properties);
	node.append(...children);
	return node;
}

/** relay is where the sessions are. Over plain HTTP the clients fetch /certificate.sha256 from there and pin it. */
export const relay = new URL("/", location.href);

/** address returns the path of a page for a broadcast, such as /watch/room/alice. */
export const address = (page, name) => `/${page}/${name.split("/").map(encodeURIComponent).join("/")}`;

/** named returns the broadcast in the address of this page. */
export function named() {
	return location.pathname
		.split("/")
		.slice(2)
		.map((part) => {
			try {
				return decodeURIComponent(part);
			} catch {
				return part;
			}
		})
		.filter(Boolean)
		.join("/");
}

/** copy puts text on the clipboard and says so on the button for a while. */
export async function copy(text, button) {
	const label = button.querySelector("span") ?? button;
	const before = label.textContent;
	try {
		await navigator.clipboard.writeText(text);
		label.textContent = "Copied";
	} catch {
		label.textContent = "Not allowed";
	}
	setTimeout(() => (label.textContent = before), 1500);
}

/** connectionOptions are those of every session: no WebSocket, which the relay does not have, and no giving up. */
export const connectionOptions = { websocket: { enabled: false }, delay: { initial: 500, multiplier: 2, max: 5000, timeout: 0 } };

/** milliseconds shows a duration. */
export const milliseconds = (ms) => (ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

/** showLink keeps the badge in the header true: what is spoken, and how far the relay is. */
export function showLink(effect, connection) {
	const status = effect.get(connection.status);
	const session = effect.get(connection.established);
	const rtt = session?.probe && effect.get(session.probe)?.rtt;
	const badge = $("link");
	badge.dataset.state = status;
	badge.textContent = session ? `${session.version}${rtt === undefined ? "" : ` · ${milliseconds(rtt)}`}` : status === "connecting" ? "connecting" : "no connection";
}
