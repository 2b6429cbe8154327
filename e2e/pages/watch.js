// @moq/watch, with its decoders counted and its canvas sampled. ?relay=URL &name=BROADCAST &offer=SUBPROTOCOL
import { counted } from "./decoded.js";
import "@moq/watch/element";

const query = new URLSearchParams(location.search);
const element = document.createElement("moq-watch");
const canvas = document.createElement("canvas");
element.append(canvas);
element.connection.websocket = { enabled: false };
if (query.has("offer")) element.connection.webtransport = { protocols: query.getAll("offer") };
element.name = query.get("name");
element.setAttribute("visible", "always");
element.url = query.get("relay");
document.body.append(element);

// Pictures seen on the canvas: different ones, and none that is a single colour.
const pictures = new Set();
const small = new OffscreenCanvas(64, 48).getContext("2d", { willReadFrequently: true });

function sample() {
	if (!canvas.width || !canvas.height) return;
	small.drawImage(canvas, 0, 0, 64, 48);
	const pixels = small.getImageData(0, 0, 64, 48).data;
	const colours = new Set(new Uint32Array(pixels.buffer));
	if (colours.size > 1) pictures.add(pixels.join());
}
setInterval(sample, 300);

window.e2e = {
	state: () => ({
		dialect: element.connection.established.peek()?.version ?? "not connected",
		pictures: pictures.size,
		size: `${canvas.width}x${canvas.height}`,
		...counted,
	}),
};
