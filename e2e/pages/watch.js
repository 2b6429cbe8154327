// @moq/watch, with its decoders counted and its canvas sampled. ?relay=URL &name=BROADCAST &offer=SUBPROTOCOL
import { counted } from "./decoded.js";
import { Pictures } from "./pictures.js";
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

const pictures = new Pictures();
setInterval(() => pictures.sample(canvas), 300);

window.e2e = {
	state: () => ({
		dialect: element.connection.established.peek()?.version ?? "not connected",
		pictures: pictures.count,
		size: `${canvas.width}x${canvas.height}`,
		...counted,
	}),
};
