/** A button that copies a text. */

import { el, setText } from "/page/dom.js";

const SAID_MS = 3000;

/**
 * @param {string} label what the button says
 * @param {() => string} text what it copies
 */
export function copyButton(label, text) {
  const said = el("span", { class: "said", role: "status" });
  const button = el("button", { type: "button" }, label);
  button.addEventListener("click", async () => {
    const isCopied = await copy(text(), button);
    setText(said, isCopied ? "Copied" : "The browser refuses; select the text instead");
    setTimeout(() => setText(said, ""), SAID_MS);
  });
  return el("span", { class: "copy" }, button, said);
}

/**
 * @param {string} text
 * @param {HTMLElement} back what has the focus afterwards
 */
async function copy(text, back) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Browsers have no clipboard for pages that come in the clear from another machine.
    const area = el("textarea", { class: "unseen", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    const isCopied = document.execCommand("copy");
    area.remove();
    back.focus();
    return isCopied;
  }
}
