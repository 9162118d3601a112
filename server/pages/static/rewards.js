// What items are worth, and what has been paid for them.

import { api } from "./api.js";
import { nameOf } from "./audit.js";
import { h, show } from "./dom.js";
import { turned } from "./pages.js";
import { openRates } from "./rates.js";
import { chip, moment, number, table, tableRow } from "./shown.js";
import { t } from "./words.js";

const OWNERS = ["all", "claim", "code", "nobody"];

/** The view: `element`, `update(machines)` and `end()`. */
export function rewardsView(refused) {
  const ending = new AbortController();
  const rates = h("div.rates", { "aria-busy": "true" }, h("p", {}, t("loading")));
  const list = h("div");
  let machines = null;
  const owner = h(
    "select",
    { id: "owner", onchange: () => pages.again() },
    OWNERS.map((word) => h("option", { value: word }, t(`owner_${word}`))),
  );
  const pages = turned(list, {
    path: (query) => `/sessions?${query}${owner.value === "all" ? "" : `&owner=${owner.value}`}`,
    draw: (items) => sessions(items, machines),
    number: (item) => item.session_id,
    empty: t("no_sessions"),
    signal: ending.signal,
    refused,
  });
  askRates();
  const element = h(
    "section.page",
    { "aria-labelledby": "rewards-title" },
    h("h1", { id: "rewards-title" }, t("rewards")),
    card("rates", null, rates),
    card(
      "sessions",
      h("div.field.inline", {}, h("label", { for: "owner" }, t("show")), owner),
      list,
    ),
  );
  return { element, update, end: () => ending.abort() };

  function update(known) {
    const isFirst = machines === null;
    machines = known;
    if (isFirst) pages.redraw();
  }

  async function askRates() {
    try {
      const found = await api.get("/rewards", ending.signal);
      rates.removeAttribute("aria-busy");
      show(rates, worths(found));
      rates.append(
        h(
          "button",
          { type: "button", onclick: () => openRates(found, askRates, refused) },
          t("change_rates"),
        ),
      );
    } catch (error) {
      if (!ending.signal.aborted) refused(error);
    }
  }
}

function card(word, tools, body) {
  return h(
    "section.card",
    { "aria-labelledby": `h-${word}` },
    h("div.card-top", {}, h("h2", { id: `h-${word}` }, t(word)), tools),
    body,
  );
}

function worths({ version, rates, created_at }) {
  const kinds = Object.keys(rates).sort();
  const rest = kinds.filter((kind) => kind === "default");
  return [
    h("p", {}, t("rates_line", { version }), " ", moment(created_at)),
    h(
      "dl.worths",
      {},
      [...kinds.filter((kind) => kind !== "default"), ...rest].map((kind) =>
        h(
          "div",
          {},
          h("dt", {}, kind === "default" ? t("everything_else") : kind),
          h("dd", {}, number(rates[kind], 0)),
        ),
      ),
    ),
    h("small", {}, t("rates_help")),
  ];
}

function sessions(items, machines) {
  const columns = [
    "ended",
    "machine",
    "user",
    "bound",
    "credited_items",
    "refused_items",
    "worth",
    "paid",
  ].map((word) => t(word));
  return table(
    t("sessions"),
    columns,
    items.map((item) =>
      tableRow(columns, [
        item.ended_at === null ? h("span.unknown", {}, t("not_over")) : moment(item.ended_at),
        h("a", { href: `#/machines/${item.rvm_id}` }, nameOf(machines, item.rvm_id)),
        whose(item),
        item.bound_by ? chip(`by_${item.bound_by}`) : "–",
        number(item.credited, 0),
        number(item.refused, 0),
        number(item.worth, 0),
        paid(item),
      ]),
    ),
  );
}

function whose({ user, credited, worth }) {
  if (user) return h("code", {}, user);
  return credited || worth ? h("span.unknown", {}, t("nobodys")) : "–";
}

function paid(item) {
  return h(
    "span.stack",
    {},
    number(item.paid, 0),
    item.advanced_items
      ? h(
          "small.warn",
          { title: t("advance_help") },
          t("advance", { n: number(item.advanced_items, 0) }),
        )
      : null,
  );
}
