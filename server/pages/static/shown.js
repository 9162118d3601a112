// How values look: times, numbers, states. What is not known is said to be so, never shown as 0.

import { h, setText } from "./dom.js";
import { languageNow, t } from "./words.js";

let ahead_ms = 0; // of the platform's clock, seen from here

export function learnTime(serverTime_s) {
  ahead_ms = serverTime_s * 1000 - Date.now();
}

const UNITS = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

/** The platform's time, in seconds since 1970. */
export const now_s = () => (Date.now() + ahead_ms) / 1000;

const formats = new Map(); // to make one takes longer than everything else about a time

function formatOf(kind, language) {
  const key = `${kind} ${language}`;
  if (!formats.has(key)) {
    formats.set(
      key,
      kind === "ago"
        ? new Intl.RelativeTimeFormat(language, { numeric: "always", style: "short" })
        : new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" }),
    );
  }
  return formats.get(key);
}

function ago(at_s) {
  const past_s = Math.max(0, now_s() - at_s);
  const [unit, size] = UNITS.find(([, seconds]) => past_s >= seconds) ?? UNITS[3];
  return formatOf("ago", languageNow()).format(-Math.floor(past_s / size), unit);
}

const exactly = (date) => formatOf("exactly", languageNow()).format(date);

/** "3 minutes ago", which grows older by itself. */
export function time(at_s) {
  if (at_s === null || at_s === undefined) return h("span.unknown", {}, t("never"));
  const date = new Date(at_s * 1000);
  if (Number.isNaN(date.getTime())) return h("span.unknown", {}, t("unknown")); // a clock gone mad
  return h(
    "time",
    { datetime: date.toISOString(), title: exactly(date), "data-at": at_s },
    ago(at_s),
  );
}

/** A time to come, or one that must be exact. */
export function moment(at_s) {
  const date = new Date(at_s * 1000);
  return Number.isNaN(date.getTime())
    ? h("span.unknown", {}, t("unknown"))
    : h("span.moment", {}, exactly(date));
}

export function refreshTimes() {
  for (const element of document.querySelectorAll("time[data-at]"))
    setText(element, ago(Number(element.dataset.at)));
}

export const orUnknown = (value, shown = String(value)) =>
  value === null || value === undefined || value === ""
    ? h("span.unknown", {}, t("unknown"))
    : shown;

export const number = (value, digits = 1) =>
  value.toLocaleString(languageNow(), { maximumFractionDigits: digits });

// A state is a word and a sign beside a colour: colour alone tells some people nothing.
const TONES = {
  good: ["alive", "active", "succeeded", "credited", "open", "code_200", "applied", "kept"],
  bad: [
    "lost",
    "error",
    "failed",
    "timed_out",
    "rejected",
    "code_400",
    "code_424",
    "code_500",
    "refused",
    "rolled_back",
  ],
  warn: [
    "late",
    "full",
    "maintenance",
    "review",
    "expired",
    "dead",
    "code_202",
    "code_409",
    "deferred",
  ],
  busy: ["running", "received", "accepted", "sent_state", "staged", "watching"],
};
const SIGNS = { good: "●", bad: "▲", warn: "◆", busy: "◌", plain: "○" };

export function chip(word) {
  const tone = Object.keys(TONES).find((name) => TONES[name].includes(word)) ?? "plain";
  return h(
    `span.chip.${tone}`,
    {},
    h("span", { "aria-hidden": "true" }, SIGNS[tone]),
    ` ${t(word)}`,
  );
}

/** How full, as a bar and in words. */
export function meter(value, max) {
  if (value === null || value === undefined) return orUnknown(null);
  const percent = Math.round((100 * value) / (max || 100));
  const bar = h("meter", {
    min: 0,
    max: 100,
    high: 80,
    optimum: 0,
    value: percent,
    "aria-label": t("bin"),
  });
  bar.setAttribute("value", percent);
  return h("span.metered", {}, bar, ` ${percent} %`);
}

export function score(value) {
  if (value === null || value === undefined) return orUnknown(null);
  const tone = value >= 80 ? "good" : value >= 50 ? "warn" : "bad";
  return h(`span.score.${tone}`, {}, String(value));
}

// How a name says its unit.
const UNIT_SIGNS = {
  percent: "%",
  c: "°C",
  g: "g",
  kg: "kg",
  mm: "mm",
  v: "V",
  a: "A",
  ms: "ms",
  s: "s",
};

/** A measured value with the unit that its name says. */
export function measure(name, value) {
  const sign = UNIT_SIGNS[name.slice(name.lastIndexOf("_") + 1)];
  const size = Math.abs(value);
  const said = size < 1e9 ? number(value, size < 10 ? 2 : 1) : value.toExponential(2);
  return name.includes("_") && sign ? `${said} ${sign}` : said;
}

/** A machine's own words and numbers, whatever they are. */
export function plain(value) {
  if (value === null || value === undefined) return orUnknown(null);
  if (typeof value === "boolean") return t(value ? "yes" : "no");
  if (typeof value === "number")
    return value.toLocaleString(languageNow(), { maximumFractionDigits: 3, useGrouping: false });
  if (typeof value === "string") return value || h("span.unknown", {}, t("nothing"));
  if (Array.isArray(value) && value.every((part) => typeof part === "string")) {
    return value.length ? value.join(", ") : h("span.unknown", {}, t("nothing"));
  }
  return h("code", {}, JSON.stringify(value));
}

/** Pairs of a word and what it is. */
export function facts(pairs) {
  return h(
    "dl.facts",
    {},
    pairs.map(([word, value]) => h("div", {}, h("dt", {}, word), h("dd", {}, value))),
  );
}

/** What somebody tells of himself, by his own names; times by ours. */
export function told(facts) {
  const value = (key, said) =>
    key.endsWith("_at") && typeof said === "number" ? moment(said) : plain(said);
  return Object.entries(facts ?? {}).map(([key, said]) => [key, value(key, said)]);
}

export const waitingSum = (waiting) =>
  Object.values(waiting).reduce((sum, count) => sum + count, 0);

/** A row of a table; the first cell heads it. */
export function tableRow(columns, cells) {
  return h(
    "tr",
    { role: "row" },
    cells.map((cell, at) =>
      at === 0
        ? h("th", { scope: "row", role: "rowheader" }, cell)
        : h(cell === "–" ? "td.none" : "td", { role: "cell", "data-word": columns[at] }, cell),
    ),
  );
}

/** A table of such rows, which is a list of cards on a narrow screen. */
export function table(caption, columns, rows) {
  const head = h(
    "tr",
    { role: "row" },
    columns.map((word) => h("th", { scope: "col", role: "columnheader" }, word)),
  );
  return h(
    "table",
    { role: "table" },
    h("caption.unseen", {}, caption),
    h("thead", { role: "rowgroup" }, head),
    h("tbody", { role: "rowgroup" }, rows),
  );
}
