// The page behind every @moq/net session. The runner calls window.e2e and nothing else.
import { Broadcast, Path } from "@moq/net";
import { announcing } from "./announcing.js";
import { Announcements, Case, check, failSafe } from "./case.js";
import { nextGroup, open, patient, subscribed, text, writeGroup } from "./data.js";
import { bridge, delivering } from "./delivering.js";
import { dial, dialects } from "./dial.js";

const main = ["lite-03", "lite-04", "lite-05", "moqt-14", "moqt-16", "moqt-18", "moqt-19", "moqt-20"];
const cases = [...announcing, ...delivering];

/** rows of the table: name → the dialects it runs in. */
const rows = cases.map(({ name, basic }) => ({ name, dialects: basic ? Object.keys(dialects) : main }));
for (const to of main) rows.push({ name: `bridge to ${to}`, dialects: main.filter((from) => from !== to) });

const find = (name) => cases.find((c) => c.name === name) ?? { body: bridge(name.slice("bridge to ".length)) };

/** run runs one cell. Where the client is known to fail (`fails`) it must fail, and in the known way. */
async function run(name, dialect) {
	const { body, limit, fails } = find(name);
	const outcome = await new Case(name, dialect, { peer, limit }).run(body);
	if (!fails?.dialects.test(dialect)) return outcome;
	if (fails.how(outcome)) return { ok: true, note: `expected: ${fails.why}`, ms: outcome.ms };
	return { ok: false, reason: outcome.ok ? `no longer: ${fails.why}` : outcome.reason, ms: outcome.ms };
}

// A publisher in a page of its own, for the case that closes it from outside.
const peer = {
	open: (dialect, path) => window.openPeer(dialect, path),
	close: () => window.closePeer(),
};

const held = new Map();
const mourned = new Map();

window.e2e = {
	rows,
	run,

	/** publish announces a path and keeps it until the page dies. */
	async publish(dialect, path) {
		(await dial(dialect)).publish(Path.from(path), new Broadcast.Producer());
	},

	/** hold opens a session that must still work when `held` is called at the very end. */
	async hold(dialect) {
		const session = await dial(dialect);
		const entry = { session, since: performance.now(), closed: undefined };
		session.closed.then(
			() => (entry.closed = "closed by the relay"),
			(err) => (entry.closed = String(err?.message ?? err)),
		);
		held.set(dialect, entry);
	},

	held: (dialect) =>
		new Case("set-up stays open", dialect).run(async (t) => {
			const entry = held.get(dialect);
			check(entry, "the session was never opened");
			check(entry.closed === undefined, `closed: ${entry.closed}`);
			t.step("an announcement on the session that was open all the time");
			const watcher = new Announcements(entry.session, t.root);
			(await t.connect()).publish(t.path("alice"), new Broadcast.Producer());
			await watcher.expect("alice", true);
			check(entry.closed === undefined, `closed: ${entry.closed}`);
			t.note(`${Math.round((performance.now() - entry.since) / 1000)} s`);
			entry.session.close();
		}),

	/** watchOver returns once path is announced, and then notes when it ends. */
	async watchOver(dialect, path) {
		const session = await dial(dialect);
		const watcher = new Announcements(session, Path.from(path));
		await watcher.expect("", true);
		const entry = { watched: performance.now() };
		entry.ended = watcher.expect("", false).then(() => performance.now());
		entry.ended.catch(() => {}); // Told by mourn.
		mourned.set(dialect, entry);
	},

	/** mourn: what watchOver saw must end. A silent death shows only in the idle timeout, after which the broadcast lingers. */
	mourn: (dialect) =>
		new Case("browser killed", dialect, { limit: 60_000 }).run(async (t) => {
			const entry = mourned.get(dialect);
			check(entry, "its broadcast was never announced");
			t.step("the end of a broadcast whose browser was killed");
			t.note(`${Math.round(((await entry.ended) - entry.watched) / 1000)} s`);
		}),

	/** collect waits for the broadcast and returns the bytes of all groups, in group order, once there are enough of them. */
	async collect(dialect, path, track, enough) {
		const session = await dial(dialect);
		const watcher = new Announcements(session, Path.from(path));
		await watcher.expect("", true);
		const subscriber = session.consume(Path.from(path)).track(track).subscribe(patient);
		const groups = new Map();
		let total = 0;
		// The client drops what is on its way when a track ends, so the end is not waited for.
		await new Promise((resolve, reject) => {
			(async () => {
				for (;;) {
					const group = await nextGroup(subscriber);
					const frames = [];
					groups.set(group.sequence, frames);
					(async () => {
						for (let frame = await group.readFrame(); frame; frame = await group.readFrame()) {
							frames.push(...frame.payload);
							if ((total += frame.payload.byteLength) >= enough) resolve();
						}
					})().catch(reject);
				}
			})().catch(reject);
			setTimeout(() => reject(new Error(`${total} of ${enough} bytes after ${failSafe / 1000} s`)), failSafe);
		}).finally(() => session.close());
		const order = [...groups.keys()].sort((a, b) => a - b);
		return { groups: order.length, text: new TextDecoder().decode(new Uint8Array(order.flatMap((g) => groups.get(g)))) };
	},

	/** emit publishes lines, a group each, once somebody has subscribed, then ends the track. */
	async emit(dialect, path, name, lines) {
		const session = await dial(dialect);
		const { track } = open(session, Path.from(path), name);
		await subscribed(track);
		for (const line of lines) {
			writeGroup(track, [text(line)]);
		}
		// Before lite-05 the end of a track says nothing of groups that are still on their way.
		const relay = new URLSearchParams(location.search).get("relay");
		for (const [i, line] of lines.entries()) {
			for (;;) {
				const got = await fetch(new URL(`/fetch/${path}/${name}?group=${i}`, relay));
				if (got.ok && (await got.text()) === line) break;
				await new Promise((next) => setTimeout(next, 20));
			}
		}
		track.close();
		window.emitted = session; // Kept open: the subscriber may still be reading.
	},
};
