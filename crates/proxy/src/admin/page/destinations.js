/** Destinations: who is talked to, how often, and with what result. */

import { get } from "/page/api.js";
import { showSparkBars } from "/page/chart.js";
import { el, fill, setText, viewLink } from "/page/dom.js";
import { ago, bytes, count, duration } from "/page/format.js";
import { Pager } from "/page/pager.js";
import { LiveTable, numberColumn } from "/page/table.js";

/** @typedef {import("/page/types.js").Destination} Destination */
/** @typedef {import("/page/types.js").Overview} Overview */
/** @typedef {{destination: Destination, now: string}} Row */

/** The orders that the admin address knows. */
const SORTS = [
  ["requests", "Requests"],
  ["errors", "Errors"],
  ["bytes", "Bytes"],
  ["latency", "Mean latency"],
];

/**
 * @param {import("/page/types.js").Refresh} refresh
 * @returns {import("/page/types.js").View}
 */
export function destinationsView(refresh) {
  let sort = "requests";
  const choice = el("select", { id: "sort" }, ...SORTS.map(([value, label]) => el("option", { value }, label)));
  const sortBy = (/** @type {string} */ wanted) => {
    sort = wanted;
    choice.value = wanted;
    pager.restart();
  };
  choice.addEventListener("change", () => sortBy(choice.value));
  /** @type {Destination|undefined} */
  let rest;
  /** @type {Pager<Destination>} */
  const pager = new Pager({
    noun: "destination",
    read: async (limit) => {
      /** @type {Destination[]} */
      const read = await get("/destinations", { sort, limit });
      rest = read.find(isRest);
      return read.filter((destination) => !isRest(destination));
    },
    words: ({ host, reasons }) => `${host} ${Object.keys(reasons).join(" ")}`.toLowerCase(),
    refresh,
    controls: [el("label", { for: "sort" }, "Sort by"), choice],
  });
  const table = destinationTable(sortBy);
  const unnamed = el("p", { class: "note" });
  return {
    title: "Destinations",
    root: el("div", {}, el("h1", {}, "Destinations"), pager.element, table.element, unnamed),
    load: () => pager.load(),
    /**
     * @param {Destination[]} read
     * @param {Overview} overview
     */
    show(read, { now }) {
      const rows = pager.show(read).map((destination) => ({ destination, now }));
      table.show(rows, sort);
      setText(unnamed, rest === undefined ? "" : `And ${count(rest.requests)} requests to hosts that are no longer kept by name.`);
    },
  };
}

/** @param {(sort: string) => void} onSort */
function destinationTable(onSort) {
  /** @type {LiveTable<Row>} */
  const table = new LiveTable({
    caption: "Destinations",
    columns: [
      {
        label: "Host",
        kind: "host",
        show: (cell, { destination: { host } }) => fill(cell, host, () => [viewLink(["destinations", host], host)]),
      },
      {
        label: "Last hour",
        kind: "spark-cell",
        show: (cell, { destination: { minutes } }) => showSparkBars(cell, minutes, sparkLabel(minutes)),
      },
      numberColumn("Requests", ({ destination }) => count(destination.requests), { sort: "requests" }),
      { label: "Errors", isNumber: true, sort: "errors", show: (cell, { destination }) => showSome(cell, destination.errors, "failed") },
      { label: "Refused", isNumber: true, show: (cell, { destination }) => showSome(cell, destination.refused, "refused") },
      numberColumn("Bytes", ({ destination }) => bytes(destination.bytes_sent + destination.bytes_received), { sort: "bytes" }),
      numberColumn("Mean", ({ destination }) => duration(destination.latency?.mean), { sort: "latency" }),
      numberColumn("p99", ({ destination }) => duration(destination.latency?.p99)),
      numberColumn("Last", ({ destination, now }) => ago(destination.last, now)),
    ],
    keyOf: ({ destination }) => destination.host,
    empty: "No destination.",
    onSort,
  });
  return table;
}

/**
 * Shows a count that is best nothing.
 * @param {HTMLElement} cell
 * @param {number} value
 * @param {string} kind the class of those that are not
 */
function showSome(cell, value, kind) {
  setText(cell, value === 0 ? "\u2013" : count(value));
  cell.classList.toggle(kind, value > 0);
}

/** @param {number[]} minutes */
function sparkLabel(minutes) {
  return `Requests a minute over the last hour: at most ${count(Math.max(0, ...minutes))}, now ${count(minutes.at(-1) ?? 0)}`;
}

/**
 * Whether an entry is the sum of all that the gateway keeps no name of. A host may have the same name, but was seen at
 * some time.
 * @param {Destination} destination
 */
function isRest({ host, last }) {
  return host === "other" && last === undefined;
}
