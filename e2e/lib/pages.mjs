// Bundles the pages with esbuild and serves them on localhost, which browsers treat as a secure context.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const names = ["net", "publish", "watch"];

/** servePages returns the base URL and a close function. */
export async function servePages() {
	await build({
		entryPoints: names.map((name) => join(root, "pages", `${name}.js`)),
		outdir: join(root, "dist"),
		bundle: true,
		format: "esm",
		target: "es2022",
		logLevel: "warning",
	});
	await build({ entryPoints: [join(root, "pages", "counting.js")], outfile: join(root, "dist", "counting.js"), bundle: true, format: "iife", target: "es2022", logLevel: "warning" });
	const server = createServer(async (request, response) => {
		const { pathname, searchParams } = new URL(request.url, "http://localhost");
		const name = basename(pathname).split(".")[0];
		if (name === "frame") {
			response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
			response.end(`<!doctype html><title>frame</title><iframe width="640" height="360" allow="autoplay" src="${searchParams.get("src").replaceAll("&", "&amp;")}"></iframe>`);
		} else if (!names.includes(name)) {
			response.writeHead(pathname === "/favicon.ico" ? 204 : 404).end();
		} else if (pathname.endsWith(".js")) {
			response.writeHead(200, { "content-type": "text/javascript" }).end(await readFile(join(root, "dist", `${name}.js`)));
		} else {
			response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
			response.end(`<!doctype html><meta charset="utf-8"><title>${name}</title><body><script type="module" src="/${name}.js"></script>`);
		}
	});
	await new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
	return {
		counting: await readFile(join(root, "dist", "counting.js"), "utf8"),
		url: `http://127.0.0.1:${server.address().port}/`,
		close: () => new Promise((resolve) => server.close(resolve) && server.closeAllConnections()),
	};
}
