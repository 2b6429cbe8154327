// Counts what the browser's own decoders put out, whoever uses them. Loaded before the player.
const counted = { videoFrames: 0, audioSeconds: 0, audioPeak: 0, videoCodecs: [], audioCodecs: [] };

function wrap(Native, codecs, onOutput) {
	return class extends Native {
		constructor(init) {
			super({
				...init,
				output: (data) => {
					onOutput(data);
					init.output(data);
				},
			});
		}

		configure(config) {
			if (!codecs.includes(config.codec)) codecs.push(config.codec);
			super.configure(config);
		}
	};
}

function count() {
	globalThis.VideoDecoder = wrap(VideoDecoder, counted.videoCodecs, () => counted.videoFrames++);
	globalThis.AudioDecoder = wrap(AudioDecoder, counted.audioCodecs, (data) => {
		counted.audioSeconds += data.numberOfFrames / data.sampleRate;
		const samples = new Float32Array(data.numberOfFrames);
		data.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
		for (const sample of samples) counted.audioPeak = Math.max(counted.audioPeak, Math.abs(sample));
	});
}
// Browsers have decoders only on secure pages.
if (globalThis.VideoDecoder) count();

export { counted };
