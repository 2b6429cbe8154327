// How loud it is, beside the preview.

/** meter moves bar with the sound that is sent. */
export function meter(studio, bar) {
	studio.signals.run((effect) => {
		const root = effect.get(studio.broadcast.audio.root);
		bar.parentElement.hidden = !root;
		if (!root) return;
		const analyser = new AnalyserNode(root.context, { fftSize: 1024 });
		const samples = new Float32Array(analyser.fftSize);
		root.connect(analyser);
		let level = 0;
		let frame;
		const draw = () => {
			frame = requestAnimationFrame(draw);
			analyser.getFloatTimeDomainData(samples);
			let peak = 0;
			for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
			level = Math.max(peak, level * 0.9);
			bar.style.transform = `scaleY(${Math.min(1, level).toFixed(3)})`;
		};
		draw();
		effect.cleanup(() => {
			cancelAnimationFrame(frame);
			root.disconnect(analyser);
		});
	});
}
