/** Where the time of requests is spent: a row for each phase, now and over the last hour. */

import { showSparkLines } from "/page/chart.js";
import { count, duration } from "/page/format.js";
import { LiveTable, numberColumn, textColumn } from "/page/table.js";

/** @typedef {import("/page/types.js").Minute} Minute */
/** @typedef {import("/page/types.js").Phase} Phase */

/** @type {[import("/page/types.js").PhaseName, string][]} */
const PHASES = [
  ["dns", "DNS"],
  ["connect", "Connect"],
  ["tls", "TLS"],
  ["first_byte", "First byte"],
  ["total", "Total"],
];

/** @typedef {{key: string, name: string, last: Phase|undefined, slowest: number, lines: {kind: string, values: (number|undefined)[]}[]}} PhaseRow */

/**
 * @param {import("/page/types.js").PhaseName} key
 * @param {string} name
 * @param {Minute[]} minutes
 * @returns {PhaseRow}
 */
function phaseRow(key, name, minutes) {
  const measured = minutes.map((minute) => minute.phases[key]).map((phase) => (phase?.count ? phase : undefined));
  const p99 = measured.map((phase) => phase?.p99);
  // The running minute may have none yet.
  const last = measured.slice(-2).findLast((phase) => phase !== undefined);
  return {
    key,
    name,
    last,
    slowest: Math.max(0, ...p99.map((value) => value ?? 0)),
    lines: [
      { kind: "p99", values: p99 },
      { kind: "p50", values: measured.map((phase) => phase?.p50) },
    ],
  };
}

/** The table of the phases. */
export function phaseTable() {
  /** @type {LiveTable<PhaseRow>} */
  const table = new LiveTable({
    caption: "Time spent in each phase in the last minute, and over the last hour",
    columns: [
      textColumn("Phase", ({ name }) => name, { kind: "name" }),
      numberColumn("Times", ({ last }) => count(last?.count ?? 0)),
      numberColumn("Mean", ({ last }) => duration(last?.mean)),
      numberColumn("p50", ({ last }) => duration(last?.p50), { kind: "p50" }),
      numberColumn("p99", ({ last }) => duration(last?.p99), { kind: "p99" }),
      {
        label: "p50 and p99 over the last hour",
        kind: "chart-cell",
        show: (cell, { name, lines, slowest }) =>
          showSparkLines(cell, lines, `${name} over the last hour: p99 at most ${duration(slowest)}`),
      },
      numberColumn("Most", ({ slowest }) => (slowest > 0 ? duration(slowest) : "\u2013")),
    ],
    keyOf: ({ key }) => key,
    empty: "",
  });
  return {
    element: table.element,
    /** @param {Minute[]} minutes */
    show: (minutes) => table.show(PHASES.map(([key, name]) => phaseRow(key, name, minutes))),
  };
}
