// Cameras and microphones: may we, and which.
import { $, element } from "./page.js";

const troubles = {
	NotAllowedError: ["The camera is not allowed.", "Allow it in the address bar of your browser, then choose it again."],
	NotFoundError: ["There is no camera and no microphone.", "Share a screen or publish a file instead."],
	NotReadableError: ["The camera cannot be opened.", "Another program may be using it."],
};

/** permission asks for camera and microphone at once: { video, audio } is what there is, or { trouble: [title, text] }. */
export async function permission(wanted) {
	const ways = [wanted, { video: true, audio: false }, { video: false, audio: true }];
	let last;
	for (const way of ways) {
		if (!way.video && !way.audio) continue;
		try {
			const stream = await navigator.mediaDevices.getUserMedia(way);
			for (const track of stream.getTracks()) track.stop();
			return way;
		} catch (err) {
			last = err;
			if (err.name !== "NotFoundError") break;
		}
	}
	return { trouble: troubles[last?.name] ?? ["The camera does not work.", String(last?.message ?? "Neither picture nor sound is chosen.")] };
}

/** devices keeps the two lists of devices true. */
export function devices(studio) {
	for (const [signal, id] of [[studio.video, "camera"], [studio.audio, "microphone"]]) {
		studio.signals.run((effect) => {
			const device = effect.get(signal)?.device; // a screen has none
			const available = (device && effect.get(device.available)) ?? [];
			$(`${id}-box`).hidden = available.length < 2;
			$(id).replaceChildren(...available.map(({ deviceId, label }, i) => element("option", { value: deviceId, textContent: label || `${id} ${i + 1}` })));
			if (device) $(id).value = effect.get(device.active) ?? effect.get(device.requested) ?? "";
			effect.event($(id), "change", () => device?.preferred.set($(id).value));
		});
	}
}
