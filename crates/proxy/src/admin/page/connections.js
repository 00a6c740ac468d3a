/** The connections of clients, and the tunnels, that are open now. */

import { get } from "/page/api.js";
import { el, fill, setText, viewLink } from "/page/dom.js";
import { bytes, count, span, timeOfDay } from "/page/format.js";
import { Pager } from "/page/pager.js";
import { LiveTable, numberColumn, textColumn } from "/page/table.js";

/** @typedef {import("/page/types.js").Connection} Connection */
/** @typedef {import("/page/types.js").Tunnel} Tunnel */
/** @typedef {import("/page/types.js").Overview} Overview */
/** @typedef {import("/page/types.js").Refresh} Refresh */

/**
 * A view of one list.
 * @template {{since: string}} Row
 * @param {string} title
 * @param {Pager<Row>} pager
 * @param {LiveTable<{row: Row, now: string}>} table
 * @returns {import("/page/types.js").View}
 */
function listView(title, pager, table) {
  return {
    title,
    root: el("div", {}, el("h1", {}, title), pager.element, table.element),
    load: () => pager.load(),
    /**
     * @param {Row[]} read
     * @param {Overview} overview
     */
    show: (read, { now }) => table.show(pager.show(read).map((row) => ({ row, now }))),
  };
}

/**
 * @template {{host: string}} Row
 * @returns {import("/page/table.js").Column<{row: Row, now: string}>}
 */
function hostColumn() {
  return {
    label: "Host",
    kind: "host",
    show: (cell, { row: { host } }) => fill(cell, host, () => [host === "" ? "\u2013" : viewLink(["destinations", host], host)]),
  };
}

/**
 * @template {{since: string}} Row
 * @returns {import("/page/table.js").Column<{row: Row, now: string}>}
 */
function openColumn() {
  return {
    label: "Open for",
    isNumber: true,
    show: (cell, { row, now }) => {
      setText(cell, span(Date.parse(now) - Date.parse(row.since)));
      cell.title = `since ${timeOfDay(row.since)}`;
    },
  };
}

/**
 * The connections of clients, with the host that each was last used for if that is not said elsewhere.
 * @param {boolean} namesHost
 */
export function connectionTable(namesHost) {
  /** @type {import("/page/table.js").Column<{row: Connection, now: string}>[]} */
  const host = namesHost ? [hostColumn()] : [];
  /** @type {LiveTable<{row: Connection, now: string}>} */
  const table = new LiveTable({
    caption: "Open connections of clients",
    columns: [
      textColumn("Client", ({ row }) => row.client, { kind: "host" }),
      ...host,
      textColumn("Listener", ({ row }) => row.listener),
      textColumn("Protocol", ({ row }) => row.protocol),
      numberColumn("Requests", ({ row }) => count(row.requests)),
      openColumn(),
    ],
    keyOf: ({ row }) => `${row.client} ${row.listener}`,
    empty: "No connection is open.",
  });
  return table;
}

/**
 * @param {string} _what
 * @param {Refresh} refresh
 */
export function connectionsView(_what, refresh) {
  /** @type {Pager<Connection>} */
  const pager = new Pager({
    noun: "connection",
    read: (limit) => get("/connections", { limit }),
    words: ({ client, host, listener, protocol }) => `${client} ${host} ${listener} ${protocol}`.toLowerCase(),
    refresh,
  });
  return listView("Connections", pager, connectionTable(true));
}

/**
 * @param {string} _what
 * @param {Refresh} refresh
 */
export function tunnelsView(_what, refresh) {
  /** @type {Pager<Tunnel>} */
  const pager = new Pager({
    noun: "tunnel",
    read: (limit) => get("/tunnels", { limit }),
    words: ({ client, form, host, port, route }) => `${client} ${form} ${host}:${port} ${route}`.toLowerCase(),
    refresh,
  });
  /** @type {LiveTable<{row: Tunnel, now: string}>} */
  const table = new LiveTable({
    caption: "Open tunnels",
    columns: [
      hostColumn(),
      numberColumn("Port", ({ row }) => String(row.port)),
      textColumn("Client", ({ row }) => row.client, { kind: "host" }),
      textColumn("Form", ({ row }) => row.form),
      textColumn("Route", ({ row }) => row.route),
      numberColumn("Sent", ({ row }) => bytes(row.bytes_sent)),
      numberColumn("Received", ({ row }) => bytes(row.bytes_received)),
      openColumn(),
    ],
    keyOf: ({ row }) => `${row.client} ${row.host}:${row.port} ${row.since}`,
    empty: "No tunnel is open.",
  });
  return listView("Tunnels", pager, table);
}
