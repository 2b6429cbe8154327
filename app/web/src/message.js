// What is said over the picture while there is none, and why there is none.
import { codecName } from "./codec.js";
import { $, element } from "./page.js";

/** messages keeps message, spinner and badge of the player true. */
export function messages(player, name) {
	let missed;
	const say = (title, ...text) => {
		$("message").replaceChildren(element("b", { textContent: title }), element("span", {}, ...text));
		$("message").hidden = false;
	};
	const wait = () => {
		$("spinner").hidden = false;
	};

	player.signals.run((effect) => {
		const status = effect.get(player.connection.status);
		const broadcast = effect.get(player.broadcast.out.active);
		const catalog = effect.get(player.broadcast.out.catalog);
		const catalogStatus = effect.get(player.broadcast.out.status);
		const shown = effect.get(player.renderer.out.frame) !== undefined;
		const paused = effect.get(player.controls.paused);
		$("message").hidden = $("spinner").hidden = true;
		$("big").hidden = !paused;
		$("live").hidden = !(broadcast && catalog);
		if (status !== "connected") {
			missed ??= performance.now();
			const left = 3000 - (performance.now() - missed);
			const give = () => {
				$("spinner").hidden = true;
				say("The relay does not answer", "Trying again …");
			};
			if (left <= 0) return give();
			effect.timer(give, left);
			return wait();
		}
		missed = undefined;
		if (!broadcast) {
			// It is announced within a round trip or two, if it is.
			effect.timer(() => {
				$("spinner").hidden = true;
				say("Not live", `Nobody publishes “${name}” now. The picture starts by itself as soon as somebody does.`);
			}, 600);
			return wait();
		}
		if (!catalog) {
			if (catalogStatus === "offline") return say("No picture here", `“${name}” is live, but it is data: it has no media catalog.`);
			return wait();
		}
		const video = Object.values(catalog.video?.renditions ?? {});
		const audio = Object.values(catalog.audio?.renditions ?? {});
		if (effect.get(player.video.source.out.error)) {
			const codecs = [...new Set(video.map(({ codec }) => `${codecName(codec)} (${codec})`))].join(", ");
			return say("This browser cannot decode the picture", `It is ${codecs}.`);
		}
		if (!video.length) return audio.length ? say("Sound only", "This broadcast has no picture.") : say("Nothing to play", "The catalog has neither picture nor sound.");
		if (!shown || (!paused && effect.get(player.video.out.stalled))) wait();
	});

	player.signals.run((effect) => {
		if (effect.get(player.renderer.out.frame) === undefined || performance.getEntriesByName("first picture").length) return;
		// performance.now counts from the opening of this page.
		performance.mark("first picture");
	});

	player.signals.run((effect) => {
		const config = effect.get(player.video.source.out.config);
		const renditions = Object.keys(effect.get(player.video.source.out.available)).length;
		const audio = effect.get(player.audio.source.out.config);
		const size = config?.codedWidth && `${config.codedWidth}×${config.codedHeight}`;
		$("about").textContent = [size, config && codecName(config.codec), audio && codecName(audio.codec), renditions > 1 && `${renditions} qualities`].filter(Boolean).join(" · ");
	});
}
