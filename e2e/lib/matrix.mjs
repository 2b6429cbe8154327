// Every @moq/net case in every draft, one after the other.
import { closePage, launchVictim, openPage } from "./browser.mjs";

/** A case ends by itself, at the latest after 60 s; this catches a page that no longer answers. */
const hangs = 90_000;

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
	await page.exposeFunction("closePeer", () => peer.close());
	return page;
}

/** killed: publishers in a browser that dies without a word while somebody watches them; the rest is told at the end. */
async function killed(world, keeper, dialects) {
	const victim = await launchVictim();
	try {
		for (const dialect of dialects) {
			const path = `e2e/killed/${dialect}`;
			const page = await openNet({ ...world, browser: victim.browser }, "victim");
			await page.evaluate(([dialect, path]) => e2e.publish(dialect, path), [dialect, path]);
			await keeper.evaluate(([dialect, path]) => e2e.watchOver(dialect, path), [dialect, path]);
		}
	} finally {
		await victim.kill();
	}
}

/** matrix runs the rows whose name matches `only` in the columns whose name contains `column` ("" is all). */
export async function matrix(world, report, only = "", column = "") {
	const wanted = new RegExp(only);
	const keeper = await openNet(world, "keeper");
	let page = await openNet(world, "net");
	const rows = (await page.evaluate(() => e2e.rows)).map(({ name, dialects }) => ({ name, dialects: dialects.filter((dialect) => dialect.includes(column)) }));
	const dialects = [...new Set(rows.flatMap((row) => row.dialects))];
	// What takes time begins first and is asked for last.
	const wait = (name) => (wanted.test(name) ? dialects : []);
	const staying = wait("set-up stays open");
	const dying = wait("browser killed").filter((dialect) => !dialect.startsWith("lite-02"));
	for (const dialect of staying) {
		const failed = await keeper.evaluate((dialect) => e2e.hold(dialect), dialect).catch(failure);
		if (failed) console.log(`${dialect}: ${failed.reason}`);
	}
	if (dying.length) await killed(world, keeper, dying).catch((err) => console.log(`browser killed: ${failure(err).reason}`));
	for (const { name, dialects } of rows) {
		if (!wanted.test(name)) continue;
		for (const dialect of dialects) {
			const outcome = await within(page.evaluate(([name, dialect]) => e2e.run(name, dialect), [name, dialect]), name).catch(failure);
			report.add(name, dialect, outcome);
			if (outcome.ok) continue;
			// What a failed case left behind must not fail the next one.
			await closePage(page);
			page = await openNet(world, "net");
		}
	}
	for (const dialect of dying) report.add("browser killed", dialect, await within(keeper.evaluate((dialect) => e2e.mourn(dialect), dialect), "mourn").catch(failure));
	for (const dialect of staying) report.add("set-up stays open", dialect, await within(keeper.evaluate((dialect) => e2e.held(dialect), dialect), "held").catch(failure));
	await closePage(page);
	await closePage(keeper);
}
