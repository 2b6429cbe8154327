// Names of codecs that people know, for the strings in a catalog.
const names = [
	[/^avc[13]/, "H.264"],
	[/^(hev|hvc)1/, "H.265"],
	[/^vp09|^vp9/, "VP9"],
	[/^vp8/, "VP8"],
	[/^av01/, "AV1"],
	[/^opus/i, "Opus"],
	[/^mp4a/, "AAC"],
	[/^flac/i, "FLAC"],
];

export const codecName = (codec) => names.find(([form]) => form.test(codec))?.[1] ?? codec;
