// A list that is turned page by page, newest first. The first page renews itself.

import { api } from "./api.js";
import { h, show } from "./dom.js";
import { turningBar } from "./turning.js";
import { t } from "./words.js";

const PAGE = 50;
const AGAIN_MS = 10_000;

/**
 * Keeps `element`.
 * path(query): where to ask, query being "limit=…&before=…".
 * draw(items): what a page looks like; number(item): what to turn the page by.
 */
export function turned(element, { path, draw, number, empty, signal, refused }) {
  const body = h("div.list", { "aria-busy": "true" }, h("p", {}, t("loading")));
  const turning = turningBar(t("newer"), t("older"), turn);
  let befores = [null]; // of every page up to this one: the number that it lies behind
  let isTurning = false;
  let asked = 0;
  let timer = null;
  let items = null; // not known yet
  element.replaceChildren(body, turning.element);
  signal.addEventListener("abort", () => clearTimeout(timer));
  ask();
  return { redraw, again };

  function again() {
    befores = [null];
    ask();
  }

  /** Whether the page is here now, or somebody has asked for another one meanwhile. */
  async function ask() {
    clearTimeout(timer);
    const before = befores.at(-1);
    const query = `limit=${PAGE + 1}${before === null ? "" : `&before=${before}`}`;
    const mine = ++asked;
    let isHere = true;
    try {
      const answer = await api.get(path(query), signal);
      if (mine !== asked) return true;
      items = answer.items;
      redraw();
    } catch (error) {
      if (signal.aborted || mine !== asked) return true;
      refused(error);
      isHere = false;
    }
    renewLater();
    return isHere;
  }

  function renewLater() {
    clearTimeout(timer);
    if (befores.length === 1 && !signal.aborted) timer = setTimeout(ask, AGAIN_MS);
  }

  function redraw() {
    if (items === null) return;
    body.removeAttribute("aria-busy");
    const page = items.slice(0, PAGE);
    show(body, page.length ? draw(page) : h("p.empty", {}, empty));
    const isLast = items.length <= PAGE;
    turning.show(t("page", { n: befores.length }), befores.length === 1, isLast);
  }

  async function turn(by) {
    if (isTurning) return; // a second click is not a second page
    isTurning = true;
    const was = befores;
    befores = by > 0 ? [...was, number(items[PAGE - 1])] : was.slice(0, -1);
    if (await ask()) element.scrollIntoView({ block: "start" });
    else befores = was;
    renewLater();
    isTurning = false;
  }
}
