/** Tests of the modules that need no browser. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { diffLines, hunks } from "./page/diff.js";
import { ago, bytes, count, counted, duration, rate, share, shortCount, span } from "./page/format.js";
import { adviceOf, isFailure, meaningOf } from "./page/reasons.js";

/** The texts with plain blanks, as they are easier to write. */
const plain = (text) => text.replaceAll("\u00a0", " ");

function table(format, rows) {
  for (const [value, expected] of rows) {
    assert.equal(plain(format(value)), expected, String(value));
  }
}

test("counts", () => {
  table(count, [[0, "0"], [1234567, "1,234,567"]]);
  table(shortCount, [[9999, "9,999"], [12_345, "12.3k"], [7_654_321, "7.65M"]]);
  table((value) => counted(value, "name"), [[0, "0 names"], [1, "1 name"], [2, "2 names"]]);
});

test("rates", () => {
  table(rate, [[undefined, "\u2013"], [0, "0/s"], [0.04, "<0.1/s"], [0.932, "0.93/s"], [12.345, "12/s"], [345.6, "346/s"], [23_456, "23.5k/s"]]);
});

test("sizes", () => {
  table(bytes, [[0, "0 B"], [999, "999 B"], [1000, "0.977 KiB"], [1024, "1 KiB"], [1_310_720, "1.25 MiB"], [2 ** 50, "1 PiB"]]);
});

test("durations", () => {
  table(duration, [[undefined, "\u2013"], [0, "0 ms"], [0.42, "0.42 ms"], [4.2, "4.2 ms"], [999, "999 ms"], [1350, "1.35 s"], [90_000, "1 min 30 s"]]);
  table(span, [[-5, "0 s"], [59_999, "59 s"], [60_000, "1 min"], [3_660_000, "1 h 1 min"], [90_000_000, "1 d 1 h"]]);
});

test("times", () => {
  const now = "2026-01-02T03:04:05.000Z";
  const rows = [["2026-01-02T03:04:04.500Z", "now"], ["2026-01-02T03:03:10.000Z", "55 s ago"], ["2026-01-02T03:00:00.000Z", "4 min ago"], ["2025-12-30T03:04:05.000Z", "3 d ago"], ["", "\u2013"]];
  table((time) => ago(time, now), rows);
});

test("shares", () => {
  assert.equal(plain(share(0, 0)), "0 %");
  assert.equal(plain(share(1, 5000)), "<0.1 %");
  assert.equal(plain(share(1, 30)), "3.3 %");
  assert.equal(plain(share(1, 2)), "50 %");
});

const drawn = (lines) => lines.map(({ kind, text }) => ({ same: " ", added: "+", removed: "-" })[kind] + text);

test("a diff has the lines of both texts", () => {
  const rows = [
    ["a\nb\nc\n", "a\nb\nc\n", [" a", " b", " c"]],
    ["a\nb\nc\n", "a\nB\nc\n", [" a", "-b", "+B", " c"]],
    ["", "a\n", ["+a"]],
    ["a\n", "", ["-a"]],
    ["a\na\n", "a\na\na\n", [" a", " a", "+a"]],
    ["x\na\nb\n", "a\nb\ny\n", ["-x", " a", " b", "+y"]],
  ];
  for (const [before, after, expected] of rows) {
    assert.deepEqual(drawn(diffLines(before, after)), expected, JSON.stringify([before, after]));
  }
});

test("a diff of anything leads from one text to the other", () => {
  let state = 1;
  const random = (below) => (state = (state * 48271) % 2147483647) % below;
  for (let round = 0; round < 500; round += 1) {
    const text = () => Array.from({ length: random(12) }, () => `${"abc"[random(3)]}\n`).join("");
    const [before, after] = [text(), text()];
    const lines = diffLines(before, after);
    const without = (kind) => lines.filter((line) => line.kind !== kind).map((line) => `${line.text}\n`).join("");
    assert.equal(without("added"), before);
    assert.equal(without("removed"), after);
  }
});

test("a diff of texts that are too long to compare is still right", () => {
  const long = (word) => `${word}\n`.repeat(3000);
  const lines = diffLines(long("a"), long("b"));
  assert.equal(lines.length, 6000);
});

test("a hunk has the lines around a change", () => {
  const before = Array.from({ length: 30 }, (_, index) => `line ${index}`);
  const after = before.with(5, "changed").with(25, "changed too");
  const pieces = hunks(diffLines(before.join("\n"), after.join("\n")), 2);
  assert.deepEqual(pieces.map(drawn), [
    [" line 3", " line 4", "-line 5", "+changed", " line 6", " line 7"],
    [" line 23", " line 24", "-line 25", "+changed too", " line 26", " line 27"],
  ]);
});

test("every reason of the documentation has a meaning and advice", () => {
  const text = readFileSync(path.join(process.env.ROOT, "docs/reference/refusals.md"), "utf8");
  const section = text.split("\n## ").find((part) => part.startsWith("Reasons\n"));
  // The heading of the column is `reason` too.
  const cells = [...section.matchAll(/^\| (`[a-z].*?) \|/gm)].map((match) => match[1].replaceAll(/\([^)]*\)/g, ""));
  const reasons = cells.flatMap((cell) => [...cell.matchAll(/`([a-z0-9_]+)`/g)].map((match) => match[1])).slice(1);
  assert.ok(reasons.length > 45, String(reasons));
  for (const reason of reasons) {
    assert.ok(meaningOf(reason) && adviceOf(reason), reason);
  }
  assert.equal(meaningOf("toString"), undefined);
  const denials = ["acl", "address_denied", "egress_policy", "jwt", "no_route", "rate_limit", "rbac", "unauthenticated"];
  assert.deepEqual(denials.filter(isFailure), []);
  assert.ok(["connect_timeout", "dns_error", "tls_certificate", "upstream_closed"].every(isFailure));
});
