// ffmpeg → moqt publish → relay → browser, and → moqt subscribe → ffprobe; a browser's camera → moqt subscribe → ffprobe.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { closePage, openPage } from "./browser.mjs";
import { checks } from "./camera.mjs";
import { root } from "./pages.mjs";
import { pipeline, run } from "./relay.mjs";

const failSafe = 20_000;
const failure = (err) => ({ ok: false, reason: String(err.message).split("\n")[0] });
const out = (name) => join(root, "out", name);

/** What ffmpeg encodes: `pictures` renditions of a test picture, keyframes each second, and a tone. */
function film({ seconds, pictures = 1, audio = "aac", flags = "frag_keyframe+empty_moov+default_base_moof" }) {
	const sizes = ["640:360", "320:180", "160:90"].slice(0, pictures);
	const split = sizes.map((_, i) => `[s${i}]`).join("");
	const scaled = sizes.map((size, i) => `[s${i}]scale=${size}[v${i}]`).join(";");
	return [
		...["-re", "-f", "lavfi", "-i", `testsrc2=s=640x360:r=30:d=${seconds}`, "-f", "lavfi", "-i", `sine=frequency=330:beep_factor=4:sample_rate=48000:duration=${seconds}`],
		...["-filter_complex", `[0:v]split=${sizes.length}${split};${scaled}`, ...sizes.flatMap((_, i) => ["-map", `[v${i}]`]), "-map", "1:a"],
		...["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "30", "-keyint_min", "30", "-sc_threshold", "0", "-c:a", audio, "-b:a", "64k"],
		...["-f", "mp4", "-movflags", flags, "-"],
	];
}

/** packets returns what ffprobe says of a file: a line for each packet of each track, in the order of their times. */
async function packets(file) {
	const csv = await run("ffprobe", ["-v", "error", "-show_entries", "packet=stream_index,pts,dts,size,flags", "-of", "csv=p=0", file]);
	const tracks = {};
	for (const line of csv.trim().split("\n")) (tracks[line.split(",")[0]] ??= []).push(line);
	return tracks;
}

const codecs = async (file) => (await run("ffprobe", ["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", file])).trim().split("\n");

/** there and back: what ffmpeg wrote is what ffprobe reads behind the relay, packet by packet. */
async function same({ relay, seconds = 10 }, scheme) {
	const client = ["--once", "--cert-sha256", relay.hash, relay.url.replace("http:", scheme), `e2e/media/${scheme}same`, "--fmp4"];
	const [sent, got] = [out(`media-sent-${scheme.slice(0, 4)}.mp4`), out(`media-got-${scheme.slice(0, 4)}.mp4`)];
	const subscriber = pipeline({ args: ["subscribe", ...client], output: got });
	const publisher = pipeline({ media: film({ seconds, pictures: 3 }), keep: sent, args: ["publish", ...client, "--live", "--wait"] });
	for (const [name, { ended }] of Object.entries({ publish: publisher, subscribe: subscriber })) {
		const { code, signal, said } = await ended;
		if (code !== 0) throw new Error(`moqt ${name} ended with ${signal ?? code}: ${said.trim().split("\n").at(-1)}`);
	}
	const [before, after] = [await packets(sent), await packets(got)];
	const counts = Object.values(before).map((track) => track.length);
	if (counts.length !== 4 || counts.slice(0, 3).some((n) => n !== seconds * 30)) return { ok: false, reason: `ffmpeg wrote ${counts.join(", ")} packets` };
	const differing = Object.keys(before).filter((track) => before[track].join("\n") !== after[track]?.join("\n"));
	return { ok: !differing.length, note: `${counts.join(", ")} packets`, reason: `tracks ${differing.join(", ")} differ: ${Object.values(after).map((track) => track.length)} packets for ${counts}` };
}

/** Columns of the player: what it offers, and what it must speak. */
const dialects = { "lite-04": ["moq-lite-04", "moq-lite-04"], "lite-05": ["moq-lite-05", "moq-lite-05"], "moqt-16": ["moqt-16", "moq-transport-16"], "moqt-18": ["moqt-18", "moq-transport-18"] };

/** Rows of the player: what is published, and how. */
const sources = {
	"ffmpeg to player: H.264, AAC, three renditions": { media: { pictures: 3 }, flags: ["--live"], sound: /^mp4a/ },
	"ffmpeg to player: H.264, Opus, as it comes": { media: { audio: "libopus", flags: "frag_every_frame+empty_moov+default_base_moof" }, flags: [], sound: /^opus$/ },
	"ffmpeg to player: H.264, Opus, legacy container": { media: { audio: "libopus" }, flags: ["--live", "--container=legacy"], sound: /^opus$/ },
};

/** The checks of the camera, without those of the publisher; the sound may be AAC. */
const watched = (sound) => ({
	...Object.fromEntries(Object.entries(checks).filter(([check]) => !/publisher|Opus/.test(check))),
	"sound's codec": ({ player }) => [player.audioCodecs.length > 0 && player.audioCodecs.every((codec) => sound.test(codec)), player.audioCodecs.join()],
});

async function play({ browser, pages, relay }, source, dialect, name) {
	const [offer, speaks] = dialects[dialect];
	const path = `e2e/media/${name}`;
	const publisher = pipeline({ media: film({ seconds: 60, ...source.media }), args: ["publish", "--cert-sha256", relay.hash, relay.url.replace("http:", "moqt:"), path, "--fmp4", ...source.flags] });
	const player = await openPage(browser, `${pages.url}watch?${new URLSearchParams({ relay: relay.url, name: path, offer })}`, `media-${name}`);
	const hold = Object.entries(watched(source.sound));
	let result;
	try {
		for (const deadline = Date.now() + failSafe; ; ) {
			const state = { column: { player: { speaks } }, player: await player.evaluate(() => e2e.state()) };
			result = hold.map(([check, holds]) => [check, ...holds(state)]);
			if (result.every(([, ok]) => ok) || Date.now() > deadline) break;
			await new Promise((done) => setTimeout(done, 250));
		}
		await player.screenshot({ path: out(`media-${name}.png`) });
	} finally {
		await closePage(player);
		publisher.kill("SIGTERM");
	}
	const { said } = await publisher.ended;
	const failed = result.filter(([, ok]) => !ok);
	return { ok: !failed.length, note: !failed.length && result.map(([, , detail]) => detail).join(", "), reason: `${failed.map(([check, , detail]) => `${check}: only ${detail || "nothing"}`).join("; ")} ${said.trim()}` };
}

/** qualities: in the relay's own page the quality that is chosen is the one that is shown. */
async function qualities({ browser, pages, relay }) {
	const path = "e2e/media/qualities";
	const publisher = pipeline({ media: film({ seconds: 60, pictures: 3 }), args: ["publish", "--cert-sha256", relay.hash, relay.url.replace("http:", "moqt:"), path, "--fmp4", "--live"] });
	const player = await openPage(browser, `${relay.url}watch/${path}?stats=1&muted=1`, "media-qualities", pages.counting);
	const shown = [];
	try {
		for (const [label, size] of [["", /./], ["90p", /160×90/], ["360p", /640×360/], ["180p", /320×180/]]) {
			let picture = "nothing";
			let before;
			for (const deadline = Date.now() + failSafe; ; await new Promise((done) => setTimeout(done, 250))) {
				const { stats, videoFrames } = await player.evaluate(() => e2e.state());
				picture = stats.Picture ?? picture;
				before ??= videoFrames;
				if (size.test(picture) && videoFrames > before + 20) break;
				if (Date.now() > deadline) throw new Error(`${label || "automatic"}: it shows ${picture}, ${videoFrames - before} frames`);
				const options = await player.evaluate(() => [...document.querySelectorAll("#quality option")].map(({ value, textContent }) => [value, textContent]));
				const option = options.find(([, text]) => text.split(" ")[0] === label);
				if (!option) continue;
				await player.evaluate((value) => {
					const select = document.getElementById("quality");
					if (select.value === value) return;
					select.value = value;
					select.dispatchEvent(new Event("change"));
				}, option[0]);
			}
			shown.push(picture);
		}
	} finally {
		await closePage(player);
		publisher.kill("SIGTERM");
	}
	await publisher.ended;
	return { ok: true, note: shown.join(", then ") };
}

/** camera: what the browser's encoders have put out is what ffprobe counts, give or take a group. */
async function camera({ browser, pages, relay }) {
	const path = "e2e/media/camera.hang";
	const file = out("media-camera.mp4");
	const subscriber = pipeline({ args: ["subscribe", "--cert-sha256", relay.hash, relay.url.replace("http:", "https:"), path, "--fmp4"], output: file });
	const page = await openPage(browser, `${pages.url}publish?${new URLSearchParams({ relay: relay.url, name: path })}`, "media-camera");
	let sent;
	try {
		for (const deadline = Date.now() + failSafe; ; ) {
			sent = await page.evaluate(() => e2e.state());
			if (sent.videoKeys >= 4 && sent.audioFrames >= 250) break;
			if (Date.now() > deadline) throw new Error(`the page has encoded ${JSON.stringify(sent)}`);
			await new Promise((done) => setTimeout(done, 250));
		}
		await page.evaluate(() => e2e.stop());
		// What is on its way arrives: nothing more comes once the file has not grown for a second.
		for (let size = -1; ; ) {
			const { size: now } = await stat(file);
			if (now === size) break;
			size = now;
			await new Promise((done) => setTimeout(done, 1000));
		}
		sent = await page.evaluate(() => e2e.state());
	} finally {
		await closePage(page);
		subscriber.kill("SIGINT");
	}
	const { said } = await subscriber.ended;
	const kinds = await codecs(file);
	const counts = Object.values(await packets(file)).map((track) => track.length);
	const [video, audio] = [counts[kinds.indexOf("h264")] ?? 0, counts[kinds.indexOf("opus")] ?? 0];
	const group = { video: Math.ceil(sent.videoFrames / sent.videoKeys), audio: 1 };
	const ok = kinds.length === 2 && Math.abs(video - sent.videoFrames) <= group.video && Math.abs(audio - sent.audioFrames) <= group.audio;
	const detail = `${kinds.join(" and ")}: ${video} of ${sent.videoFrames} pictures, ${audio} of ${sent.audioFrames} frames of sound, a group is ${group.video} and ${group.audio}`;
	return { ok, note: detail, reason: `${detail}; ${said.trim()}` };
}

/** media runs the rows whose name matches `only`; `column` chooses dialects of the player ("" is all). */
export async function media(world, report, only = "", column = "") {
	const wanted = new RegExp(only);
	for (const scheme of ["moqt:", "https:"]) {
		const row = "ffmpeg to ffprobe: three renditions and sound, all packets";
		if (wanted.test(row) && !column) report.add(row, scheme === "moqt:" ? "QUIC" : "WebTransport", await same(world, scheme).catch(failure));
	}
	const row = "camera to ffprobe: H.264 and Opus";
	if (wanted.test(row) && !column) report.add(row, "WebTransport", await camera(world).catch(failure));
	const choice = "ffmpeg to the relay's page: three qualities to choose";
	if (wanted.test(choice) && !column) report.add(choice, "lite-05", await qualities(world).catch(failure));
	for (const [i, [row, source]] of Object.entries(sources).entries()) {
		for (const dialect of Object.keys(dialects).filter((dialect) => wanted.test(row) && dialect.includes(column))) {
			report.add(row, dialect, await play(world, source, dialect, `${i}-${dialect}`).catch(failure));
		}
	}
}
