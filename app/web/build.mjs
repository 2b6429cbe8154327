// Bundles src into site/dist, which the Go package embeds. node build.mjs [--watch]
import { cp, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { context } from "esbuild";

const root = dirname(fileURLToPath(import.meta.url));
const dist = join(root, "site", "dist");
const pages = ["index", "watch", "publish"];

// What stays out of the bundle. libav.js is a fallback of @moq/hang for browsers without WebCodecs audio, under the LGPL:
// such browsers lack more than that, and the page says so. qmux is for WebSockets, which the relay does not have.
const leftOut = {
	"@libav.js/variant-opus-af": "export const load = () => Promise.reject(new Error('this browser cannot decode Opus'));",
	"@kixelated/libavjs-webcodecs-polyfill": "export const load = () => Promise.reject(new Error('this browser cannot decode Opus'));",
	"@moq/qmux": "export default class {}",
};
const leaveOut = {
	name: "leave out",
	setup(build) {
		build.onResolve({ filter: new RegExp(`^(${Object.keys(leftOut).join("|")})$`) }, ({ path }) => ({ path, namespace: "left-out" }));
		build.onLoad({ filter: /.*/, namespace: "left-out" }, ({ path }) => ({ contents: leftOut[path] }));
	},
};

/** licenses lists the packages in the bundle, with the licence text of those that bring one. */
async function licenses(inputs) {
	const folders = new Set(Object.keys(inputs).flatMap((file) => file.match(/^.*node_modules\/(@[^/]+\/)?[^/]+/g) ?? []));
	const parts = [];
	for (const folder of [...folders].sort()) {
		const { name, version, license } = JSON.parse(await readFile(join(root, folder, "package.json"), "utf8"));
		const file = (await readdir(join(root, folder))).find((file) => /^licen[cs]e/i.test(file));
		parts.push([`${name} ${version}: ${license}`, file && (await readFile(join(root, folder, file), "utf8")).trim()].filter(Boolean).join("\n\n"));
		if (/GPL/.test(license)) throw new Error(`${name} is under ${license}`);
	}
	return `The scripts of this page contain these packages.\n\n${[...new Set(parts)].join("\n\n----\n\n")}\n`;
}

/** preloads has the browser load all parts of a script at once, instead of one after the other as each names the next. */
function preloads({ outputs }, page) {
	const parts = new Set();
	const add = (file) => {
		for (const { path, kind } of outputs[file].imports) {
			if (kind !== "import-statement" || parts.has(path)) continue;
			parts.add(path);
			add(path);
		}
	};
	add(`site/dist/assets/${page}.js`);
	return [...parts].map((file) => `<link rel="modulepreload" href="/assets/${file.split("/").at(-1)}">\n`).join("");
}

const finish = {
	name: "pages and licences",
	setup(build) {
		build.onEnd(async ({ errors, metafile }) => {
			if (errors.length) return;
			for (const page of pages) {
				const html = await readFile(join(root, "src", `${page}.html`), "utf8");
				const script = `<script type="module" src="/assets/${page}.js">`;
				if (!html.includes(script)) throw new Error(`${page}.html has no ${script}`);
				await writeFile(join(dist, `${page}.html`), html.replace(script, preloads(metafile, page) + script));
			}
			await cp(join(root, "src", "icon.svg"), join(dist, "assets", "icon.svg"));
			await writeFile(join(dist, "assets", "licenses.txt"), await licenses(metafile.inputs));
		});
	},
};

await rm(dist, { recursive: true, force: true });
await mkdir(join(dist, "assets"), { recursive: true });
const bundle = await context({
	absWorkingDir: root,
	entryPoints: [...pages.map((page) => `src/${page}.js`), "src/style.css"],
	outdir: join(dist, "assets"),
	bundle: true,
	splitting: true,
	chunkNames: "part-[hash]",
	format: "esm",
	target: "es2022",
	minify: true,
	legalComments: "none",
	metafile: true,
	logLevel: "warning",
	plugins: [leaveOut, finish],
});
if (process.argv.includes("--watch")) {
	await bundle.watch();
} else {
	await bundle.rebuild();
	await bundle.dispose();
}
