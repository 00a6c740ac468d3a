/** The commands for names in the DNS caches. */

import { post } from "/page/api.js";
import { el, setText } from "/page/dom.js";

/**
 * Buttons that flush and refresh one name.
 * @param {() => string} name
 * @param {import("/page/types.js").Refresh} refresh
 */
export function nameActions(name, refresh) {
  const said = el("span", { class: "said", role: "status" });
  const button = (/** @type {string} */ label, /** @type {string} */ path) =>
    el("button", { type: "button", click: () => command(path, name(), said, refresh) }, label);
  return el("span", { class: "actions" }, button("Flush", "/dns/flush"), button("Refresh", "/dns/refresh"), said);
}

/**
 * Sends a command, and says what was answered.
 * @param {string} path
 * @param {string|undefined} host all names without one
 * @param {HTMLElement} said
 * @param {import("/page/types.js").Refresh} refresh
 */
export async function command(path, host, said, refresh) {
  setText(said, "");
  try {
    const answer = await post(path, { host });
    setText(said, host === undefined ? answer : `${host}: ${answer}`);
  } catch (error) {
    setText(said, error instanceof Error ? error.message : String(error));
  }
  refresh();
}
