// node run.mjs [camera] [negative] [matrix] [cli] [media] [page] [join] [--only=TEXT] [--dialect=TEXT] [--seconds=N]; without names: all but join.
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { launch } from "./lib/browser.mjs";
import { camera, negatives } from "./lib/camera.mjs";
import { cli } from "./lib/cli.mjs";
import { matrix } from "./lib/matrix.mjs";
import { media } from "./lib/media.mjs";
import { join20, page } from "./lib/page.mjs";
import { root, servePages } from "./lib/pages.mjs";
import { startRelay } from "./lib/relay.mjs";
import { Report } from "./lib/report.mjs";

const parts = {
	camera: (world, report) => camera(world, report, value("dialect")),
	negative: async (world, report) => {
		const stopped = await startRelay("relay-stopped");
		await stopped.stop();
		await negatives(world, report, stopped.url);
	},
	matrix: (world, report) => matrix(world, report, value("only"), value("dialect")),
	cli: (world, report) => cli(world, report),
	media: (world, report) => media({ ...world, seconds: value("seconds") && Number(value("seconds")) }, report, value("only"), value("dialect")),
	page: (world, report) => page(world, report),
	join: (world, report) => join20(world, report),
};
/** everything but what only measures. */
const usual = Object.keys(parts).filter((name) => name !== "join");

const options = process.argv.slice(2);
const value = (name) => options.find((option) => option.startsWith(`--${name}=`))?.slice(`--${name}=`.length);
const chosen = options.filter((option) => !option.includes("=")).map((option) => option.replace(/^--/, ""));
for (const name of chosen) {
	if (!(name in parts)) {
		console.error(`unknown part ${name}; there are ${Object.keys(parts).join(", ")}`);
		process.exit(2);
	}
}

await rm(join(root, "out"), { recursive: true, force: true });
await mkdir(join(root, "out"), { recursive: true });
const closers = [];
const totals = { passed: 0, failed: 0 };
try {
	const relay = await startRelay("relay");
	closers.push(() => relay.stop());
	const pages = await servePages();
	closers.push(() => pages.close());
	const browser = await launch();
	closers.push(() => browser.close());
	for (const name of chosen.length ? chosen : usual) {
		const report = new Report();
		const started = Date.now();
		try {
			await parts[name]({ relay, pages, browser }, report);
		} catch (err) {
			report.add(name, "run", { ok: false, reason: String(err.message).split("\n")[0] });
		}
		console.log(`\n== ${name} (${Math.round((Date.now() - started) / 1000)} s)`);
		report.print();
		totals.passed += report.passed;
		totals.failed += report.failed;
	}
	if (relay.exited() !== undefined) {
		totals.failed++;
		console.log(`FAIL the relay died during the run: ${relay.exited()}, see out/relay.log`);
	}
} catch (err) {
	totals.failed++;
	console.error(err.message);
} finally {
	for (const close of closers.reverse()) await close();
}
if (totals.passed === 0 && totals.failed === 0) totals.failed++; // A run that showed nothing is not green.
console.log(`\n${totals.passed} passed, ${totals.failed} failed`);
process.exit(totals.failed ? 1 : 0);
