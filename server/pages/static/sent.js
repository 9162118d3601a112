// The commands that were sent to a machine, and the steps of those that somebody has unfolded.

import { api } from "./api.js";
import { h, show } from "./dom.js";
import { chip, now_s, time } from "./shown.js";
import { t } from "./words.js";

const PATIENCE_S = 120; // behind its ttl: a machine that is away says nothing for days

/** May something new be said of it any moment? */
export const isUnderWay = (command) =>
  !command.is_final && now_s() - command.issued_at < command.ttl_s + PATIENCE_S;

/** Keeps `element`: `update(items)` shows them. changed() is called when more is to be known. */
export function sentSection(element, signal, changed) {
  const opened = new Map(); // the steps by id of the command; null: not asked for yet

  // `toggle` does not bubble, and the list is made anew: it is caught on its way down.
  element.addEventListener("toggle", hear, true);
  return { update };

  function hear({ target }) {
    const id = target.dataset.command;
    if (target.open === opened.has(id)) return;
    if (target.open) opened.set(id, null);
    else opened.delete(id);
    changed();
  }

  async function update(items) {
    const wanted = items.filter((item) => opened.has(item.id));
    const found = await Promise.all(wanted.map(({ id }) => api.get(`/commands/${id}`, signal)));
    for (const { command, reports } of found) {
      if (opened.has(command.id)) opened.set(command.id, reports);
    }
    const rows = items.map((item) => h("li", {}, sent(item, opened)));
    show(element, rows.length ? h("ul.commands", {}, rows) : h("p.empty", {}, t("no_commands")));
  }
}

function sent(item, opened) {
  const line = h(
    "summary",
    { "data-key": item.id },
    h("span.name", {}, item.type),
    chip(item.state || "sent_state"),
    time(item.issued_at),
    h("small", {}, item.issuer),
  );
  const steps = opened.get(item.id);
  return h(
    "details",
    { open: opened.has(item.id), "data-command": item.id },
    line,
    Object.keys(item.args).length ? h("code", {}, JSON.stringify(item.args)) : null,
    steps ? h("ol.steps", { "aria-label": t("steps") }, steps.map(step)) : null,
  );
}

function step(report) {
  const words = [report.code, report.detail].filter(Boolean).join(": ");
  return h(
    "li",
    {},
    chip(report.state),
    " ",
    time(report.received_at),
    words ? h("span", {}, ` ${words}`) : null,
    Object.keys(report.result).length
      ? h("pre", { tabindex: "0" }, JSON.stringify(report.result, null, 2))
      : null,
  );
}
