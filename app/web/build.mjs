// Bundles src into site/dist, which the Go package embeds. node build.mjs [--watch]
import { cp, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { context } from "esbuild";

const root = dirname(fileURLToPath(import.meta.url));
const dist = join(root, "site", "dist");
const pages = ["index", "watch", "publish"];

// A fallback of @moq/hang for browsers without WebCodecs audio, under the LGPL. Such browsers lack more than that,
// and the page says so: it stays out.
const leaveOut = {
	name: "leave out libav",
	setup(build) {
		build.onResolve({ filter: /^(@libav\.js\/variant-opus-af|@kixelated\/libavjs-webcodecs-polyfill)$/ }, (args) => ({ path: args.path, namespace: "left-out" }));
		build.onLoad({ filter: /.*/, namespace: "left-out" }, () => ({ contents: "export const load = () => Promise.reject(new Error('this browser cannot decode Opus'));" }));
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

const finish = {
	name: "pages and licences",
	setup(build) {
		build.onEnd(async ({ errors, metafile }) => {
			if (errors.length) return;
			for (const page of pages) await cp(join(root, "src", `${page}.html`), join(dist, `${page}.html`));
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
