// The command line on one side, a browser on the other: the same bytes in and out.
import { closePage, openPage } from "./browser.mjs";
import { command } from "./relay.mjs";

const lines = Array.from({ length: 200 }, (_, i) => `line ${i} ${"x".repeat((i * 37) % 900)}\n`);
const all = lines.join("");

const failure = (err) => ({ ok: false, reason: String(err.message).split("\n")[0] });
const verdict = (got, note) => ({ ok: got === all, note, reason: `${got.length} bytes differ from the ${all.length} sent` });

function succeeded({ code, signal, stdout, stderr }) {
	if (code !== 0) throw new Error(`moqt ended with ${signal ?? `code ${code}`}: ${stderr.trim().split("\n").at(-1)}`);
	return stdout;
}

async function there(page, client, dialect, path) {
	// The client drops what is on its way when a track ends: the input ends once everything is there.
	const collected = page.evaluate(([dialect, path, enough]) => e2e.collect(dialect, path, "data", enough), [dialect, path, all.length]);
	succeeded(await command(["publish", ...client, path, "--lines"], { stdin: all, until: collected }));
	const { text, groups } = await collected;
	return verdict(text, `${groups} groups`);
}

async function back(page, client, dialect, path) {
	const subscribed = command(["subscribe", ...client, path]);
	await page.evaluate(([dialect, path, lines]) => e2e.emit(dialect, path, "data", lines), [dialect, path, lines]);
	return verdict(succeeded(await subscribed));
}

/** cli: the browser speaks the column's dialect, the command its own. */
export async function cli({ browser, pages, relay }, report) {
	const page = await openPage(browser, `${pages.url}net?relay=${encodeURIComponent(relay.url)}`, "cli");
	const urls = { WebTransport: relay.url.replace("http:", "https:"), QUIC: relay.url.replace("http:", "moqt:") };
	for (const [name, url] of Object.entries(urls)) {
		const client = ["--once", "--cert-sha256", relay.hash, url];
		for (const dialect of ["lite-03", "lite-04", "lite-05"]) {
			const path = (what) => `e2e/cli/${name}/${dialect}/${what}`;
			report.add(`moqt publish over ${name} to browser`, dialect, await there(page, client, dialect, path("there")).catch(failure));
			report.add(`browser to moqt subscribe over ${name}`, dialect, await back(page, client, dialect, path("back")).catch(failure));
		}
	}
	await closePage(page);
}
