// The numbers over the picture, once a second.
import { codecName } from "./codec.js";
import { $, element, milliseconds } from "./page.js";

const rate = (bits) => (bits >= 1e6 ? `${(bits / 1e6).toFixed(2)} Mb/s` : `${Math.round(bits / 1e3)} kb/s`);
const size = (bytes) => (bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.round(bytes / 1e3)} kB`);

/** statistics shows the numbers if `shown`; the button shows and hides them. */
export function statistics(player, shown) {
	$("stats").hidden = !shown;
	$("toggle-stats").setAttribute("aria-pressed", String(shown));
	let before;

	function update() {
		const now = {
			at: performance.now(),
			frames: player.video.out.stats.peek()?.frameCount ?? 0,
			video: player.video.out.stats.peek()?.bytesReceived ?? 0,
			audio: player.audio.out.stats.peek()?.bytesReceived ?? 0,
		};
		const last = before ?? now;
		before = now;
		if ($("stats").hidden) return;
		const seconds = (now.at - last.at) / 1000;
		// Another rendition counts from 0 again.
		const per = (what) => (seconds > 0 && now[what] >= last[what] ? (now[what] - last[what]) / seconds : 0);
		const video = player.video.source.out.config.peek();
		const audio = player.audio.source.out.config.peek();
		const session = player.connection.established.peek();
		const display = player.video.out.display.peek();
		const rtt = session?.probe.peek().rtt;
		const [first] = performance.getEntriesByName("first picture");
		const rows = {
			Picture: video ? [codecName(video.codec), display && `${display.width}×${display.height}`, player.video.source.out.track.peek()].filter(Boolean).join(" · ") : "none",
			"Video codec": video?.codec ?? "none",
			"Frame rate": `${per("frames").toFixed(1)} fps`,
			"Video bitrate": rate(per("video") * 8),
			Sound: audio ? [codecName(audio.codec), `${audio.sampleRate / 1000} kHz`, `${audio.numberOfChannels} ch`].join(" · ") : "none",
			"Audio bitrate": rate(per("audio") * 8),
			Received: size(now.video + now.audio),
			Dialect: session?.version ?? "no connection",
			"Round trip": rtt === undefined ? "not reported" : milliseconds(rtt),
			Buffer: milliseconds(player.sync.out.buffer.peek()),
			"First picture": first ? `after ${milliseconds(first.startTime)}` : "not yet",
		};
		$("stats").replaceChildren(...Object.entries(rows).map(([name, value]) => element("div", {}, element("dt", { textContent: name }), element("dd", { textContent: value }))));
	}
	new MutationObserver(update).observe($("stats"), { attributeFilter: ["hidden"] });
	player.signals.interval(update, 1000);
	update();
}
