// What a browser must have, each with what to say to those who lack it.

const secure = {
	missing: () => !isSecureContext,
	title: "This address is not secure",
	text: () =>
		`Browsers give camera and WebTransport only to https and to localhost. On the machine of the relay open http://localhost:${location.port || 80}${location.pathname}; for others start the relay with --tls-cert and --tls-key.`,
};
// Firefox delivers too few streams and Safari stalls: their WebTransport is not enough yet.
const poor = /firefox|^(?!.*(chrome|chromium|android)).*safari/i;
const transport = {
	missing: () => typeof WebTransport === "undefined" || poor.test(navigator.userAgent),
	title: "This browser has no usable WebTransport",
	text: () => "Media over QUIC needs it. Chrome, Edge, Opera and Brave have it, from version 114 on.",
};
const language = {
	missing: () => !Promise.withResolvers || !Set.prototype.difference,
	title: "This browser is too old",
	text: () => "An update helps: Chrome, Edge, Opera or Brave from version 122 on.",
};
const decoding = {
	missing: () => typeof VideoDecoder === "undefined" || typeof AudioDecoder === "undefined",
	title: "This browser cannot decode media",
	text: () => "The player needs WebCodecs, which Chrome, Edge, Opera and Brave have.",
};
const encoding = {
	missing: () => typeof VideoEncoder === "undefined" || typeof AudioEncoder === "undefined" || !navigator.mediaDevices?.getUserMedia,
	title: "This browser cannot encode media",
	text: () => "Publishing needs WebCodecs and camera access, which Chrome, Edge, Opera and Brave have.",
};

const needs = { list: [secure, transport, language], watch: [secure, transport, language, decoding], publish: [secure, transport, language, encoding] };

/** lacking returns the first thing that the browser lacks for a page, { title, text }, or undefined. */
export function lacking(page) {
	const need = needs[page].find(({ missing }) => missing());
	return need && { title: need.title, text: need.text() };
}

/** canCapture says which sources there are. */
export const canCapture = {
	camera: () => !!navigator.mediaDevices?.getUserMedia,
	screen: () => !!navigator.mediaDevices?.getDisplayMedia,
	file: () => "captureStream" in HTMLMediaElement.prototype,
};
