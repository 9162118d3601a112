// What a machine has measured over some hours: a small plot for every value.

import { api } from "./api.js";
import { facts, measure, number, table, tableRow, time, told } from "./shown.js";
import { h, setText, show, svg } from "./dom.js";
import { languageNow, t } from "./words.js";

const SPANS_H = [1, 6, 24];
const WIDTH = 300; // of the drawing; it is stretched to the place it has
const HEIGHT = 60;
const EDGE = 3; // so that a line at the very top is whole

/** Keeps `element`: `draw(measured)` shows the newest sample; `tools` choose the time. */
export function plotsSection(element, rvm_id, signal, refused) {
  const plots = h("div.plots", { "aria-busy": "true" }, h("p", {}, t("loading")));
  const rest = h("div.rest");
  const newest = h("div");
  const span = h(
    "select",
    { id: "span", onchange: () => ask() },
    SPANS_H.map((hours) => h("option", { value: hours }, t(`hours_${hours}`))),
  );
  element.append(plots, rest, newest);
  let timer = null;
  let asked = 0;
  signal.addEventListener("abort", () => clearTimeout(timer));
  ask();
  const tools = h("div.field.inline", {}, h("label", { for: "span" }, t("show")), span);
  return { tools, draw: (measured) => show(newest, measured && newestSample(measured)) };

  async function ask() {
    clearTimeout(timer);
    const mine = ++asked;
    let slot_s = 60;
    try {
      const path = `/machines/${rvm_id}/history?hours=${span.value}`;
      const history = await api.get(path, signal);
      if (mine !== asked) return; // another time was chosen meanwhile
      slot_s = history.slot_s;
      drawHistory(history);
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 404) return drawNothing();
      refused(error);
    }
    timer = setTimeout(ask, Math.max(10_000, (1000 * slot_s) / 2));
  }

  function drawNothing() {
    plots.removeAttribute("aria-busy");
    plots.replaceChildren(h("p.empty", {}, t("no_plots")));
    rest.replaceChildren();
  }

  function drawHistory(history) {
    if (!history.series.length) return drawNothing();
    plots.removeAttribute("aria-busy");
    plots.replaceChildren(...history.series.map((series) => plot(history, series)));
    const more = history.left_out ? h("p.count", {}, t("left_out", { n: history.left_out })) : null;
    show(rest, more, asTable(history));
  }
}

const known = (name) => t(`unit_${name}`);
/** The machine's own name for it, unless we know a better one. */
const nameOf = (name) => (known(name) === `unit_${name}` ? name : known(name));

const clock = (at_s) =>
  new Date(at_s * 1000).toLocaleTimeString(languageNow(), { hour: "2-digit", minute: "2-digit" });

/** From where to where a plot goes. Percents go from 0 to 100, so that a flat line looks flat. */
function scaleOf({ name, low, high }) {
  const bottom = Math.min(...low.filter((value) => value !== null));
  const top = Math.max(...high.filter((value) => value !== null));
  if (name.endsWith("_percent")) return [Math.min(0, bottom), Math.max(100, top)];
  const least = Math.max(1, Math.abs(top) * 0.02); // noise is not to fill the plot
  const middle = (bottom + top) / 2;
  const half = Math.max(top - bottom, least) * 0.55;
  return [middle - half, middle + half];
}

function plot(history, series) {
  const { name, low, mean, high } = series;
  const [bottom, top] = scaleOf(series);
  const x = (slot) => ((slot + 0.5) * WIDTH) / history.slots;
  const y = (value) => EDGE + (HEIGHT - 2 * EDGE) * share(top, value, bottom);
  const runs = runsOf(mean);
  const last = mean.findLastIndex((value) => value !== null);
  const lowest = Math.min(...low.filter((value) => value !== null));
  const highest = Math.max(...high.filter((value) => value !== null));
  const said = {
    name: nameOf(name),
    now: measure(name, mean[last]),
    low: measure(name, lowest),
    high: measure(name, highest),
  };
  const mark = svg("line", { class: "mark", y1: 0, y2: HEIGHT, x1: -9, x2: -9 });
  const drawing = svg(
    "svg",
    {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": t("plot_says", said),
    },
    svg("path", { class: "band", d: runs.map((run) => band(run, low, high, x, y)).join("") }),
    svg("path", { class: "mean", d: lines(runs, (run) => run.length > 1, mean, x, y) }),
    svg("path", { class: "dot", d: lines(runs, (run) => run.length === 1, mean, x, y) }),
    mark,
  );
  const range = lowest === highest ? said.low : t("plot_range", said);
  const at = h("small.at", {}, range);
  const figure = h(
    "figure.plot",
    {},
    h("figcaption", {}, h("span.name", {}, said.name), h("span.value", {}, said.now), at),
    drawing,
    h(
      "div.axis",
      { "aria-hidden": "true" },
      h("span", {}, clock(history.from_at)),
      h("span", {}, t("now")),
    ),
  );
  drawing.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect();
    const slot = Math.floor(((event.clientX - box.left) / box.width) * history.slots);
    if (!(slot in mean)) return;
    for (const end of ["x1", "x2"]) mark.setAttribute(end, x(slot));
    const value = mean[slot] === null ? t("unknown") : measure(name, mean[slot]);
    setText(at, `${clock(history.from_at + slot * history.slot_s)}  ${value}`);
  });
  drawing.addEventListener("pointerleave", () => {
    for (const end of ["x1", "x2"]) mark.setAttribute(end, -9);
    setText(at, range);
  });
  return figure;
}

/** How far down a value lies; in the middle if they are too far apart for numbers. */
function share(top, value, bottom) {
  const down = (top - value) / (top - bottom);
  return Number.isFinite(top - bottom) && Number.isFinite(down) ? down : 0.5;
}

/** Slots that follow each other and have a value; where there is none, the line is broken. */
function runsOf(mean) {
  const runs = [];
  mean.forEach((value, slot) => {
    if (value === null) return;
    if (slot && mean[slot - 1] !== null) runs.at(-1).push(slot);
    else runs.push([slot]);
  });
  return runs;
}

const point = (slot, value, x, y) => `${x(slot).toFixed(1)} ${y(value).toFixed(1)}`;

/** Lines; one without length is a dot, by its round ends. */
const lines = (runs, choose, mean, x, y) =>
  runs
    .filter(choose)
    .map((run) => `M${[run[0], ...run].map((slot) => point(slot, mean[slot], x, y)).join("L")}`)
    .join("");

function band(run, low, high, x, y) {
  const there = run.map((slot) => point(slot, high[slot], x, y));
  const back = [...run].reverse().map((slot) => point(slot, low[slot], x, y));
  return `M${[...there, ...back].join("L")}Z`;
}

/** The same numbers for who does not see the plots, newest first. */
function asTable({ from_at, slot_s, slots, series }) {
  const columns = [t("when"), ...series.map(({ name }) => nameOf(name))];
  const rows = [];
  for (let slot = slots - 1; slot >= 0; slot -= 1) {
    if (series.every(({ mean }) => mean[slot] === null)) continue;
    const cells = series.map(({ name, mean }) =>
      mean[slot] === null ? "–" : measure(name, mean[slot]),
    );
    rows.push(tableRow(columns, [clock(from_at + slot * slot_s), ...cells]));
  }
  return h(
    "details",
    { "data-key": "as-table" },
    h("summary", { "data-key": "as-table" }, t("as_table")),
    h(
      "div.scrolling",
      { tabindex: "0", role: "region", "aria-label": t("as_table") },
      table(t("measured"), columns, rows),
    ),
  );
}

function newestSample(measured) {
  return h(
    "details",
    { "data-key": "newest" },
    h("summary", { "data-key": "newest" }, t("newest_sample"), " ", time(measured.at)),
    facts(told(measured.values)),
  );
}
