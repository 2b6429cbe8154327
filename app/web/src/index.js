// The list: a tile for each live broadcast, as they come and go.
import { Net, Signals } from "@moq/watch";
import { $, connectionOptions, copy, relay, showLink } from "./page.js";
import { lacking } from "./support.js";
import { Tile } from "./tile.js";

const tiles = new Map();
const lack = lacking("list");
let asked = false; // whether we would know by now if something were live
let missed;

function order() {
	const wanted = $("search").value.trim().toLowerCase();
	const data = (name) => Number(tiles.get(name).data.peek());
	const names = [...tiles.keys()].sort((a, b) => data(a) - data(b) || a.localeCompare(b));
	let shown = 0;
	for (const [i, name] of names.entries()) {
		const { item } = tiles.get(name);
		item.hidden = !name.toLowerCase().includes(wanted);
		if (!item.hidden) shown++;
		if ($("tiles").children[i] !== item) $("tiles").insertBefore(item, $("tiles").children[i] ?? null);
	}
	$("count").textContent = tiles.size ? String(tiles.size) : "";
	$("empty").hidden = tiles.size > 0 || !asked;
	$("search-box").hidden = tiles.size < 7 && !wanted;
	document.title = `${tiles.size ? `${tiles.size} live` : "Live"} · moqt relay`;
	// A few may move all the time; of many each moves when it is pointed at.
	for (const tile of tiles.values()) tile.moving.set(shown <= 4);
}

function come(connection, name) {
	if (tiles.has(name)) return;
	tiles.set(name, new Tile(connection, name));
	tiles.get(name).data.subscribe(order);
	order();
}

function go(name) {
	tiles.get(name)?.close();
	tiles.delete(name);
	order();
}

async function follow(connection) {
	const announced = connection.announced();
	for (;;) {
		const event = await announced.next();
		if (!event) return;
		event.active ? come(connection, event.path) : go(event.path);
	}
}

function trouble(title, text) {
	$("trouble").replaceChildren(Object.assign(document.createElement("b"), { textContent: title }), ` ${text}`);
	$("trouble").hidden = false;
}

const flags = location.protocol === "https:" ? "" : "--insecure ";
$("command").textContent = `ffmpeg -re -f lavfi -i testsrc2=s=1280x720:r=30 -c:v libx264 -preset ultrafast -tune zerolatency -g 60 -pix_fmt yuv420p -f mp4 -movflags frag_every_frame+empty_moov+default_base_moof - | moqt publish ${flags}--fmp4 https://${relay.host}/ test`;
$("copy").addEventListener("click", () => copy($("command").textContent, $("copy")));
$("search").addEventListener("input", order);

if (lack) {
	trouble(lack.title, lack.text);
	$("link").textContent = "no connection";
} else {
	const connection = new Net.Connection.Reload({ ...connectionOptions, url: relay, enabled: true });
	const root = new Signals.Effect();
	root.run((effect) => showLink(effect, connection));
	root.run((effect) => {
		if (effect.get(connection.status) === "connected") {
			$("trouble").hidden = true;
			// The first announcements come within a round trip or two.
			effect.timer(() => (asked = true) && order(), 400);
		} else {
			asked = false;
			order();
			missed ??= setTimeout(() => {
				missed = undefined;
				if (connection.status.peek() !== "connected") trouble("The relay does not answer.", "This page tries again until it does.");
			}, 3000);
		}
	});
	follow(connection);
}
