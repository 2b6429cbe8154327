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
};

const relay = new URL(new URLSearchParams(location.search).get("relay") ?? "http://127.0.0.1:1/");

export async function dial(dialect) {
	const { protocols, version } = dialects[dialect];
	const session = await Connection.connect(relay, { webtransport: { protocols }, websocket: { enabled: false } }).catch((err) => {
		throw err instanceof AggregateError ? err.errors[0] : err;
	});
	if (session.transport !== "webtransport" || session.version !== version) {
		session.close();
		throw new Error(`negotiated ${session.version} over ${session.transport}, want ${version} over webtransport`);
	}
	return session;
}
