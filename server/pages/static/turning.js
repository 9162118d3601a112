// The two buttons below a list that has several pages.

import { h, setText } from "./dom.js";

/**
 * turn(by): -1 or 1.
 * `show(text, isFirst, isLast)` says where one is; a list of one page has no buttons.
 */
export function turningBar(backWord, onWord, turn) {
  const back = h("button", { type: "button", onclick: () => turn(-1) }, backWord);
  const on = h("button", { type: "button", onclick: () => turn(1) }, onWord);
  const where = h("span.count", { role: "status" });
  const element = h("div.turning", { hidden: true }, back, where, on);
  return { element, show };

  function show(text, isFirst, isLast) {
    element.hidden = isFirst && isLast;
    // Who stands on a button that ends here goes on to the other one.
    if (isFirst && document.activeElement === back && !isLast) focus(on);
    if (isLast && document.activeElement === on && !isFirst) focus(back);
    back.disabled = isFirst;
    on.disabled = isLast;
    setText(where, text);
  }

  function focus(button) {
    button.disabled = false;
    button.focus({ preventScroll: true });
  }
}
