// Pictures seen on a canvas: different ones, and none that is a single colour.
const small = new OffscreenCanvas(64, 48).getContext("2d", { willReadFrequently: true });

export class Pictures {
	#seen = new Set();

	get count() {
		return this.#seen.size;
	}

	sample(canvas) {
		if (!canvas.width || !canvas.height) return;
		small.drawImage(canvas, 0, 0, 64, 48);
		const pixels = small.getImageData(0, 0, 64, 48).data;
		const colours = new Set(new Uint32Array(pixels.buffer));
		if (colours.size > 1) this.#seen.add(pixels.join());
	}
}
