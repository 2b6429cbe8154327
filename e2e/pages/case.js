// What a case has in its hands: sessions of one dialect, names nobody else uses, a step that a timeout can name.
import { Path } from "@moq/net";
import { dial } from "./dial.js";

/** Nothing asserts a duration: a case ends by its events, or here. */
export const failSafe = 20_000;

let runs = 0;

export class Case {
	#sessions = [];
	#step = "the first step";
	#notes = [];
	#fail;

	/** limit replaces the fail-safe, in milliseconds. */
	constructor(name, dialect, { peer, limit = failSafe } = {}) {
		this.dialect = dialect;
		this.peer = peer;
		this.limit = limit;
		this.root = Path.from("e2e", name.replaceAll(/[^a-z0-9]+/gi, "-"), `${dialect.replaceAll(" ", "-")}-${Date.now()}-${runs++}`);
	}

	path(...rest) {
		return Path.join(this.root, Path.from(...rest));
	}

	/** step names what the case waits for from here on. */
	step(text) {
		this.#step = text;
	}

	note(text) {
		this.#notes.push(text);
	}

	async connect(dialect = this.dialect) {
		const session = await dial(dialect);
		this.#sessions.push(session);
		return session;
	}

	/** alongside runs body beside the case; its error is the case's error. */
	alongside(body) {
		const running = body();
		running.catch((err) => this.#fail(err));
		return running;
	}

	async run(body) {
		const started = performance.now();
		const outcome = (fields) => ({ ms: Math.round(performance.now() - started), note: this.#notes.join(", "), ...fields });
		let timer;
		const late = new Promise((_, reject) => {
			this.#fail = reject;
			timer = setTimeout(() => reject(new Error(`nothing for ${this.limit / 1000} s, waiting for ${this.#step}`)), this.limit);
		});
		try {
			await Promise.race([body(this), late]);
			return outcome({ ok: true });
		} catch (err) {
			return outcome({ ok: false, reason: `${err?.message ?? err} [${this.#step}]` });
		} finally {
			clearTimeout(timer);
			for (const session of this.#sessions) session.close();
		}
	}
}

export function check(truth, text) {
	if (!truth) throw new Error(text);
}

/** Announcements is a watcher that accepts no event but the next expected one. */
export class Announcements {
	#events;

	constructor(session, prefix) {
		this.#events = session.announced(prefix);
	}

	async next() {
		const event = await this.#events.next();
		check(event, `the announce stream ended: ${this.#events.closed.peek() ?? "cleanly"}`);
		return event;
	}

	async expect(path, active) {
		const event = await this.next();
		const show = (e) => `${e.active ? "active" : "ended"} "${e.path}"`;
		check(event.path === path && event.active === active, `announced ${show(event)}, want ${show({ path, active })}`);
	}
}
