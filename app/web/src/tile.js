// One broadcast in the list: its picture, small and silent, and what it consists of.
import { Broadcast, Net, Signals, Sync, Video } from "@moq/watch";
import { codecName } from "./codec.js";
import { address, element } from "./page.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;

export class Tile {
	#effect = new Signals.Effect();
	#parts = [];

	/** data is whether there is no picture to show, as far as is known. */
	data = new Signals.Signal(false);

	/** moving is whether the picture moves without being pointed at. */
	moving = new Signals.Signal(false);

	constructor(connection, name) {
		const canvas = element("canvas", { className: "picture", width: 480, height: 270 });
		const facts = element("span", { className: "facts soft small" });
		const note = element("span", { className: "note soft", textContent: "…" });
		const slash = name.lastIndexOf("/") + 1;
		const title = element("span", { className: "tile-name" }, element("span", { className: "soft", textContent: name.slice(0, slash) }), name.slice(slash));
		const link = element(
			"a",
			{ className: "tile", href: address("watch", name), title: name },
			element("span", { className: "frame" }, canvas, note, element("span", { className: "badge live", textContent: "Live" })),
			title,
			facts,
		);
		link.setAttribute("aria-label", `Watch ${name}`);
		this.item = element("li", {}, link);
		this.item.dataset.name = name;

		const pointed = new Signals.Signal(false);
		for (const [event, on] of [["pointerenter", true], ["focus", true], ["pointerleave", false], ["blur", false]]) link.addEventListener(event, () => pointed.set(on));

		const enabled = new Signals.Signal(false);
		const broadcast = new Broadcast({ connection: connection.established, name: Net.Path.from(name), enabled: true });
		const source = new Video.Source({ broadcast, target: { width: 640, height: 360 }, supported: Video.Decoder.supported });
		const sync = new Sync({ connection: connection.established, video: source.out.jitter });
		const decoder = new Video.Decoder(source, sync, { enabled });
		const renderer = new Video.Renderer(decoder, { canvas, visible: "0px" });
		this.#parts = [renderer, decoder, sync, source, broadcast];

		// Out of sight nothing is downloaded; a picture that does not move is one picture.
		this.#effect.run((effect) => {
			const visible = effect.get(renderer.out.visible);
			const move = effect.get(pointed) || (effect.get(this.moving) && !calm);
			enabled.set(visible && (move || !effect.get(renderer.out.frame)));
		});
		this.#effect.run((effect) => {
			const shown = effect.get(renderer.out.frame) !== undefined;
			link.classList.toggle("seen", shown || link.classList.contains("seen"));
		});
		this.#effect.run((effect) => {
			const catalog = effect.get(broadcast.out.catalog);
			const status = effect.get(broadcast.out.status);
			if (catalog) {
				const video = Object.values(catalog.video?.renditions ?? {});
				const audio = Object.values(catalog.audio?.renditions ?? {});
				const size = video.map(({ codedWidth: w, codedHeight: h }) => (w && h ? [w * h, `${w}×${h}`] : [0, ""])).sort((a, b) => b[0] - a[0])[0]?.[1];
				const codecs = [...new Set([...video, ...audio].map(({ codec }) => codecName(codec)))];
				facts.textContent = [size, ...codecs].filter(Boolean).join(" · ");
				note.textContent = effect.get(source.out.error) ? "This browser has no decoder for it" : video.length ? "" : "Sound only";
			} else if (status === "offline" && effect.get(broadcast.out.active)) {
				facts.textContent = "no media catalog";
				note.textContent = "Data, no picture";
			}
			this.data.set(!catalog && status === "offline" && facts.textContent !== "");
		});
	}

	close() {
		this.#effect.close();
		for (const part of this.#parts) part.close();
		this.item.remove();
	}
}
