// The relay's own page: the list, the player and the studio, with the film of `moqt relay --demo` and with a camera.
import { join, resolve } from "node:path";
import { closePage, openPage } from "./browser.mjs";
import { audioChecks, checks as mediaChecks, videoChecks } from "./camera.mjs";
import { root } from "./pages.mjs";
import { startRelay } from "./relay.mjs";

const failSafe = 20_000;
const film = resolve(root, "../app/relay/film/film.mp4");
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const screenshot = (page, name) => page.screenshot({ path: join(root, "out", `${name}.png`) });

/** settle asks until every check holds or the fail-safe ends it; check name → [ok, detail]. */
async function settle(ask, checks) {
	for (const started = Date.now(); ; await pause(250)) {
		const state = await ask();
		const result = Object.fromEntries(Object.entries(checks).map(([name, hold]) => [name, hold(state)]));
		if (Object.values(result).every(([ok]) => ok) || Date.now() - started > failSafe) return result;
	}
}

function tell(report, column, result) {
	for (const [check, [ok, detail]] of Object.entries(result)) report.add(check, column, { ok, note: ok && detail, reason: `${detail || "nothing"}` });
}

const state = (page) => () => page.evaluate(() => e2e.state());

/** once waits until hold is true of the state. */
async function once(page, what, hold) {
	const result = await settle(state(page), { [what]: (state) => [hold(state), ""] });
	if (!result[what][0]) throw new Error(`nothing for ${failSafe / 1000} s, waiting for ${what}`);
}

/** visit opens a page of the relay. */
const visit = (world, path, log) => openPage(world.browser, new URL(path, world.relay.url).href, log, world.pages.counting);

/** guarded is a browser that notes in `sins` what pages of a relay load from elsewhere and what their policy refuses. */
function guarded(browser, url) {
	const sins = [];
	const own = new URL(url).origin;
	const newContext = async (options) => {
		const context = await browser.newContext(options);
		context.on("request", (request) => /^(blob|data):/.test(request.url()) || new URL(request.url()).origin === own || sins.push(`loads ${request.url()}`));
		context.on("console", (message) => /Content Security Policy|Refused to/.test(message.text()) && sins.push(message.text()));
		context.on("weberror", (event) => sins.push(String(event.error())));
		return context;
	};
	return { sins, newContext };
}

const media = (names) => Object.fromEntries(names.map((name) => [name, (state) => mediaChecks[name]({ player: state })]));
const heard = {
	...media(audioChecks),
	"statistics: sound": ({ stats }) => [/^Opus/.test(stats.Sound) && Number.parseFloat(stats["Audio bitrate"]) > 0, `${stats.Sound}, ${stats["Audio bitrate"]}`],
};

/** playing is what must hold of a player that speaks a dialect and has a picture; `heard` of one that has sound. */
const playing = (dialect) => ({
	...media(videoChecks),
	"dialect in the header": ({ link }) => [link.startsWith(dialect), link],
	"statistics: codec": ({ stats }) => [/^H\.264 · \d+×\d+/.test(stats.Picture) && /^avc/.test(stats["Video codec"]), stats.Picture],
	"statistics: frame rate": ({ stats }) => [Number.parseFloat(stats["Frame rate"]) > 1, stats["Frame rate"]],
	"statistics: bitrate": ({ stats }) => [Number.parseFloat(stats["Video bitrate"]) > 0, stats["Video bitrate"]],
	"statistics: dialect": ({ stats }) => [stats.Dialect === dialect, stats.Dialect],
	// moq-transport has no message for it, and below lite-05 the client does not ask.
	"statistics: round trip": ({ stats }) => [dialect === "moq-lite-05" ? Number.parseFloat(stats["Round trip"]) > 0 : stats["Round trip"] === "not reported", stats["Round trip"]],
	"nothing over the picture": ({ message }) => [message === "", message],
});

async function filmPlays(world, report) {
	const columns = { "film lite-05": ["", "moq-lite-05"], "film lite-04": ["&dialect=moq-lite-04", "moq-lite-04"], "film moqt-18": ["&dialect=moqt-18", "moq-transport-18"] };
	for (const [column, [query, dialect]] of Object.entries(columns)) {
		const player = await visit(world, `watch/demo?stats=1${query}`, column.replace(" ", "-"));
		tell(report, column, await settle(state(player), { ...playing(dialect), ...heard }));
		if (query === "") {
			await screenshot(player, "page-watch");
			await report.run("pause, play, keys", column, () => controls(player));
		}
		await closePage(player);
	}
}

async function controls(player) {
	const frames = async () => (await state(player)()).videoFrames;
	await player.click("#play");
	let before = -1;
	await once(player, "no frames while paused", ({ videoFrames }) => videoFrames === before || ((before = videoFrames), false));
	const stopped = await frames();
	await player.keyboard.press("k");
	await once(player, "frames after play", ({ videoFrames }) => videoFrames > stopped + 10);
	for (const [key, selector, attribute, values] of [["m", "#mute", "aria-label", ["Mute", "Unmute"]], ["s", "#toggle-stats", "aria-pressed", ["true", "false"]]]) {
		for (const want of [...values.slice(1), values[0]]) {
			await player.keyboard.press(key);
			await player.locator(`${selector}[${attribute}="${want}"]`).waitFor({ timeout: failSafe });
		}
	}
}

/** withoutFilm: a relay that has no film must fail in everything that the film shows. */
async function withoutFilm(world, report) {
	const player = await visit(world, "watch/demo?stats=1", "no-film");
	await once(player, "a message", ({ message }) => message.startsWith("Not live"));
	const { videoFrames, audioSeconds, pictures } = await state(player)();
	const held = Object.entries({ videoFrames, audioSeconds, pictures }).filter(([, n]) => n > 0).map(([name]) => name);
	report.add("fails without the film", "no film", { ok: !held.length, reason: `there are ${held.join(", ")}` });
	await closePage(player);
}

/** listed: a broadcast is a tile, with so many different pictures. */
const listed = (name, pictures) => ({ [`tile with picture: ${name}`]: ({ tiles }) => [tiles[name]?.pictures >= pictures, JSON.stringify(tiles[name])] });

async function goLive(studio) {
	await once(studio, "a source", ({ go }) => !go.disabled);
	await studio.click("#go");
	await once(studio, "On air", ({ onAir }) => onAir === "On air");
}

/** sources: from the studio to list and player, and off the list when it stops. */
async function sources(world, report) {
	const list = await visit(world, "", "list");
	tell(report, "list", await settle(state(list), listed("demo", 3)));
	const choose = {
		camera: (studio) => studio.click("[data-source=camera]"),
		screen: (studio) => studio.click("[data-source=screen]"),
		file: (studio) => studio.setInputFiles("#file", film),
	};
	for (const [source, pick] of Object.entries(choose)) {
		const name = `e2e/${source}`;
		const studio = await visit(world, `publish?name=${name}&codec=avc1`, `studio-${source}`);
		await report.run("on air", source, async () => {
			await pick(studio);
			await goLive(studio);
		});
		tell(report, source, await settle(state(list), listed(name, 1)));
		const player = await visit(world, `watch/${name}?stats=1`, `watch-${source}`);
		// The fake screen is silent.
		tell(report, source, await settle(state(player), { ...playing("moq-lite-05"), ...(source !== "screen" && heard) }));
		await screenshot(studio, `page-publish-${source}`);
		await screenshot(list, "page-list");
		await report.run("off the air", source, async () => {
			await studio.click("#go");
			await once(list, "the tile to go", ({ tiles }) => !(name in tiles));
			await once(player, "Not live", ({ message }) => message.startsWith("Not live"));
		});
		await closePage(player);
		await closePage(studio);
	}
	await closePage(list);
}

/** embedding: another site may show the player in an iframe, and nothing else of the page. */
async function embedding(world, report) {
	const frame = (path) => `${world.pages.url}frame?src=${encodeURIComponent(new URL(path, world.relay.url).href)}`;
	const site = await openPage(world.browser, frame("embed/demo?muted=1&stats=1"), "embed", world.pages.counting);
	const inside = () => site.frames()[1];
	await report.run("plays in an iframe of another site", "embed", async () => {
		const result = await settle(() => inside().evaluate(() => e2e.state()), { frames: ({ videoFrames, pictures }) => [videoFrames >= 50 && pictures >= 3, `${videoFrames} frames`] });
		if (!result.frames[0]) throw new Error(`only ${result.frames[1]}`);
		if (await inside().locator(".top").isVisible()) throw new Error("the header is there");
	});
	for (const path of ["watch/demo", "publish", ""]) {
		await site.goto(frame(path));
		await report.run("refuses other frames", `/${path}`, async () => {
			for (const started = Date.now(); !inside()?.url().startsWith("chrome-error:"); await pause(100)) {
				if (Date.now() - started > failSafe) throw new Error(`the frame is ${inside()?.url()}`);
			}
		});
	}
	await closePage(site);
}

/** lacking: what a browser lacks is said, in the page where it matters. */
async function lacking(world, report) {
	const without = (name) => `delete globalThis.${name};`;
	const cases = [
		["WebTransport", "", without("WebTransport"), "trouble", /WebTransport/],
		["WebTransport", "watch/demo", without("WebTransport"), "message", /WebTransport/],
		["decoders", "watch/demo", without("VideoDecoder"), "message", /decode/],
		["encoders", "publish", without("VideoEncoder"), "message", /encode/],
		["a secure address", "watch/demo", "Object.defineProperty(globalThis, 'isSecureContext', { value: false });", "message", /--tls-cert/],
	];
	for (const [what, path, script, where, text] of cases) {
		const page = await openPage(world.browser, new URL(path, world.relay.url).href, "lacking", world.pages.counting, script);
		await report.run(`says that it lacks ${what}`, `/${path}`, () => once(page, String(text), (state) => text.test(state[where])));
		await closePage(page);
	}
}

/** page is all of it. */
export async function page({ browser, pages, relay }, report) {
	const cinema = await startRelay("cinema", "--demo", "--clock");
	const strict = guarded(browser, cinema.url);
	const world = { browser: strict, pages, relay: cinema };
	try {
		await filmPlays(world, report);
		await sources(world, report);
		report.add("loads nothing from elsewhere, breaks no policy", "all", { ok: !strict.sins.length, reason: strict.sins[0] });
		await embedding({ ...world, browser }, report);
		await lacking({ ...world, browser }, report);
		await withoutFilm({ browser, pages, relay }, report);
	} finally {
		await cinema.stop();
	}
	console.log("screenshots in out/: page-list.png, page-watch.png, page-publish-camera.png, page-publish-file.png");
}

const rank = (times, share) => times[Math.min(times.length - 1, Math.ceil(times.length * share) - 1)];

/** join opens the player 20 times and prints how long after that the first picture was there. */
export async function join20({ browser, pages }, report) {
	const cinema = await startRelay("cinema", "--demo");
	const world = { browser, pages, relay: cinema };
	const measure = async (column, path) => {
		const times = [];
		for (let i = 0; i < 20; i++) {
			await pause(Math.random() * 2000); // Anywhere between two keyframes.
			const player = await visit(world, path, "join");
			await once(player, "the first picture", ({ firstPicture }) => firstPicture !== undefined);
			times.push((await state(player)()).firstPicture);
			await closePage(player);
		}
		times.sort((a, b) => a - b);
		const show = (ms) => `${Math.round(ms)} ms`;
		report.add("opening the page to the first picture, 20 times", column, { ok: true, note: `p50 ${show(rank(times, 0.5))}, p95 ${show(rank(times, 0.95))}, all ${times.map(Math.round).join(" ")}` });
	};
	try {
		await measure("film", "watch/demo");
		const studio = await visit(world, "publish?name=e2e/join", "join-studio");
		await studio.click("[data-source=camera]");
		await goLive(studio);
		await measure("@moq/publish", "watch/e2e/join");
		await closePage(studio);
	} finally {
		await cinema.stop();
	}
}
