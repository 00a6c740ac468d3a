/** The form that asks for the admin token. */

import { setToken, token } from "/page/api.js";
import { el, setText } from "/page/dom.js";

/**
 * @param {import("/page/types.js").Refresh} refresh
 */
export function tokenForm(refresh) {
  const field = el("input", { id: "token", type: "password", autocomplete: "off", required: true });
  const problem = el("p", { class: "problem", role: "alert" });
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    setText(problem, "");
    setToken(field.value.trim());
    field.value = "";
    refresh();
  };
  const element = el(
    "form",
    { class: "token", submit },
    el("h1", {}, "Admin token"),
    el("p", {}, "This admin address needs the token of ", el("code", {}, "--admin-token"), ". This tab keeps it until it is closed."),
    el("p", {}, el("label", { for: "token" }, "Token"), " ", field, " ", el("button", { type: "submit" }, "Use this token")),
    problem,
  );
  return {
    element,
    /** Asks, and says that the last one was wrong if there was one. */
    ask() {
      if (token() !== null) {
        setToken(null);
        setText(problem, "That is not the token of this gateway.");
      }
      if (document.activeElement === document.body) {
        field.focus();
      }
    },
  };
}
