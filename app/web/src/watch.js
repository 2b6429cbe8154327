// The player page, and the same alone in an iframe. Options in the address, all of them for /embed too:
// ?muted &controls=0 &stats=1 &latency=MS|real-time &quality=RENDITION &dialect=SUBPROTOCOL
import "@moq/watch/element";
import { controls } from "./controls.js";
import { messages } from "./message.js";
import { $, address, connectionOptions, copy, element, named, relay, showLink } from "./page.js";
import { statistics } from "./stats.js";
import { lacking } from "./support.js";

const options = new URLSearchParams(location.search);
const name = named();
const embedded = location.pathname.startsWith("/embed/");
const on = (option) => options.has(option) && !["0", "false"].includes(options.get(option));

document.documentElement.classList.toggle("embed", embedded);
document.title = `${name} · moqt relay`;
$("name").textContent = name;
$("bar").hidden = options.get("controls") === "0";

const lack = lacking("watch");
if (lack) {
	$("message").replaceChildren(element("b", { textContent: lack.title }), element("span", { textContent: lack.text }));
	$("message").hidden = false;
	$("bar").hidden = true;
} else {
	const player = document.createElement("moq-watch");
	player.append(element("canvas", { className: "picture" }));
	Object.assign(player.connection, connectionOptions);
	if (options.get("dialect")) player.connection.webtransport = { protocols: [options.get("dialect")] };
	player.name = name;
	player.muted = on("muted");
	const latency = options.get("latency") ?? "real-time";
	player.latency = Number.isFinite(Number(latency)) ? Number(latency) : "real-time";
	if (options.get("quality")) player.controls.target.update((target) => ({ ...target, name: options.get("quality") }));
	player.setAttribute("visible", "0px");
	player.url = relay;
	$("stage").append(player);

	messages(player, name);
	controls(player, options);
	statistics(player, on("stats"));
	player.signals.run((effect) => showLink(effect, player.connection));
}

$("share").addEventListener("click", () => copy(new URL(address("watch", name), location.href).href, $("share")));

function iframe() {
	const url = new URL(address("embed", name), location.href);
	const chosen = (box) => $("embedding").querySelector(`[name=${box}]`).checked;
	if (chosen("muted")) url.searchParams.set("muted", "1");
	if (!chosen("controls")) url.searchParams.set("controls", "0");
	if (chosen("stats")) url.searchParams.set("stats", "1");
	const quoted = url.href.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
	return `<iframe src="${quoted}" width="640" height="360" style="border:0" allow="autoplay; fullscreen" allowfullscreen></iframe>`;
}
const renew = () => ($("iframe").value = iframe());
$("embed").addEventListener("click", () => {
	renew();
	$("embedding").showModal();
});
$("embedding").addEventListener("change", renew);
$("close-embedding").addEventListener("click", () => $("embedding").close());
$("copy-iframe").addEventListener("click", () => copy($("iframe").value, $("copy-iframe")));
