// A relay of our own on a free port, and the other commands of the same binary.
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { createWriteStream, existsSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { root } from "./pages.mjs";

export const binary = resolve(process.env.MOQT ?? join(root, "..", "bin", "moqt"));

/** freePort returns a port that nobody has, neither of TCP nor of UDP. */
async function freePort() {
	for (;;) {
		const tcp = createServer();
		await new Promise((done) => tcp.listen(0, "127.0.0.1", done));
		const { port } = tcp.address();
		const udp = createSocket("udp4");
		const free = await new Promise((done) => udp.once("error", () => done(false)).bind(port, "127.0.0.1", () => done(true)));
		await new Promise((done) => (free ? udp.close(done) : done()));
		await new Promise((done) => tcp.close(done));
		if (free) return port;
	}
}

/** startRelay returns once /health answers. */
export async function startRelay(log, ...flags) {
	if (!existsSync(binary)) throw new Error(`${binary} does not exist; build it with \`make build\` or name another one with MOQT=`);
	const port = await freePort();
	const child = spawn(binary, ["relay", "--listen", `127.0.0.1:${port}`, ...flags], { stdio: ["ignore", "pipe", "pipe"] });
	const file = createWriteStream(join(root, "out", `${log}.log`));
	child.stdout.pipe(file, { end: false });
	child.stderr.pipe(file, { end: false });
	let exit;
	const exited = new Promise((done) => child.once("exit", (code, signal) => done((exit = signal ?? `code ${code}`))));
	const url = `http://127.0.0.1:${port}/`;
	for (const deadline = Date.now() + 20_000; ; ) {
		if (exit !== undefined) throw new Error(`the relay ended with ${exit}, see out/${log}.log`);
		if (Date.now() > deadline) throw new Error("the relay does not answer on /health");
		const health = await fetch(`${url}health`).catch(() => undefined);
		if (health?.ok) break;
		await new Promise((done) => setTimeout(done, 50));
	}
	const hash = await (await fetch(`${url}certificate.sha256`)).text();
	return {
		url,
		hash,
		exited: () => exit,
		async stop() {
			if (exit === undefined) child.kill("SIGTERM");
			const timer = setTimeout(() => child.kill("SIGKILL"), 5_000);
			await exited;
			clearTimeout(timer);
		},
	};
}

/**
 * command runs the binary and resolves with its exit code and its output; it is killed after 20 s.
 * Its stdin stays open until the promise `until` settles.
 */
export function command(args, { stdin = "", until } = {}) {
	const child = spawn(binary, args, { stdio: ["pipe", "pipe", "pipe"] });
	const output = { stdout: "", stderr: "" };
	for (const name of ["stdout", "stderr"]) child[name].setEncoding("utf8").on("data", (chunk) => (output[name] += chunk));
	child.stdin.on("error", () => {});
	child.stdin.write(stdin);
	Promise.resolve(until).catch(() => {}).then(() => child.stdin.end());
	const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
	return new Promise((done, failed) => {
		child.once("error", failed);
		child.once("close", (code, signal) => {
			clearTimeout(timer);
			done({ code, signal, ...output });
		});
	});
}
