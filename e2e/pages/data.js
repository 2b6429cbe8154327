// Payloads that can be rebuilt from a seed, and whole groups read and compared byte by byte.
import { Broadcast, Time } from "@moq/net";
import { check } from "./case.js";

/** Options for byte-exact cases: nothing may expire while a busy machine catches up. */
export const patient = { ordered: true, latencyMax: 30_000 };

export function bytes(seed, size) {
	const out = new Uint8Array(size);
	let x = (seed * 2654435761 + 1) >>> 0 || 1;
	for (let i = 0; i < size; i++) {
		x ^= x << 13;
		x ^= x >>> 17;
		x ^= x << 5;
		out[i] = x;
	}
	return out;
}

export const text = (s) => new TextEncoder().encode(s);

export function frame(payload, timestamp = Time.Timestamp.now()) {
	return { payload, timestamp };
}

export function compare(got, want, where) {
	check(got.byteLength === want.byteLength, `${where}: ${got.byteLength} bytes, want ${want.byteLength}`);
	for (let i = 0; i < want.byteLength; i++) {
		if (got[i] !== want[i]) throw new Error(`${where}: byte ${i} is ${got[i]}, want ${want[i]}`);
	}
}

/** open puts a broadcast with one track on a session. */
export function open(session, path, name = "data", info = { latencyMax: 30_000 }) {
	const broadcast = new Broadcast.Producer();
	const track = broadcast.createTrack(name, info);
	session.publish(path, broadcast);
	return { broadcast, track };
}

/** subscribed resolves once the SUBSCRIBE of a subscriber has come through the relay to the publisher's track. */
export async function subscribed(track, subscriber) {
	const refused = subscriber && Promise.resolve(subscriber.closed).then((err) => Promise.reject(err ?? new Error("the subscription ended")));
	while (!track.used.peek()) await Promise.race([track.used.changed(), refused].filter(Boolean));
	refused?.catch(() => {});
}

export async function nextGroup(subscriber) {
	const group = await subscriber.recvGroup();
	check(group, "the track ended, want a group");
	return group;
}

export async function nextFrame(group, want, where) {
	const got = await group.readFrame();
	check(got, `${where}: the group ended, want a frame`);
	compare(got.payload, want, where);
	return got;
}

export async function expectEnd(group, where) {
	check((await group.readFrame()) === undefined, `${where}: one frame too many`);
}

/** writeGroup appends a finished group with these payloads and returns its sequence. */
export function writeGroup(track, payloads) {
	const group = track.appendGroup();
	for (const payload of payloads) group.writeFrame(frame(payload));
	group.close();
	return group.sequence;
}

/** readGroup reads the next group, which must have exactly these payloads. */
export async function readGroup(subscriber, payloads, where) {
	const group = await nextGroup(subscriber);
	for (const [i, payload] of payloads.entries()) await nextFrame(group, payload, `${where} group ${group.sequence} frame ${i}`);
	await expectEnd(group, `${where} group ${group.sequence}`);
	return group.sequence;
}

/**
 * Window lets a publisher run at most `size` groups ahead of its subscriber, so that haste never excuses a loss.
 * The first group travels alone: it fixes where the subscription starts.
 */
export class Window {
	#free = 1;
	#rest;
	#wake;

	constructor(size) {
		this.#rest = size - 1;
	}

	async take() {
		while (this.#free === 0) await new Promise((resolve) => (this.#wake = resolve));
		this.#free--;
	}

	give() {
		this.#free += 1 + this.#rest;
		this.#rest = 0;
		this.#wake?.();
	}
}
