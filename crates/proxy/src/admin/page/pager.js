/** Lists that may be long: a search box, pages, and no more read from the gateway than is shown. */

import { el, setText } from "/page/dom.js";
import { count, counted } from "/page/format.js";

const PAGE_SIZE = 100;
/** What the admin address answers at most. */
const MOST = 10_000;
/** What took longer than this to read rests for ten times the rest, so that a long list keeps neither side busy. */
const SHORT_MS = 100;
const REST = 10;

/**
 * @template Row
 * @typedef {object} PagerSettings
 * @property {string} noun what the rows are, in the singular
 * @property {string} [plural]
 * @property {(limit: number) => Promise<Row[]>} read
 * @property {(row: Row) => string} words what the search looks in, in lower case
 * @property {import("/page/types.js").Refresh} refresh
 * @property {Node[]} [controls] what else stands beside the search box
 * @property {number} [most] a lower limit than that of the admin address
 * @property {boolean} [isWhole] whether all rows are read, whatever the limit is
 */

/** @template Row */
export class Pager {
  #page = 0;
  /** @type {{rows: Row[], limit: number, restsUntil: number}|null} */
  #read = null;
  /** Counts what makes rows that are being read outdated. */
  #version = 0;
  #announced = "";

  /** @param {PagerSettings<Row>} settings */
  constructor(settings) {
    this.settings = settings;
    this.plural = settings.plural ?? `${settings.noun}s`;
    this.most = settings.most ?? MOST;
    const search = `search-${this.plural.replaceAll(" ", "-")}`;
    this.search = el("input", { id: search, type: "search", autocomplete: "off", spellcheck: "false" });
    this.search.addEventListener("input", () => this.#turn(0));
    this.range = el("span", { class: "range" });
    this.previous = el("button", { type: "button", "aria-label": "Previous page", click: () => this.#turn(this.#page - 1) }, "Previous");
    this.next = el("button", { type: "button", "aria-label": "Next page", click: () => this.#turn(this.#page + 1) }, "Next");
    this.found = el("p", { class: "unseen", role: "status" });
    this.element = el(
      "form",
      { class: "toolbar", role: "search", submit: (/** @type {Event} */ event) => event.preventDefault() },
      el("label", { for: search }, `Search ${this.plural}`),
      this.search,
      ...(settings.controls ?? []),
      el("span", { class: "pages" }, this.range, this.previous, this.next),
      this.found,
    );
  }

  /** Begins at the first page, because what is asked for has changed. */
  restart() {
    this.#forget();
    this.#turn(0);
  }

  /** Reads anew at once, because a command has changed what there is. */
  reread() {
    this.#forget();
    this.settings.refresh();
  }

  #forget() {
    this.#read = null;
    this.#version += 1;
  }

  /** Reads as many rows as are needed, unless they rest. */
  async load() {
    const isWhole = this.settings.isWhole || this.#words().length > 0;
    const limit = isWhole ? this.most : Math.min(this.most, (this.#page + 1) * PAGE_SIZE + 1);
    const read = this.#read;
    const begin = performance.now();
    if (read !== null && read.limit >= limit && begin < read.restsUntil) {
      return read.rows;
    }
    const version = this.#version;
    const rows = await this.settings.read(limit);
    if (version === this.#version) {
      const end = performance.now();
      this.#read = { rows, limit, restsUntil: end + REST * (end - begin - SHORT_MS) };
    }
    return rows;
  }

  /**
   * The rows of the page that is shown.
   * @param {Row[]} rows what was loaded
   */
  show(rows) {
    const words = this.#words();
    const matching = words.length === 0 ? rows : rows.filter((row) => matches(this.settings.words(row), words));
    const lastPage = Math.max(0, Math.ceil(matching.length / PAGE_SIZE) - 1);
    this.#page = Math.min(this.#page, lastPage);
    const from = this.#page * PAGE_SIZE;
    const shown = matching.slice(from, from + PAGE_SIZE);
    const isWhole = this.settings.isWhole || words.length > 0 || rows.length < (this.#read?.limit ?? 0) || rows.length >= this.most;
    const total = isWhole ? count(matching.length) : `more than ${count(matching.length - 1)}`;
    const isOne = from === 0 && shown.length === matching.length && isWhole;
    const range = isOne
      ? counted(matching.length, this.settings.noun, this.plural)
      : `${count(from + 1)} to ${count(from + shown.length)} of ${total}`;
    setText(this.range, range);
    this.previous.disabled = this.#page === 0;
    this.next.disabled = this.#page >= lastPage;
    this.previous.hidden = isOne;
    this.next.hidden = isOne;
    this.#announce(words, matching.length);
    return shown;
  }

  /**
   * Says once for each search how many there are.
   * @param {string[]} words
   * @param {number} found
   */
  #announce(words, found) {
    const search = words.join(" ");
    if (search !== this.#announced) {
      this.#announced = search;
      setText(this.found, search === "" ? "" : `${counted(found, this.settings.noun, this.plural)} found`);
    }
  }

  #words() {
    return this.search.value.toLowerCase().split(/\s+/).filter((word) => word !== "");
  }

  /** @param {number} page */
  #turn(page) {
    this.#page = Math.max(0, page);
    this.settings.refresh();
  }
}

/**
 * @param {string} text
 * @param {string[]} words
 */
function matches(text, words) {
  return words.every((word) => text.includes(word));
}
