// The table that a run prints, and its last line.
export class Report {
	#rows = new Map();
	#columns = [];
	#details = [];
	passed = 0;
	failed = 0;

	/** add records one cell; note and reason are printed under the table. */
	add(row, column, { ok, note, reason, ms }) {
		ok ? this.passed++ : this.failed++;
		if (!this.#columns.includes(column)) this.#columns.push(column);
		if (!this.#rows.has(row)) this.#rows.set(row, new Map());
		this.#rows.get(row).set(column, ok ? "ok" : "FAIL");
		const detail = [!ok && `FAIL ${reason}`, note, !ok && ms !== undefined && `after ${ms} ms`].filter(Boolean).join("; ");
		if (detail) this.#details.push(`  ${row} / ${column}: ${detail}`);
	}

	/** run records one cell that fails if body throws. */
	async run(row, column, body) {
		try {
			await body();
			this.add(row, column, { ok: true });
		} catch (err) {
			this.add(row, column, { ok: false, reason: String(err.message).split("\n")[0] });
		}
	}

	print() {
		const first = Math.max(...[...this.#rows.keys()].map((row) => row.length));
		const line = (name, cells) => `${name.padEnd(first)}  ${cells.map((cell, i) => cell.padEnd(this.#columns[i].length)).join("  ")}`.trimEnd();
		console.log(line("case", this.#columns));
		for (const [row, cells] of this.#rows) console.log(line(row, this.#columns.map((column) => cells.get(column) ?? "-")));
		if (this.#details.length) console.log(this.#details.join("\n"));
	}
}
