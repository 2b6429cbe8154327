// Counts what the browser's own encoders put out, whoever uses them. Loaded before the publisher.
const encoded = { videoFrames: 0, videoKeys: 0, audioFrames: 0 };

function wrap(Native, onOutput) {
	return class extends Native {
		constructor(init) {
			super({
				...init,
				output: (chunk, metadata) => {
					onOutput(chunk);
					init.output(chunk, metadata);
				},
			});
		}
	};
}

globalThis.VideoEncoder = wrap(VideoEncoder, (chunk) => {
	encoded.videoFrames++;
	if (chunk.type === "key") encoded.videoKeys++;
});
globalThis.AudioEncoder = wrap(AudioEncoder, () => encoded.audioFrames++);

export { encoded };
