// Cases about who is announced, and about what happens when publishers come, go and replace each other.
//
// A publisher always publishes right after it connects: the client forgets a broadcast that is published
// in the instant in which it answers a new announce request.
import { Broadcast } from "@moq/net";
import { Announcements, check } from "./case.js";
import { bytes, frame, nextFrame, nextGroup, open, readGroup, subscribed, text, writeGroup } from "./data.js";

const since = (start) => `${((performance.now() - start) / 1000).toFixed(1)} s`;

async function announce(t) {
	const publisher = await t.connect();
	publisher.publish(t.path("alice"), new Broadcast.Producer());
	t.step("alice in the initial set");
	const watcher = new Announcements(await t.connect(), t.root);
	await watcher.expect("alice", true);
}

async function announceLate(t) {
	const watcher = new Announcements(await t.connect(), t.root);
	const publisher = await t.connect();
	publisher.publish(t.path("alice"), new Broadcast.Producer());
	t.step("alice, announced after the watcher came");
	await watcher.expect("alice", true);
	publisher.publish(t.path("bob"), new Broadcast.Producer());
	t.step("bob, announced later on the same session");
	await watcher.expect("bob", true);
}

async function unannounce(t) {
	const watcher = new Announcements(await t.connect(), t.root);
	const publisher = await t.connect();
	const broadcast = new Broadcast.Producer();
	publisher.publish(t.path("alice"), broadcast);
	t.step("alice");
	await watcher.expect("alice", true);
	const start = performance.now();
	broadcast.close();
	t.step("the clean end of alice");
	await watcher.expect("alice", false);
	t.note(since(start));
	t.step("that the session survived");
	publisher.publish(t.path("bob"), new Broadcast.Producer());
	await watcher.expect("bob", true);
}

async function prefixes(t) {
	const all = new Announcements(await t.connect(), t.root);
	const room = new Announcements(await t.connect(), t.path("room"));
	const publisher = await t.connect();
	for (const path of ["roommate/bob", "room/alice", "roommate", "room"]) {
		publisher.publish(t.path(path), new Broadcast.Producer());
		t.step(`${path} under the common prefix`);
		await all.expect(path, true);
	}
	t.step("room and room/alice, and nothing of roommate");
	await room.expect("alice", true);
	await room.expect("", true);
	t.step("the initial set of a second watcher of room");
	const late = new Announcements(await t.connect(), t.path("room"));
	const set = [await late.next(), await late.next()].map((e) => `${e.active}:${e.path}`).sort();
	check(set.join() === "true:,true:alice", `the initial set is ${set}`);
	publisher.publish(t.path("roommate/carol"), new Broadcast.Producer());
	publisher.publish(t.path("room/dave"), new Broadcast.Producer());
	await late.expect("dave", true);
}

async function publisherLeaves(t) {
	const session = await t.connect();
	const watcher = new Announcements(session, t.root);
	const publisher = await t.connect();
	const { track } = open(publisher, t.path("alice"));
	t.step("alice");
	await watcher.expect("alice", true);
	const subscriber = session.consume(t.path("alice")).track("data").subscribe();
	await subscribed(track, subscriber);
	writeGroup(track, [text("a")]);
	await readGroup(subscriber, [text("a")], "before");
	const start = performance.now();
	publisher.close();
	t.step("the end of alice after her session closed");
	await watcher.expect("alice", false);
	t.note(since(start));
	t.step("the end of the subscription");
	const group = await subscriber.recvGroup().catch(() => undefined);
	check(!group, "a group from nobody");
}

// The browser says goodbye for a page that is closed: for the relay this is a clean end.
async function pageClosed(t) {
	const watcher = new Announcements(await t.connect(), t.root);
	t.step("a publisher in another page");
	await t.peer.open(t.dialect, t.path("alice"));
	await watcher.expect("alice", true);
	const start = performance.now();
	await t.peer.close();
	t.step("the end of alice after her page was closed");
	await watcher.expect("alice", false);
	t.note(since(start));
}

async function republish(t) {
	const session = await t.connect();
	const watcher = new Announcements(session, t.root);
	const publisher = await t.connect();
	for (let round = 1; round <= 3; round++) {
		const { broadcast, track } = open(publisher, t.path("alice"));
		t.step(`active, round ${round}`);
		await watcher.expect("alice", true);
		t.step(`the first group of round ${round}`);
		const subscriber = session.consume(t.path("alice")).track("data").subscribe();
		await subscribed(track, subscriber);
		writeGroup(track, [bytes(round, 100)]);
		const sequence = await readGroup(subscriber, [bytes(round, 100)], `round ${round}`);
		check(sequence === 0, `round ${round} began with group ${sequence}`);
		t.step(`ended, round ${round}`);
		broadcast.close();
		await watcher.expect("alice", false);
	}
}

async function takeover(t) {
	const session = await t.connect();
	const watcher = new Announcements(session, t.root);
	const put = async (name) => {
		const { broadcast, track } = open(await t.connect(), t.path("alice"));
		track.appendGroup().writeFrame(frame(text(name)));
		return broadcast;
	};
	const expectFrom = async (name) => {
		t.step(`the open group of the ${name} publisher`);
		const subscriber = session.consume(t.path("alice")).track("data").subscribe();
		await nextFrame(await nextGroup(subscriber), text(name), name);
		subscriber.close();
	};
	t.step("the first publisher");
	await put("first");
	await watcher.expect("alice", true);
	await expectFrom("first");
	t.step("ended and active when the second publisher takes the name");
	const taker = await put("second");
	await watcher.expect("alice", false);
	await watcher.expect("alice", true);
	await expectFrom("second");
	t.step("the first publisher restored when the second leaves");
	taker.close();
	await watcher.expect("alice", false);
	await watcher.expect("alice", true);
	await expectFrom("first");
}

export const announcing = [
	{ name: "announce", body: announce, basic: true },
	{ name: "announce late", body: announceLate },
	{ name: "unannounce", body: unannounce, basic: true },
	{ name: "prefix room, not roommate", body: prefixes },
	{ name: "publisher leaves", body: publisherLeaves },
	{ name: "publisher's page closed", body: pageClosed },
	{ name: "republish x 3", body: republish },
	{ name: "takeover and return", body: takeover },
];
