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

/**
 * pipeline runs ffmpeg with `media` as its arguments, if any, into the binary with `args`; the standard output of the
 * binary, and with `keep` what ffmpeg wrote too, go to files. It resolves with the binary's exit code and what it said.
 */
export function pipeline({ media, keep, args, output }) {
	const child = spawn(binary, args, { stdio: [media ? "pipe" : "ignore", output ? "pipe" : "ignore", "pipe"] });
	let said = "";
	child.stderr.setEncoding("utf8").on("data", (chunk) => (said += chunk));
	if (output) child.stdout.pipe(createWriteStream(output));
	const children = [child];
	if (media) {
		const ffmpeg = spawn("ffmpeg", ["-v", "error", "-nostdin", ...media], { stdio: ["ignore", "pipe", "pipe"] });
		ffmpeg.once("error", (err) => (said += `ffmpeg cannot be started, is it installed? ${err.message}\n`));
		ffmpeg.stderr.setEncoding("utf8").on("data", (chunk) => (said += chunk));
		child.stdin.on("error", () => {});
		ffmpeg.stdout.pipe(child.stdin);
		if (keep) ffmpeg.stdout.pipe(createWriteStream(keep));
		children.push(ffmpeg);
	}
	const kill = (name) => children.forEach((child) => child.kill(name));
	const timer = setTimeout(() => kill("SIGKILL"), 90_000);
	return {
		kill,
		ended: new Promise((done, failed) => {
			child.once("error", failed);
			child.once("close", (code, signal) => {
				clearTimeout(timer);
				kill("SIGKILL");
				done({ code, signal, said });
			});
		}),
	};
}

/** run runs a program to its end and resolves with its standard output. */
export function run(program, args) {
	const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
	const output = { stdout: "", stderr: "" };
	for (const name of ["stdout", "stderr"]) child[name].setEncoding("utf8").on("data", (chunk) => (output[name] += chunk));
	return new Promise((done, failed) => {
		child.once("error", (err) => failed(new Error(`${program} cannot be started, is it installed? ${err.message}`)));
		child.once("close", (code) => (code === 0 ? done(output.stdout) : failed(new Error(`${program} ended with ${code}: ${output.stderr.trim().split("\n").at(-1)}`))));
	});
}
