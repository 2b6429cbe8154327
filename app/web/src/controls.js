// Buttons, keys and menu of the player.
import { $, element, milliseconds } from "./page.js";

const icon = (path) => `<svg class="i fill" viewBox="0 0 24 24" aria-hidden="true"><path d="${path}"/></svg>`;
const icons = {
	play: icon("M8 5v14l11-7z"),
	pause: icon("M7 5h4v14H7zm6 0h4v14h-4z"),
	sound: icon("M4 9v6h4l5 4V5L8 9zm12.500-.5v7a4 4 0 0 0 0-7zm0-4v2a7 7 0 0 1 0 11v2a9 9 0 0 0 0-15z"),
	silence: icon("M4 9v6h4l5 4V5L8 9zm11 1 1.400-1.400L18.500 10.600 20.600 8.500 22 9.900 19.900 12l2.100 2.100-1.400 1.400-2.100-2.100-2.100 2.100L15 14.100 17.100 12z"),
};
// What the client can be made to offer, the preferred one first.
const dialects = ["moq-lite-05", "moq-lite-04", "moq-lite-03", "moqt-19", "moqt-18", "moqt-16"];

function label(button, text, key) {
	button.setAttribute("aria-label", text);
	button.title = key ? `${text} (${key})` : text;
}

/** controls wires everything that the user can do to the player. */
export function controls(player, options) {
	const { paused, muted, volume, target, latency } = player.controls;
	const pause = () => paused.update((now) => !now);
	const mute = () => muted.update((now) => !now);
	const full = () => (document.fullscreenElement ? document.exitFullscreen() : $("screen").requestFullscreen?.())?.catch?.(() => {});
	const louder = (by) => volume.update((now) => Math.round(Math.min(1, Math.max(0, now + by)) * 20) / 20);
	const statistics = () => {
		$("stats").hidden = !$("stats").hidden;
		$("toggle-stats").setAttribute("aria-pressed", String(!$("stats").hidden));
	};
	const menu = (open = $("menu").hidden) => {
		$("menu").hidden = !open;
		$("toggle-menu").setAttribute("aria-expanded", String(open));
		if (open) $("quality").focus();
	};

	$("play").addEventListener("click", pause);
	$("big").addEventListener("click", pause);
	$("stage").addEventListener("click", () => ($("menu").hidden ? pause() : menu(false)));
	$("stage").addEventListener("dblclick", full);
	$("mute").addEventListener("click", mute);
	$("unmute").addEventListener("click", () => muted.set(false));
	$("full").addEventListener("click", full);
	$("toggle-stats").addEventListener("click", statistics);
	$("toggle-menu").addEventListener("click", () => menu());
	$("volume").addEventListener("input", () => volume.set($("volume").valueAsNumber));

	const keys = { " ": pause, k: pause, m: mute, f: full, s: statistics, ArrowUp: () => louder(0.05), ArrowDown: () => louder(-0.05) };
	document.addEventListener("keydown", (event) => {
		if (event.key === "Escape" && !$("menu").hidden) {
			menu(false);
			$("toggle-menu").focus();
			return;
		}
		const taken = event.target.closest("input, select, textarea, dialog") || (event.key === " " && event.target.closest("button, a"));
		if (taken || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
		event.preventDefault();
		keys[event.key]();
		stir();
	});

	// The bar leaves the picture alone while nothing happens.
	let idle;
	function stir() {
		$("player").classList.remove("idle");
		clearTimeout(idle);
		idle = setTimeout(() => $("player").classList.toggle("idle", !paused.peek() && $("menu").hidden && !$("bar").matches(":focus-within")), 2500);
	}
	for (const event of ["pointermove", "pointerdown", "focusin"]) $("player").addEventListener(event, stir);
	stir();

	player.signals.run((effect) => {
		const now = effect.get(paused);
		$("play").innerHTML = now ? icons.play : icons.pause;
		label($("play"), now ? "Play" : "Pause", "space");
	});
	player.signals.run((effect) => {
		const now = effect.get(muted);
		$("mute").innerHTML = now ? icons.silence : icons.sound;
		label($("mute"), now ? "Unmute" : "Mute", "m");
		$("volume").value = effect.get(volume);
	});
	player.signals.run((effect) => {
		const sound = effect.get(player.audio.source.out.config);
		const context = effect.get(player.audio.out.context);
		const silent = effect.get(muted);
		$("mute").disabled = $("volume").disabled = !sound;
		const show = () => ($("unmute").hidden = !sound || !(silent || context?.state === "suspended"));
		show();
		if (context) effect.event(context, "statechange", show);
		effect.timer(show, 1000);
	});
	player.signals.run((effect) => {
		const buffer = effect.get(player.sync.out.buffer);
		$("behind").textContent = effect.get(player.renderer.out.frame) ? `${milliseconds(buffer)} behind` : "";
	});

	player.signals.run((effect) => {
		const renditions = Object.entries(effect.get(player.video.source.out.available));
		renditions.sort(([, a], [, b]) => (b.codedHeight ?? 0) - (a.codedHeight ?? 0) || (b.bitrate ?? 0) - (a.bitrate ?? 0));
		const text = ([name, { codedHeight, bitrate }]) => [codedHeight ? `${codedHeight}p` : name, bitrate && `${(bitrate / 1e6).toFixed(1)} Mb/s`].filter(Boolean).join(" · ");
		$("quality").replaceChildren(element("option", { value: "", textContent: "Automatic" }), ...renditions.map((r) => element("option", { value: r[0], textContent: text(r) })));
		$("quality").value = effect.get(target)?.name ?? "";
		$("quality").disabled = renditions.length < 2;
	});
	$("quality").addEventListener("change", () => target.update((now) => ({ ...now, name: $("quality").value || undefined })));

	player.signals.run((effect) => {
		const now = String(effect.get(latency));
		if (![...$("latency").options].some(({ value }) => value === now)) $("latency").append(element("option", { value: now, textContent: milliseconds(Number(now)) }));
		$("latency").value = now;
	});
	$("latency").addEventListener("change", () => latency.set($("latency").value === "real-time" ? "real-time" : Number($("latency").value)));

	$("dialect").append(...dialects.map((dialect) => element("option", { value: dialect, textContent: dialect })));
	$("dialect").value = dialects.includes(options.get("dialect")) ? options.get("dialect") : "";
	$("dialect").addEventListener("change", () => {
		const url = new URL(location.href);
		$("dialect").value ? url.searchParams.set("dialect", $("dialect").value) : url.searchParams.delete("dialect");
		location.replace(url);
	});
}
