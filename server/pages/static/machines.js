// The list of machines. Those that need somebody come first.

import { h, keepFocus, setText } from "./dom.js";
import { openEnrolment } from "./enrolment.js";
import {
  chip,
  meter,
  number,
  orUnknown,
  score,
  table,
  tableRow,
  time,
  waitingSum,
} from "./shown.js";
import { turningBar } from "./turning.js";
import { t } from "./words.js";

const PAGE = 50; // rows that a browser draws without a pause, and an eye can take in
const URGENCY = { lost: 0, error: 1, late: 2, full: 3, maintenance: 4, dead: 5, unborn: 6 };

const COLUMNS = [
  "machine",
  "status",
  "health",
  "bin",
  "seen",
  "waiting",
  "commands_open",
  "version",
];

/** What is worst about a machine: a word for the chip. */
export function standing(machine) {
  if (machine.liveness !== "alive") return machine.liveness;
  return machine.status || "alive";
}

const needsAttention = (machine) => ["lost", "late", "error", "full"].includes(standing(machine));
const SHOWN = {
  show_all: () => true,
  show_attention: needsAttention,
  show_serving: (machine) => standing(machine) === "active",
};

const inOrder = (one, other) =>
  (URGENCY[standing(one)] ?? 9) - (URGENCY[standing(other)] ?? 9) ||
  (one.name || one.hardware_id).localeCompare(other.name || other.hardware_id) ||
  one.rvm_id - other.rvm_id;

function matches(machine, text) {
  const words = [machine.name, machine.hardware_id, machine.version].join(" ").toLowerCase();
  return words.includes(text.trim().toLowerCase());
}

/** What the columns say of one machine. */
function cells(machine) {
  const waiting = waitingSum(machine.waiting);
  return [
    h(
      "a",
      { href: `#/machines/${machine.rvm_id}`, "data-key": machine.rvm_id },
      h("span.name", {}, machine.name || machine.hardware_id),
      machine.name ? h("small", {}, machine.hardware_id) : null,
    ),
    h(
      "span.stack",
      {},
      chip(standing(machine)),
      machine.status_reason ? h("small", {}, machine.status_reason) : null,
    ),
    score(machine.health_score),
    meter(machine.current_load, machine.max_capacity),
    time(machine.last_seen_at),
    waiting ? number(waiting) : "0",
    String(machine.open_commands),
    orUnknown(machine.version),
  ];
}

/** The view: `element`, and `update(machines)` by number. */
export function machinesView(filters) {
  const body = h("div.list", { "aria-busy": "true" }, h("p", {}, t("loading")));
  const count = h("p.count", { role: "status" });
  const columns = COLUMNS.map((word) => t(word));
  const rowsMade = new Map(); // of machines that were shown
  const turning = turningBar(t("previous"), t("next"), (by) => {
    filters.page += by;
    update(machines);
    element.scrollIntoView({ block: "start" });
  });
  let machines = null;

  const update = (known) => {
    machines = known;
    if (machines === null) return;
    const found = [...machines.values()]
      .filter((machine) => matches(machine, filters.text) && SHOWN[filters.show](machine))
      .sort(inOrder);
    setText(count, t("count", { n: found.length, all: machines.size }));
    body.removeAttribute("aria-busy");
    filters.page = Math.min(filters.page, Math.max(0, Math.ceil(found.length / PAGE) - 1));
    const [from, to] = [filters.page * PAGE, Math.min(found.length, (filters.page + 1) * PAGE)];
    const where = t("range", { from: from + 1, to, n: found.length });
    turning.show(where, from === 0, to === found.length);
    const rows = found.slice(from, to).map(rowOf);
    if (!rows.length)
      return body.replaceChildren(h("p.empty", {}, t(machines.size ? "none_found" : "none")));
    const shown = body.querySelector("tbody")?.children ?? [];
    if (rows.length === shown.length && rows.every((row, at) => row === shown[at])) return;
    keepFocus(body, () => body.replaceChildren(table(t("title"), columns, rows)));
  };

  // A machine that has not changed keeps its row: of a thousand, a few change in a second.
  const rowOf = (machine) => {
    const known = rowsMade.get(machine.rvm_id);
    if (known?.machine === machine) return known.row;
    const row = tableRow(columns, cells(machine));
    rowsMade.set(machine.rvm_id, { machine, row });
    return row;
  };

  const search = h("input", {
    id: "search",
    name: "search",
    type: "search",
    value: filters.text,
    placeholder: t("filter_help"),
    autocomplete: "off",
    oninput: (event) => {
      filters.text = event.target.value;
      filters.page = 0;
      update(machines);
    },
  });
  const choose = h(
    "select",
    {
      id: "show",
      onchange: (event) => {
        filters.show = event.target.value;
        filters.page = 0;
        update(machines);
      },
    },
    Object.keys(SHOWN).map((word) =>
      h("option", { value: word, selected: word === filters.show }, t(word)),
    ),
  );
  const element = h(
    "section",
    { "aria-labelledby": "list-title" },
    h("h1.unseen", { id: "list-title" }, t("title")),
    h(
      "div.tools",
      {},
      h("div.field", {}, h("label", { for: "search" }, t("filter")), search),
      h("div.field", {}, h("label", { for: "show" }, t("show")), choose),
      count,
      h("button", { type: "button", onclick: openEnrolment }, t("enrol")),
    ),
    body,
    turning.element,
  );
  return { element, update };
}
