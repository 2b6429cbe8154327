// Headless Chromium with a fake camera, and pages whose console goes to out/.
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { root } from "./pages.mjs";

const options = {
	executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
	args: [
		"--no-sandbox",
		"--use-fake-device-for-media-stream",
		"--use-fake-ui-for-media-stream",
		"--autoplay-policy=no-user-gesture-required",
		// The browser talks to this machine and to nobody else.
		"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
		"--disable-background-networking",
		"--disable-component-update",
		"--disable-domain-reliability",
		"--disable-sync",
		"--no-pings",
		"--no-first-run",
	],
};

export const launch = () => chromium.launch(options);

/** launchVictim returns a browser that can be killed: SIGKILL, so that it says goodbye to nobody. */
export async function launchVictim() {
	const server = await chromium.launchServer(options);
	const browser = await chromium.connect(server.wsEndpoint());
	return { browser, kill: () => server.kill() };
}

/**
 * openPage opens a page in a context of its own; its console and errors go to out/<log>.log. Init scripts run before
 * those of the page. Something of the two must set window.e2e.
 */
export async function openPage(browser, url, log, ...init) {
	const context = await browser.newContext({ permissions: ["camera", "microphone"] });
	for (const content of init) await context.addInitScript({ content });
	const page = await context.newPage();
	const file = createWriteStream(join(root, "out", `${log}.log`), { flags: "a" });
	const write = (line) => file.write(`${new Date().toISOString()} ${line}\n`);
	page.on("console", (message) => write(`${message.type()}: ${message.text()}`));
	page.on("pageerror", (error) => write(`uncaught: ${error.stack ?? error}`));
	page.on("crash", () => write("the page crashed"));
	await page.goto(url);
	await page.waitForFunction(() => window.e2e !== undefined);
	return page;
}

export const closePage = (page) => page.context().close();
