// Cases about the bytes of groups and frames.
import { Time } from "@moq/net";
import { check } from "./case.js";
import { bytes, compare, expectEnd, frame, nextFrame, nextGroup, open, patient, readGroup, subscribed, text, Window, writeGroup } from "./data.js";

async function refused(t, session, path, track) {
	const start = performance.now();
	const subscriber = session.consume(path).track(track).subscribe();
	const group = await subscriber.recvGroup().then(
		(group) => ({ reason: group ? "a group came" : "a clean end, want an error" }),
		(error) => ({ error }),
	);
	check(group.error, group.reason);
	// The client gives up by itself after 10 s; only the relay's own refusal counts.
	check(!/timed out/.test(group.error.message), group.error.message);
	t.note(`${Math.round(performance.now() - start)} ms, ${group.error.message}`);
}

async function unknownBroadcast(t) {
	t.step("an error for a broadcast that nobody has");
	const session = await t.connect();
	await refused(t, session, t.path("nobody"), "data");
}

async function unknownTrack(t) {
	const { broadcast, track } = open(await t.connect(), t.path("alice"));
	const session = await t.connect();
	t.alongside(async () => {
		for (let request = await broadcast.requested(); request; request = await broadcast.requested()) {
			request.reject(new Error("no such track"));
		}
	});
	t.step("a known track, so that the broadcast is there");
	const known = session.consume(t.path("alice")).track("data").subscribe();
	await subscribed(track, known);
	writeGroup(track, [text("here")]);
	await readGroup(known, [text("here")], "known track");
	t.step("an error for a track that the publisher rejects");
	await refused(t, session, t.path("alice"), "nothing");
}

// The client as a publisher does not tell a peer of draft 14 or 16 that the application rejects a SUBSCRIBE: it resets a
// stream that exists only inside the client. So nothing comes until the subscriber, or the relay, has waited for 10 s.
const unanswered = {
	dialects: /^moqt-1[46]/,
	why: "the publishing client answers nothing",
	how: ({ ok, reason, ms }) => (ok ? ms > 9_000 : /timed out/.test(reason)),
};

// A subscriber drops what is still on its way when its track ends, so a track is ended only once everything is in.
async function expectTrackEnd(t, track, subscriber) {
	t.step("the end of the track");
	track.close();
	check((await subscriber.recvGroup()) === undefined, "a group after the last one");
}

async function hundredGroups(t) {
	const size = (g, f) => 1 + ((g * 7919 + f * 104729) % 16384); // 1 … 16,384
	const sizes = new Set();
	const scale = Time.Timescale(90_000);
	const { track } = open(await t.connect(), t.path("alice"), "data", { latencyMax: 30_000, timescale: scale });
	const session = await t.connect();
	const subscriber = session.consume(t.path("alice")).track("data").subscribe(patient);
	t.step("the subscription at the publisher");
	await subscribed(track, subscriber);
	const window = new Window(16);
	t.alongside(async () => {
		for (let g = 0; g < 100; g++) {
			await window.take();
			const group = track.appendGroup();
			for (let f = 0; f < 10; f++) {
				const payload = bytes(g * 10 + f, f === 0 && g === 0 ? 16384 : size(g, f));
				sizes.add(payload.byteLength);
				group.writeFrame({ payload, timestamp: new Time.Timestamp(1_000_000 + g * 30_000 - f * 1500, scale) });
				if (f % 4 === 3) await new Promise((resolve) => setTimeout(resolve)); // Frames of a group come over time.
			}
			group.close();
		}
	});
	const seen = new Set();
	const readers = [];
	while (seen.size < 100) {
		t.step(`group ${seen.size} of 100`);
		const group = await nextGroup(subscriber);
		const g = group.sequence;
		check(!seen.has(g) && g < 100, `group ${g} came twice or was never sent`);
		seen.add(g);
		readers.push(
			t.alongside(async () => {
				for (let f = 0; f < 10; f++) {
					const got = await group.readFrame();
					check(got, `group ${g} ended before frame ${f}`);
					compare(got.payload, bytes(g * 10 + f, f === 0 && g === 0 ? 16384 : size(g, f)), `group ${g} frame ${f}`);
					if (t.dialect !== "lite-05") continue; // Older drafts have no timestamps on the wire.
					check(got.timestamp.scale === scale && got.timestamp.value === 1_000_000 + g * 30_000 - f * 1500, `group ${g} frame ${f} has timestamp ${got.timestamp.value}/${got.timestamp.scale}`);
				}
				await expectEnd(group, `group ${g}`);
				window.give();
			}),
		);
	}
	await Promise.all(readers);
	await expectTrackEnd(t, track, subscriber);
	check(Math.min(...sizes) < 64 && Math.max(...sizes) === 16384, "the sizes do not span 1 B to 16 KiB");
}

// The end must come through whether the subscription was answered before the first group or with it.
async function trackEnds(t) {
	const { broadcast, track } = open(await t.connect(), t.path("alice"), "early");
	const session = await t.connect();
	const late = broadcast.createTrack("late", { latencyMax: 30_000 });
	for (const [name, producer, pause] of [["early", track, 200], ["late", late, 0]]) {
		t.step(`the group of track ${name}`);
		const subscriber = session.consume(t.path("alice")).track(name).subscribe(patient);
		await subscribed(producer, subscriber);
		await new Promise((resolve) => setTimeout(resolve, pause));
		writeGroup(producer, [text(name)]);
		await readGroup(subscriber, [text(name)], name);
		await expectTrackEnd(t, producer, subscriber);
	}
}

async function lateJoin(t) {
	const { track } = open(await t.connect(), t.path("alice"));
	const join = async () => (await t.connect()).consume(t.path("alice")).track("data").subscribe();
	const early = await join();
	await subscribed(track, early);
	writeGroup(track, [text("old")]);
	t.step("the finished group, at the early subscriber");
	await readGroup(early, [text("old")], "early");
	const current = track.appendGroup();
	for (let f = 0; f < 3; f++) current.writeFrame(frame(bytes(f, 700)));
	t.step("three frames of the open group, at the early subscriber");
	const earlyGroup = await nextGroup(early);
	for (let f = 0; f < 3; f++) await nextFrame(earlyGroup, bytes(f, 700), `early frame ${f}`);
	// Nothing is published between here and the late subscriber's last check.
	t.step("the open group from its first frame, at the late subscriber");
	const late = await join();
	const lateGroup = await nextGroup(late);
	check(lateGroup.sequence === current.sequence, `the late subscriber got group ${lateGroup.sequence}, want ${current.sequence}`);
	for (let f = 0; f < 3; f++) await nextFrame(lateGroup, bytes(f, 700), `late frame ${f}`);
	t.step("one more frame and the end, at both");
	current.writeFrame(frame(text("more")));
	current.close();
	for (const group of [earlyGroup, lateGroup]) {
		await nextFrame(group, text("more"), "both");
		await expectEnd(group, "both");
	}
}

async function twentySessions(t) {
	const { track } = open(await t.connect(), t.path("alice"));
	t.step("20 sessions");
	const sessions = await Promise.all(Array.from({ length: 20 }, () => t.connect()));
	const subscribers = sessions.map((session) => session.consume(t.path("alice")).track("data").subscribe(patient));
	await subscribed(track, subscribers[0]);
	// One open group reaches everybody whether he subscribed before or after its first frame.
	const group = track.appendGroup();
	group.writeFrame(frame(bytes(1, 5000)));
	t.step("the group at 20 subscribers");
	const groups = await Promise.all(subscribers.map(nextGroup));
	await Promise.all(groups.map((group, i) => nextFrame(group, bytes(1, 5000), `session ${i}`)));
	group.writeFrame(frame(bytes(2, 5000)));
	group.close();
	for (const [i, group] of groups.entries()) {
		await nextFrame(group, bytes(2, 5000), `session ${i}`);
		await expectEnd(group, `session ${i}`);
	}
}

async function mebibyte(t) {
	const payload = bytes(7, 1 << 20);
	const { track } = open(await t.connect(), t.path("alice"));
	const subscriber = (await t.connect()).consume(t.path("alice")).track("data").subscribe(patient);
	await subscribed(track, subscriber);
	t.step("a frame of 1 MiB between two small ones");
	writeGroup(track, [text("a"), payload, text("z")]);
	await readGroup(subscriber, [text("a"), payload, text("z")], "1 MiB");
}

async function manyTracks(t) {
	const session = await t.connect();
	const all = [];
	for (let b = 0; b < 4; b++) {
		const { broadcast } = open(await t.connect(), t.path(`b${b}`), "first");
		for (let n = 0; n < 50; n++) all.push({ b, n, track: broadcast.createTrack(`track/${n}`, { latencyMax: 30_000 }) });
	}
	let done = 0;
	await Promise.all(
		all.map(async ({ b, n, track }) => {
			const subscriber = session.consume(t.path(`b${b}`)).track(`track/${n}`).subscribe(patient);
			await subscribed(track, subscriber);
			for (let g = 0; g < 2; g++) {
				const payload = bytes(b * 1000 + n * 10 + g, 1 + n * 20);
				writeGroup(track, [payload]);
				await readGroup(subscriber, [payload], `broadcast ${b} track ${n}`);
			}
			t.step(`tracks, ${++done} of 200 done`);
		}),
	);
}

async function threeThousand(t) {
	const total = 3000;
	const { track } = open(await t.connect(), t.path("alice"));
	const subscriber = (await t.connect()).consume(t.path("alice")).track("data").subscribe(patient);
	await subscribed(track, subscriber);
	const window = new Window(32);
	t.alongside(async () => {
		for (let g = 0; g < total; g++) {
			await window.take();
			writeGroup(track, [bytes(g, 40)]);
		}
	});
	const seen = new Set();
	while (seen.size < total) {
		t.step(`group ${seen.size} of ${total}`);
		const group = await nextGroup(subscriber);
		check(!seen.has(group.sequence), `group ${group.sequence} came twice`);
		seen.add(group.sequence);
		await nextFrame(group, bytes(group.sequence, 40), `group ${group.sequence}`);
		await expectEnd(group, `group ${group.sequence}`);
		window.give();
	}
	await expectTrackEnd(t, track, subscriber);
}

async function emptyFrame(t) {
	const { track } = open(await t.connect(), t.path("alice"));
	const subscriber = (await t.connect()).consume(t.path("alice")).track("data").subscribe(patient);
	await subscribed(track, subscriber);
	for (const payloads of [[""], ["", "x", ""], ["x", "", "", "y"]]) {
		t.step(`a group of ${payloads.length} frames, some of them empty`);
		writeGroup(track, payloads.map(text));
		await readGroup(subscriber, payloads.map(text), "empty frames");
	}
}

async function oneGroup(t) {
	const { track } = open(await t.connect(), t.path("alice"));
	const subscriber = (await t.connect()).consume(t.path("alice")).track("data").subscribe();
	t.step("one group");
	await subscribed(track, subscriber);
	writeGroup(track, [text("hello"), bytes(3, 3000)]);
	await readGroup(subscriber, [text("hello"), bytes(3, 3000)], "one group");
}

/** bridge: publisher and subscriber speak different drafts; frames arrive whole, and their time runs forwards. */
export const bridge = (to) => async (t) => {
	const { track } = open(await t.connect(), t.path("alice"));
	const subscriber = (await t.connect(to)).consume(t.path("alice")).track("data").subscribe(patient);
	await subscribed(track, subscriber);
	const times = [];
	for (let g = 0; g < 5; g++) {
		t.step(`group ${g} in ${to}`);
		writeGroup(track, [bytes(g, 10), bytes(g + 50, 9000)]);
		const group = await nextGroup(subscriber);
		check(group.sequence === g, `group ${group.sequence}, want ${g}`);
		for (const want of [bytes(g, 10), bytes(g + 50, 9000)]) times.push((await nextFrame(group, want, `group ${g}`)).timestamp.asMillis());
		await expectEnd(group, `group ${g}`);
		await new Promise((resolve) => setTimeout(resolve, 20)); // So that a clock in milliseconds moves on.
	}
	check(times.every((time, i) => i === 0 || time >= times[i - 1]), `time runs backwards: ${times}`);
	check(times.at(-1) > times[0], `time stands still: ${times}`);
};

export const delivering = [
	{ name: "one group", body: oneGroup, basic: true },
	{ name: "unknown broadcast", body: unknownBroadcast },
	{ name: "unknown track", body: unknownTrack, fails: unanswered },
	{ name: "100 groups x 10 frames", body: hundredGroups },
	{ name: "end of a track", body: trackEnds },
	{ name: "late join, open group", body: lateJoin },
	{ name: "20 sessions", body: twentySessions },
	{ name: "1 MiB frame", body: mebibyte },
	{ name: "4 x 50 tracks", body: manyTracks },
	{ name: "3,000 groups", body: threeThousand, limit: 60_000 },
	{ name: "empty frame", body: emptyFrame },
];
