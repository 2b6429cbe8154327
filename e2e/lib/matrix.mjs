// Every @moq/net case in every draft of moq-lite, one after the other.
import { closePage, openPage } from "./browser.mjs";

/** A case ends by itself after 20 s; this catches a page that no longer answers. */
const hangs = 40_000;

const within = (promise, what) => {
	let timer;
	const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`${what}: the page does not answer`)), hangs)));
	return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

const failure = (err) => ({ ok: false, reason: String(err.message).split("\n")[0] });

async function openNet({ browser, pages, relay }, log) {
	const page = await openPage(browser, `${pages.url}net?relay=${encodeURIComponent(relay.url)}`, log);
	let peer;
	await page.exposeFunction("openPeer", async (dialect, path) => {
		peer = await openPage(browser, page.url(), "peer");
		await peer.evaluate(([dialect, path]) => e2e.publish(dialect, path), [dialect, path]);
	});
	await page.exposeFunction("killPeer", () => closePage(peer));
	return page;
}

/** matrix runs the rows that `only` matches ("" is all). */
export async function matrix(world, report, only = "") {
	const keeper = await openNet(world, "keeper");
	let page = await openNet(world, "net");
	const rows = await page.evaluate(() => e2e.rows);
	const dialects = [...new Set(rows.flatMap((row) => row.dialects))];
	for (const dialect of dialects) {
		const opened = await keeper.evaluate((dialect) => e2e.hold(dialect), dialect).catch(failure);
		if (opened) console.log(`${dialect}: ${opened.reason}`);
	}
	for (const { name, dialects } of rows) {
		if (!name.includes(only)) continue;
		for (const dialect of dialects) {
			const outcome = await within(page.evaluate(([name, dialect]) => e2e.run(name, dialect), [name, dialect]), name).catch(failure);
			report.add(name, dialect, outcome);
			if (outcome.ok) continue;
			// What a failed case left behind must not fail the next one.
			await closePage(page);
			page = await openNet(world, "net");
		}
	}
	for (const dialect of dialects) report.add("set-up stays open", dialect, await within(keeper.evaluate((dialect) => e2e.held(dialect), dialect), "held").catch(failure));
	await closePage(page);
	await closePage(keeper);
}
