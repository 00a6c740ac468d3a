/** Tables whose rows stay the same elements while their numbers change, so that focus and selections stay too. */

import { el, setAttribute, setText } from "/page/dom.js";

/**
 * @template Row
 * @typedef {object} Column
 * @property {string} label
 * @property {(cell: HTMLElement, row: Row) => void} show
 * @property {boolean} [isNumber]
 * @property {string} [sort] the name of the order that the heading sorts by
 * @property {string} [kind] a class of its cells
 */

/**
 * @template Row
 * @typedef {object} TableSettings
 * @property {string} caption
 * @property {Column<Row>[]} columns the first names the row
 * @property {(row: Row) => string} keyOf
 * @property {string} empty what is said instead of no rows
 * @property {(sort: string) => void} [onSort]
 * @property {(cell: HTMLElement, row: Row) => boolean} [showDetail] fills what stands below a row; false for nothing
 */

/**
 * The two elements of a row: itself, and what stands below it.
 * @typedef {{main: HTMLTableRowElement, cells: HTMLTableCellElement[], detail: HTMLTableRowElement|null}} Line
 */

/**
 * A column that is a text.
 * @template Row
 * @param {string} label
 * @param {(row: Row) => string} text
 * @param {Partial<Column<Row>>} [more]
 * @returns {Column<Row>}
 */
export function textColumn(label, text, more = {}) {
  return { label, show: (cell, row) => setText(cell, text(row)), ...more };
}

/**
 * A column that is a number, at the right.
 * @template Row
 * @param {string} label
 * @param {(row: Row) => string} text
 * @param {Partial<Column<Row>>} [more]
 * @returns {Column<Row>}
 */
export function numberColumn(label, text, more = {}) {
  return textColumn(label, text, { isNumber: true, ...more });
}

/** @template Row */
export class LiveTable {
  /** @type {Map<string, Line>} */
  #lines = new Map();
  #body = el("tbody", { role: "rowgroup" });
  #empty = el("p", { class: "empty" }, "Waiting for the gateway.");

  /** @param {TableSettings<Row>} settings */
  constructor(settings) {
    this.settings = settings;
    this.headings = settings.columns.map((column) => heading(column, settings.onSort));
    const head = el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...this.headings));
    const caption = el("caption", {}, settings.caption);
    this.table = el("table", { role: "table", hidden: true }, caption, head, this.#body);
    this.element = el("div", { class: "table" }, this.table, this.#empty);
  }

  /**
   * Shows these rows in their order.
   * @param {Row[]} rows
   * @param {string} [sort] the order that they have
   */
  show(rows, sort) {
    const focused = document.activeElement;
    /** @type {Map<string, Line>} */
    const lines = new Map();
    /** @type {Element|null} */
    let place = this.#body.firstElementChild;
    for (const row of rows) {
      const key = unused(this.settings.keyOf(row), lines);
      const line = this.#lines.get(key) ?? this.#newLine();
      lines.set(key, line);
      this.#update(line, row);
      for (const element of line.detail === null ? [line.main] : [line.main, line.detail]) {
        if (element === place) {
          place = place.nextElementSibling;
        } else {
          this.#body.insertBefore(element, place);
        }
      }
    }
    while (place !== null) {
      const next = place.nextElementSibling;
      place.remove();
      place = next;
    }
    this.#lines = lines;
    this.table.hidden = rows.length === 0;
    this.#empty.hidden = rows.length > 0;
    setText(this.#empty, this.settings.empty);
    this.settings.columns.forEach((column, index) => {
      if (column.sort !== undefined) {
        setAttribute(this.headings[index], "aria-sort", column.sort === sort ? "descending" : null);
      }
    });
    if (focused instanceof HTMLElement && focused !== document.activeElement && this.#body.contains(focused)) {
      focused.focus({ preventScroll: true });
    }
  }

  /** @returns {Line} */
  #newLine() {
    const cells = this.settings.columns.map((column, index) => {
      const attributes = { class: classOf(column), "data-label": column.label };
      return index === 0
        ? el("th", { ...attributes, scope: "row", role: "rowheader" })
        : el("td", { ...attributes, role: "cell" });
    });
    return { main: el("tr", { role: "row" }, ...cells), cells, detail: null };
  }

  /**
   * @param {Line} line
   * @param {Row} row
   */
  #update(line, row) {
    this.settings.columns.forEach((column, index) => column.show(line.cells[index], row));
    if (this.settings.showDetail === undefined) {
      return;
    }
    const span = this.settings.columns.length;
    const detail = line.detail ?? el("tr", { role: "row", class: "detail" }, el("td", { role: "cell", colspan: span }));
    const cell = /** @type {HTMLElement} */ (detail.firstElementChild);
    line.detail = this.settings.showDetail(cell, row) ? detail : null;
  }
}

/**
 * @template Row
 * @param {Column<Row>} column
 * @param {((sort: string) => void)|undefined} onSort
 */
function heading(column, onSort) {
  const { label, sort } = column;
  const content =
    sort !== undefined && onSort !== undefined
      ? el("button", { type: "button", class: "sort", click: () => onSort(sort) }, label)
      : label;
  return el("th", { scope: "col", role: "columnheader", class: column.kind === "host" ? undefined : classOf(column) }, content);
}

/**
 * @template Row
 * @param {Column<Row>} column
 */
function classOf(column) {
  const names = [column.isNumber ? "number" : "", column.kind ?? ""].filter((name) => name !== "");
  return names.length > 0 ? names.join(" ") : undefined;
}

/**
 * The key, made different from those that are taken.
 * @param {string} key
 * @param {Map<string, unknown>} taken
 */
function unused(key, taken) {
  let free = key;
  while (taken.has(free)) {
    free += "+";
  }
  return free;
}
