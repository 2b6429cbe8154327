// What the relay's own page is asked: loaded into it before its scripts, so that the page itself is as its users see it.
import { counted } from "./decoded.js";
import { Pictures } from "./pictures.js";

const pictures = new Map();
setInterval(() => {
	for (const canvas of document.querySelectorAll("canvas.picture")) {
		if (!pictures.has(canvas)) pictures.set(canvas, new Pictures());
		pictures.get(canvas).sample(canvas);
	}
}, 300);

const text = (id) => {
	const element = document.getElementById(id);
	return element?.checkVisibility() ? element.textContent : "";
};

window.e2e = {
	state: () => ({
		...counted,
		link: text("link"),
		message: text("message"),
		trouble: text("trouble"),
		onAir: text("live"),
		go: { text: text("go"), disabled: document.getElementById("go")?.disabled },
		pictures: Math.max(0, ...[...pictures.values()].map(({ count }) => count)),
		size: [...pictures.keys()].map(({ width, height }) => `${width}x${height}`).join(),
		stats: Object.fromEntries([...document.querySelectorAll("#stats div")].map((row) => [row.firstChild.textContent, row.lastChild.textContent])),
		tiles: Object.fromEntries(
			[...document.querySelectorAll("#tiles li")].map((tile) => [
				tile.dataset.name,
				{ facts: tile.querySelector(".facts").textContent, note: tile.querySelector(".note").textContent, pictures: pictures.get(tile.querySelector("canvas"))?.count ?? 0 },
			]),
		),
		firstPicture: performance.getEntriesByName("first picture")[0]?.startTime,
	}),
};
