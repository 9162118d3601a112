// Who has changed what.

import { h, setText } from "./dom.js";
import { turned } from "./pages.js";
import { moment, plain, table, tableRow } from "./shown.js";
import { t } from "./words.js";

const PAIRS_MAX = 12; // of a change of five hundred settings the first say enough

/** The view: `element`, `update(machines)` and `end()`. rvm_id null: of all machines. */
export function auditView(rvm_id, refused) {
  const ending = new AbortController();
  const title = h("h1", {}, t("audit"));
  const list = h("div");
  let machines = null;
  const pages = turned(list, {
    path: (query) => `/audit?${query}${rvm_id === null ? "" : `&rvm_id=${rvm_id}`}`,
    draw: (items) => entries(items, machines, rvm_id === null),
    number: (item) => item.id,
    empty: t("no_audit"),
    signal: ending.signal,
    refused,
  });
  const back = h("a.back", { href: `#/machines/${rvm_id}` }, `← ${t("machine")}`);
  const element = h("section.page", {}, rvm_id === null ? null : back, title, list);
  return { element, update, end: () => ending.abort() };

  function update(known) {
    const isFirst = machines === null;
    machines = known;
    if (rvm_id !== null) {
      setText(title, t("audit_of", { name: nameOf(machines, rvm_id) }));
      setText(back, `← ${nameOf(machines, rvm_id)}`);
    }
    if (isFirst) pages.redraw();
  }
}

/** What a machine is called; its number where it is not known. */
export function nameOf(machines, rvm_id) {
  const machine = machines?.get(rvm_id);
  return machine ? machine.name || machine.hardware_id : String(rvm_id);
}

function entries(items, machines, isOfAll) {
  const words = ["when", "who", "did", ...(isOfAll ? ["machine"] : []), "details"];
  const columns = words.map((word) => t(word));
  return table(
    t("audit"),
    columns,
    items.map((item) =>
      tableRow(columns, [
        moment(item.at),
        h("span.who", {}, item.who),
        did(item.what),
        ...(isOfAll ? [where(item.rvm_id, machines)] : []),
        pairs(item.detail),
      ]),
    ),
  );
}

const where = (rvm_id, machines) =>
  rvm_id === null ? "–" : h("a", { href: `#/machines/${rvm_id}` }, nameOf(machines, rvm_id));

function did(what) {
  const word = t(`did_${what}`);
  return word === `did_${what}` ? what : word;
}

/** Numbers of commands and keys are not read, but compared. */
const legible = (value) =>
  typeof value === "string" && /^[0-9a-f]{24,}$/.test(value) ? h("code", {}, value) : plain(value);

/** What was changed: names and values; those of settings and of rewards one by one. */
function pairs(detail) {
  const all = Object.entries(detail).flatMap(([key, value]) =>
    value !== null && typeof value === "object" && !Array.isArray(value)
      ? Object.entries(value).map(([inner, one]) => [`${key} ${inner}`, one])
      : [[key, value]],
  );
  if (!all.length) return "–";
  const shown = all
    .slice(0, PAIRS_MAX)
    .map(([key, value]) => h("span", {}, h("small", {}, key), " ", legible(value)));
  const more = all.length - shown.length;
  return h("span.pairs", {}, shown, more ? h("small", {}, `+ ${more}`) : null);
}
