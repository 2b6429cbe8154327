// The studio: camera, screen or file to the relay. Options in the address: ?name=NAME &dialect=SUBPROTOCOL
import "@moq/publish/element";
import { codecName } from "./codec.js";
import { devices, permission } from "./devices.js";
import { meter } from "./meter.js";
import { $, address, connectionOptions, copy, element, relay, showLink } from "./page.js";
import { canCapture, lacking } from "./support.js";

const options = new URLSearchParams(location.search);
const pick = (words) => words[Math.floor(Math.random() * words.length)];
const invented = () => `${pick(["amber", "brisk", "calm", "coral", "dusky", "early", "merry", "misty", "polar", "quiet", "sunny", "vivid"])}-${pick(["bay", "brook", "cliff", "dune", "fjord", "glade", "harbor", "island", "lagoon", "meadow", "ridge", "valley"])}`;
const buttons = [...document.querySelectorAll("[data-source]")];

function trouble(title, text) {
	$("trouble").hidden = !title;
	$("trouble").replaceChildren(element("b", { textContent: title ?? "" }), ` ${text ?? ""}`);
}

function say(title, text) {
	$("message").hidden = !title;
	$("message").replaceChildren(element("b", { textContent: title ?? "" }), element("span", { textContent: text ?? "" }));
}

const studio = document.createElement("moq-publish");
const preview = element("video", { className: "picture", muted: true, autoplay: true, playsInline: true });
const video = () => studio.broadcast.video;

/** choose makes a source the one that is shown and sent; undefined is none. */
async function choose(kind, file) {
	trouble();
	let source = file ?? kind;
	if (kind === "camera") {
		say("Asking for the camera", "Your browser wants to know whether this page may use it.");
		const wanted = { video: $("video").checked, audio: $("audio").checked };
		const answer = await permission(wanted);
		if (answer.trouble) {
			source = kind = undefined;
			trouble(...answer.trouble);
		} else {
			$("video").checked = answer.video;
			$("audio").checked = answer.audio;
		}
	}
	apply();
	studio.source = undefined;
	await Promise.resolve();
	studio.source = source;
	preview.classList.toggle("mirror", kind === "camera");
	for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.source === kind));
}

function apply() {
	studio.invisible = !$("video").checked;
	studio.muted = !$("audio").checked;
	studio.simulcast = $("simulcast").checked;
	const config = {};
	if ($("size").value) config.maxPixels = Number($("size").value);
	if ($("codec").value) config.codec = $("codec").value;
	video().hd.config.set(config);
}

const name = () => $("name").value.split("/").map((part) => part.trim()).filter(Boolean).join("/");
const onAir = () => studio.announce === "source";

function go() {
	studio.name = name();
	studio.announce = "source";
	const url = new URL(address("watch", name()), location.href).href;
	$("address").href = $("address").textContent = url;
}

function stop() {
	studio.announce = "never";
}

function start() {
	Object.assign(studio.connection, connectionOptions);
	if (options.get("dialect")) studio.connection.webtransport = { protocols: [options.get("dialect")] };
	studio.announce = "never";
	studio.url = relay;
	studio.append(preview);
	$("stage").append(studio);
	apply();
	say("Choose a source", "Nothing is sent before you go live.");

	for (const button of buttons) {
		const kind = button.dataset.source;
		if (!canCapture[kind]()) {
			button.disabled = true;
			button.title = "This browser cannot do that";
		}
		button.addEventListener("click", () => (kind === "file" ? $("file").click() : choose(kind)));
	}
	$("file").addEventListener("change", () => $("file").files[0] && choose("file", $("file").files[0]));
	for (const id of ["video", "audio", "simulcast", "size", "codec"]) $(id).addEventListener("change", apply);
	$("form").addEventListener("submit", (event) => {
		event.preventDefault();
		if (onAir()) stop();
		else if (name()) go();
	});
	$("copy").addEventListener("click", () => copy($("address").href, $("copy")));
	addEventListener("beforeunload", (event) => onAir() && event.preventDefault());

	devices(studio);
	meter(studio, $("meter"));
	studio.signals.run((effect) => showLink(effect, studio.connection));

	// A session that ends cleanly is not replaced by the component.
	let connected = false;
	studio.signals.run((effect) => {
		const now = effect.get(studio.connection.status) === "connected";
		if (connected && !now) {
			trouble("The relay has gone.", "Connecting again …");
			effect.timer(() => {
				studio.url = undefined;
				queueMicrotask(() => (studio.url = relay));
			}, 1000);
		} else if (now) {
			trouble();
		} else {
			effect.timer(() => trouble("The relay does not answer.", "Trying again …"), 4000);
		}
		connected = now;
	});

	studio.signals.run((effect) => {
		const kind = effect.get(studio.state.source);
		const track = effect.get(video().source);
		const sound = effect.get(studio.broadcast.audio.source);
		const live = effect.get(studio.state.announce) === "source";
		const has = track || sound;
		const reached = effect.get(studio.connection.status) === "connected";
		if (track) effect.event(track, "ended", () => (stop(), choose()));
		if (has) say(track ? undefined : "Sound only", track ? undefined : "No picture is sent.");
		else if (kind === "screen") say("Choose a screen, a window or a tab", "in the dialog of your browser.");
		else if (!kind) say("Choose a source", "Nothing is sent before you go live.");
		else say("Starting", "…");
		if (live && !has) stop();
		$("go").disabled = !live && !(has && reached);
		$("go").textContent = live ? "Stop" : "Go live";
		$("go").classList.toggle("danger", live);
		$("name").disabled = live;
		$("live").hidden = $("shared").hidden = !(live && has && reached);
	});

	studio.signals.run((effect) => {
		const config = effect.get(video().hd.resolved);
		const track = effect.get(video().source);
		const watched = effect.get(video().hd.active) || effect.get(studio.broadcast.audio.active);
		$("facts").hidden = !(config && track);
		if (config) $("facts").textContent = [`${config.width}×${config.height}`, codecName(config.codec), `${Math.round(config.framerate)} fps`, onAir() && (watched ? "somebody watches" : "nobody watches yet")].filter(Boolean).join(" · ");
	});
}

$("name").value = options.get("name") ?? invented();
const lack = lacking("publish");
if (lack) {
	say(lack.title, lack.text);
	for (const control of $("form").elements) control.disabled = true;
} else {
	start();
}
