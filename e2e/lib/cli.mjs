// The command line on one side, a browser on the other.
import { closePage, openPage } from "./browser.mjs";
import { command } from "./relay.mjs";

const lines = Array.from({ length: 200 }, (_, i) => `line ${i} ${"x".repeat((i * 37) % 900)}`);

export async function cli(world, report) {
	const { browser, pages, relay } = world;
	const url = relay.url.replace("http:", "https:");
	const page = await openPage(browser, `${pages.url}net?relay=${encodeURIComponent(relay.url)}`, "cli");
	for (const dialect of ["lite-03", "lite-04", "lite-05"]) {
		const name = `e2e/cli/${dialect}`;
		const failure = (err) => ({ ok: false, reason: String(err.message).split("\n")[0] });
		const told = ({ code, signal, stderr }) => `moqt ended with ${signal ?? `code ${code}`}: ${stderr.trim().split("\n").at(-1)}`;

		const there = async () => {
			const collected = page.evaluate(([dialect, path]) => e2e.collect(dialect, path, "data"), [dialect, `${name}/out`]);
			const published = await command(["publish", "--cert-sha256", relay.hash, url, `${name}/out`], lines.map((line) => `${line}\n`).join(""));
			if (published.code !== 0) throw new Error(told(published));
			const { text, groups } = await collected;
			const got = text.replaceAll("\n", "");
			return { ok: got === lines.join(""), note: `${groups} groups`, reason: `${got.length} bytes differ from the ${lines.join("").length} of stdin` };
		};
		report.add("moqt publish to browser", dialect, await there().catch(failure));

		const back = async () => {
			const subscribed = command(["subscribe", "--once", "--cert-sha256", relay.hash, url, `${name}/back`, "data"]);
			await page.evaluate(([dialect, path, lines]) => e2e.emit(dialect, path, "data", lines), [dialect, `${name}/back`, lines]);
			const result = await subscribed;
			if (result.code !== 0) throw new Error(told(result));
			const got = result.stdout.replaceAll("\n", "");
			return { ok: got === lines.join(""), reason: `${got.length} bytes of stdout differ from the ${lines.join("").length} sent` };
		};
		report.add("browser to moqt subscribe", dialect, await back().catch(failure));
	}
	await closePage(page);
}
