/** Charts of the last hour, a column for each minute: stacked bars, sparklines, lines. */

import { el, setAttribute, setText, svg } from "/page/dom.js";
import { minuteOfDay } from "/page/format.js";

/** The columns of every chart. The last is the minute that is running. */
const SLOTS = 60;
const MINUTE_MS = 60_000;
const HEIGHT = 100;

/**
 * @typedef {object} Series
 * @property {string} name
 * @property {string} kind the class that gives its colour
 * @property {(minute: any) => number} of
 */

/** Stacked bars with a legend, a readout of the minute under the pointer, and their numbers as a table. */
export class BarChart {
  /** @type {{at: string}[]} */
  #minutes = [];

  /**
   * @param {string} title
   * @param {Series[]} series from the bottom up
   * @param {(value: number) => string} format
   */
  constructor(title, series, format) {
    this.series = series;
    this.format = format;
    this.paths = series.map((one) => svg("path", { class: `bar ${one.kind}` }));
    this.mark = svg("rect", { class: "mark", y: 0, width: 1, height: HEIGHT, visibility: "hidden" });
    this.plot = svg(
      "svg",
      { class: "plot", viewBox: `0 0 ${SLOTS} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": title },
      this.mark,
      ...this.paths,
    );
    this.plot.addEventListener("pointermove", (event) => this.#point(event));
    this.plot.addEventListener("pointerleave", () => this.#leave());
    this.top = el("span", { class: "top" });
    this.begin = el("span");
    this.end = el("span");
    this.readout = el("p", { class: "readout", "aria-hidden": "true" });
    this.numbers = el("details", { toggle: () => this.#tabulate() }, el("summary", {}, "As a table"));
    this.title = title;
    const legend = series.map((one) => el("li", { class: one.kind }, one.name));
    this.element = el(
      "figure",
      { class: "chart" },
      el("figcaption", {}, el("h2", {}, title), el("ul", { class: "legend" }, ...legend)),
      el("div", { class: "frame" }, this.top, this.plot),
      el("div", { class: "axis" }, this.begin, this.readout, this.end),
      this.numbers,
    );
  }

  /** @param {{at: string}[]} minutes at most an hour, oldest first */
  show(minutes) {
    this.#minutes = minutes.slice(-SLOTS);
    const stacks = this.#minutes.map((minute) => this.series.map((one) => Math.max(0, one.of(minute))));
    const top = niceTop(Math.max(0, ...stacks.map((stack) => stack.reduce((sum, value) => sum + value, 0))));
    const skipped = SLOTS - stacks.length;
    this.paths.forEach((path, index) => {
      let line = "";
      stacks.forEach((stack, slot) => {
        const below = stack.slice(0, index).reduce((sum, value) => sum + value, 0);
        line += bar(skipped + slot, below, stack[index], top);
      });
      setAttribute(path, "d", line);
    });
    setText(this.top, this.format(top));
    const last = this.#minutes.at(-1);
    setText(this.begin, last === undefined ? "" : firstSlot(last.at));
    setText(this.end, last === undefined ? "" : "now");
    setAttribute(this.plot, "aria-label", this.#summary());
    this.#tabulate();
  }

  #summary() {
    const sums = this.series.map((one) => {
      const sum = this.#minutes.reduce((total, minute) => total + one.of(minute), 0);
      return `${one.name} ${this.format(sum)}`;
    });
    return `${this.title}, over the last ${this.#minutes.length} minutes: ${sums.join(", ")}`;
  }

  /** @param {PointerEvent} event */
  #point(event) {
    const box = this.plot.getBoundingClientRect();
    const slot = Math.min(SLOTS - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * SLOTS)));
    const minute = this.#minutes[slot - (SLOTS - this.#minutes.length)];
    if (minute === undefined) {
      this.#leave();
      return;
    }
    setAttribute(this.mark, "x", String(slot));
    setAttribute(this.mark, "visibility", "visible");
    const parts = this.series.map((one) => `${one.name.toLowerCase()} ${this.format(one.of(minute))}`);
    setText(this.readout, `${minuteOfDay(minute.at)}  ${parts.join(", ")}`);
  }

  #leave() {
    setAttribute(this.mark, "visibility", "hidden");
    setText(this.readout, "");
  }

  #tabulate() {
    if (!this.numbers.open) {
      return;
    }
    const head = ["Minute", ...this.series.map((one) => one.name)].map((name, index) =>
      el("th", { scope: "col", class: index > 0 && "number" }, name),
    );
    const rows = this.#minutes.toReversed().map((minute) => {
      const cells = this.series.map((one) => el("td", { class: "number" }, this.format(one.of(minute))));
      return el("tr", {}, el("th", { scope: "row" }, minuteOfDay(minute.at)), ...cells);
    });
    const caption = el("caption", {}, `${this.title}, newest first`);
    const table = el("table", {}, caption, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows));
    this.numbers.replaceChildren(/** @type {Node} */ (this.numbers.firstElementChild), table);
  }
}

/**
 * The time of the first column, which is there before there is anything in it.
 * @param {string} last the time of the last one
 */
function firstSlot(last) {
  return minuteOfDay(new Date(Date.parse(last) - (SLOTS - 1) * MINUTE_MS).toISOString());
}

/**
 * Makes the sparkline of a cell: bars without axes.
 * @param {HTMLElement} cell
 * @param {number[]} values oldest first; the last is the minute that is running
 * @param {string} label what a screen reader says
 */
export function showSparkBars(cell, values, label) {
  const shown = values.slice(-SLOTS);
  const top = Math.max(1, ...shown);
  const skipped = SLOTS - shown.length;
  const line = shown.map((value, slot) => bar(skipped + slot, 0, value, top)).join("");
  setAttribute(sparkPath(cell, "bar served", label, 0), "d", line);
}

/**
 * Makes the sparkline of a cell: lines with one scale. A value that is missing is a gap.
 * @param {HTMLElement} cell
 * @param {{kind: string, values: (number|undefined)[]}[]} lines
 * @param {string} label
 */
export function showSparkLines(cell, lines, label) {
  const top = Math.max(0, ...lines.flatMap((line) => line.values.map((value) => value ?? 0))) || 1;
  lines.forEach(({ kind, values }, index) => {
    const shown = values.slice(-SLOTS);
    let path = "";
    shown.forEach((value, slot) => {
      if (value !== undefined) {
        const x = SLOTS - shown.length + slot;
        const y = (HEIGHT - (HEIGHT - 4) * (value / top) - 2).toFixed(1);
        // A lone value between two gaps is a short line.
        path += slot > 0 && shown[slot - 1] !== undefined ? `L${x + 0.5} ${y}` : `M${x} ${y}L${x + 0.5} ${y}`;
      }
    });
    setAttribute(sparkPath(cell, `line ${kind}`, label, index), "d", path);
  });
}

/**
 * The path of a cell's sparkline, which is made when it is first shown.
 * @param {HTMLElement} cell
 * @param {string} kind
 * @param {string} label
 * @param {number} index
 */
function sparkPath(cell, kind, label, index) {
  let plot = cell.querySelector("svg");
  if (plot === null) {
    plot = svg("svg", { class: "spark", viewBox: `0 0 ${SLOTS} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
    cell.append(plot);
  }
  setAttribute(plot, "aria-label", label);
  const found = plot.children[index];
  return found ?? plot.appendChild(svg("path", { class: kind }));
}

/**
 * One bar as a piece of a path. What is not nothing can be seen.
 * @param {number} slot
 * @param {number} below
 * @param {number} value
 * @param {number} top
 */
function bar(slot, below, value, top) {
  if (value <= 0) {
    return "";
  }
  const bottom = HEIGHT - (HEIGHT * below) / top;
  const height = Math.max(1.5, (HEIGHT * value) / top);
  return `M${slot + 0.1} ${bottom.toFixed(1)}v${(-height).toFixed(1)}h.8v${height.toFixed(1)}z`;
}

/**
 * The end of a scale: 1, 2 or 5 times a power of ten.
 * @param {number} value
 */
function niceTop(value) {
  if (value <= 0) {
    return 1;
  }
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value) ?? value;
}
