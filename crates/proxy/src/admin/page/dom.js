/** Elements. Data only ever becomes text nodes and attributes' values: hosts are chosen by clients. */

/** @typedef {Node | string | number | null | undefined | false} Child */
/** @typedef {Record<string, string | number | boolean | undefined | ((event: any) => void)>} Attributes */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Makes an HTML element. An attribute that is false or undefined is left out; one that is a function listens to the event
 * that it names.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  append(element, children);
  return element;
}

/**
 * Makes an SVG element.
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[T]}
 */
export function svg(tag, attributes = {}, ...children) {
  const element = /** @type {any} */ (document.createElementNS(SVG, tag));
  setAttributes(element, attributes);
  append(element, children);
  return element;
}

/**
 * @param {Element} element
 * @param {Attributes} attributes
 */
function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") {
      element.addEventListener(name, value);
    } else if (value !== false && value !== undefined) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
}

/**
 * @param {Element} element
 * @param {Child[]} children
 */
function append(element, children) {
  for (const child of children) {
    if (child !== null && child !== undefined && child !== false) {
      element.append(typeof child === "number" ? String(child) : child);
    }
  }
}

/**
 * Sets the text of an element if it is another, so that what a reader selected stays selected.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/**
 * Sets an attribute if it has another value, and removes it for null.
 * @param {Element} element
 * @param {string} name
 * @param {string|null} value
 */
export function setAttribute(element, name, value) {
  if (value === null) {
    element.removeAttribute(name);
  } else if (element.getAttribute(name) !== value) {
    element.setAttribute(name, value);
  }
}

/**
 * Fills an element anew, but only if what it is made of has changed.
 * @param {HTMLElement} element
 * @param {string} version what the content is made of, as a text
 * @param {() => Child[]} make
 */
export function fill(element, version, make) {
  if (element.dataset.version !== version) {
    element.dataset.version = version;
    element.replaceChildren();
    append(element, make());
  }
}

/**
 * A link within the page.
 * @param {string[]} parts the view, and what is shown of it
 * @param {string} text
 */
export function viewLink(parts, text) {
  return el("a", { href: viewAddress(...parts) }, text);
}

/**
 * The address of a view.
 * @param {...string} parts
 */
export function viewAddress(...parts) {
  return `#${parts.map(encodeURIComponent).join("/")}`;
}
