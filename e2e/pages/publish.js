// @moq/publish with the browser's fake camera and microphone.
// ?relay=URL &name=BROADCAST &offer=SUBPROTOCOL &muted (no microphone) &invisible (no camera)
import { encoded } from "./encoded.js";
import "@moq/publish/element";

const query = new URLSearchParams(location.search);
const element = document.createElement("moq-publish");
element.connection.websocket = { enabled: false };
if (query.has("offer")) element.connection.webtransport = { protocols: query.getAll("offer") };
element.broadcast.video.hd.config.set({ codec: "avc1", maxPixels: 640 * 480 });
element.name = query.get("name");
element.source = "camera";
element.muted = query.has("muted");
element.invisible = query.has("invisible");
element.url = query.get("relay");
document.body.append(element);

window.e2e = {
	state: () => ({ dialect: element.connection.established.peek()?.version ?? "not connected", ...encoded }),
	/** stop turns camera and microphone off; the broadcast stays. */
	stop: () => {
		element.muted = true;
		element.invisible = true;
	},
};
