// Camera → relay → player, and the same thing broken on purpose.
import { join } from "node:path";
import { closePage, openPage } from "./browser.mjs";
import { root } from "./pages.mjs";

const failSafe = 20_000;

/** The columns: who speaks what. `offer` is a forced list of subprotocols; without one the component prefers what it likes. */
const own = { publisher: { speaks: "moq-lite-04" }, player: { speaks: "moq-lite-05" } };
const forced = (offer, speaks) => ({ offer, speaks });
const columns = {
	"lite-04 to lite-05": own,
	"lite-04 to moqt-16": { ...own, player: forced("moqt-16", "moq-transport-16") },
	"lite-04 to moqt-18": { ...own, player: forced("moqt-18", "moq-transport-18") },
	"moqt-16 to lite-05": { ...own, publisher: forced("moqt-16", "moq-transport-16") },
	"moqt-18 to lite-05": { ...own, publisher: forced("moqt-18", "moq-transport-18") },
};

/** Each check: what must hold in the end. The negative runs name the ones that must not. */
export const checks = {
	"publisher's dialect": ({ publisher, column }) => [publisher.dialect === column.publisher.speaks, publisher.dialect],
	"player's dialect": ({ player, column }) => [player.dialect === column.player.speaks, player.dialect],
	"100 video frames decoded": ({ player }) => [player.videoFrames >= 100, `${player.videoFrames}`],
	"video is H.264": ({ player }) => [player.videoCodecs.length > 0 && player.videoCodecs.every((codec) => /^avc[13]/.test(codec)), player.videoCodecs.join()],
	"3 s of audio decoded": ({ player }) => [player.audioSeconds >= 3, `${player.audioSeconds.toFixed(1)} s`],
	"audio is Opus": ({ player }) => [player.audioCodecs.length > 0 && player.audioCodecs.every((codec) => codec === "opus"), player.audioCodecs.join()],
	"audio is not silence": ({ player }) => [player.audioPeak > 0.01, `peak ${player.audioPeak.toFixed(2)}`],
	"5 different pictures": ({ player }) => [player.pictures >= 5, `${player.pictures}, ${player.size}`],
};

export const videoChecks = ["100 video frames decoded", "video is H.264", "5 different pictures"];
export const audioChecks = ["3 s of audio decoded", "audio is Opus", "audio is not silence"];

/** live runs publisher and player until every check holds or the fail-safe ends it; check name → [ok, detail]. */
async function live({ browser, pages, relay, name, column = own, query = "" }) {
	const address = (page, { offer }) => `${pages.url}${page}?${new URLSearchParams({ relay, name: `e2e/${name}.hang`, ...(offer && { offer }) })}`;
	const publisher = await openPage(browser, address("publish", column.publisher) + query, `${name}-publish`);
	const player = await openPage(browser, address("watch", column.player), `${name}-watch`);
	const started = Date.now();
	let result;
	try {
		for (;;) {
			const state = { column, publisher: await publisher.evaluate(() => e2e.state()), player: await player.evaluate(() => e2e.state()) };
			result = Object.fromEntries(Object.entries(checks).map(([check, hold]) => [check, hold(state)]));
			if (Object.values(result).every(([ok]) => ok) || Date.now() - started > failSafe) break;
			await new Promise((done) => setTimeout(done, 250));
		}
		await player.screenshot({ path: join(root, "out", `${name}.png`) });
		return { result, seconds: ((Date.now() - started) / 1000).toFixed(1) };
	} finally {
		await closePage(publisher);
		await closePage(player);
	}
}

/** camera runs the columns whose name contains `only`. */
export async function camera(world, report, only = "") {
	for (const [title, column] of Object.entries(columns).filter(([title]) => title.includes(only))) {
		const name = `camera-${title.replaceAll(" ", "-")}`;
		const { result, seconds } = await live({ ...world, relay: world.relay.url, name, column });
		for (const [check, [ok, detail]] of Object.entries(result)) report.add(check, title, { ok, note: ok && detail, reason: `only ${detail || "nothing"}` });
		console.log(`${title}: ${seconds} s, screenshot in out/${name}.png`);
	}
}

/** negatives: the run above must fail, in these checks and in no others. */
export async function negatives(world, report, stoppedRelay) {
	const all = Object.keys(checks);
	const cases = [
		{ name: "relay-stopped", relay: stoppedRelay, fails: all },
		{ name: "microphone-muted", query: "&muted", fails: audioChecks },
		{ name: "camera-invisible", query: "&invisible", fails: videoChecks },
		{ name: "publisher-stopped", query: "&muted&invisible", fails: [...videoChecks, ...audioChecks] },
	];
	await Promise.all(
		cases.map(async ({ name, relay = world.relay.url, query, fails }) => {
			const { result } = await live({ ...world, relay, name, query });
			const failed = all.filter((check) => !result[check][0]);
			const surplus = failed.filter((check) => !fails.includes(check));
			const missing = fails.filter((check) => !failed.includes(check));
			report.add(`must fail: ${name}`, "camera", {
				ok: !surplus.length && !missing.length,
				note: `${failed.length} of ${all.length} checks failed`,
				reason: [missing.length && `still held: ${missing.join(", ")}`, surplus.length && `also failed: ${surplus.join(", ")}`].filter(Boolean).join("; "),
			});
		}),
	);
}
