// One machine, closely. It is asked for again when its row of the fleet changes, and every second
// while a command is under way.

import { api } from "./api.js";
import { dialog, h, show } from "./dom.js";
import { standing } from "./machines.js";
import { openOrder } from "./orders.js";
import { plotsSection } from "./plots.js";
import { deposits, device, engine, events, overview } from "./sections.js";
import { isUnderWay, sentSection } from "./sent.js";
import { settingsSection } from "./settings.js";
import { chip } from "./shown.js";
import { t } from "./words.js";

const UNDER_WAY_MS = 1000;
const ANYWAY_MS = 10_000; // deposits and events do not change the row
const PARTS = [
  "overview",
  "commands",
  "measured",
  "deposits",
  "settings",
  "events",
  "engine",
  "device",
];
const WIDE = ["measured", "deposits", "settings", "device"];

/** The view: `element`, `update(machines)` and `end()`. refused(error) hears of what went wrong. */
export function machineView(rvm_id, refused) {
  const heading = h("div.heading");
  const parts = Object.fromEntries(PARTS.map((word) => [word, h("div.part")]));
  const ending = new AbortController();
  const looking = repeated(ask, ending.signal);
  const sent = sentSection(parts.commands, ending.signal, looking.now);
  const plots = plotsSection(parts.measured, rvm_id, ending.signal, refused);
  let known = null;

  parts.deposits.addEventListener("click", (event) => {
    if (event.target.dataset.image) picture(event.target.dataset.image, refused);
  });
  const order = () => openOrder(rvm_id, looking.now, refused);
  const tools = { measured: plots.tools };
  return {
    element: frame(rvm_id, heading, parts, tools, order),
    update,
    end: () => ending.abort(),
  };

  function update(machines) {
    const row = machines?.get(rvm_id) ?? null;
    if (row !== null && row === known) return;
    known = row;
    looking.now();
  }

  /** Ask for everything and show it; the answer: in how many milliseconds again. */
  async function ask() {
    const get = (more) => api.get(`/machines/${rvm_id}${more}`, ending.signal);
    try {
      const [detail, commands, twin] = await Promise.all([
        get(""),
        get("/commands"),
        get("/settings"),
      ]);
      draw(detail, twin);
      await sent.update(commands.items);
      return commands.items.some(isUnderWay) ? UNDER_WAY_MS : ANYWAY_MS;
    } catch (error) {
      if (ending.signal.aborted) return ANYWAY_MS;
      if (error.status === 404) show(heading, h("h1", {}, t("not_found")));
      else refused(error);
      return ANYWAY_MS;
    }
  }

  function draw(detail, twin) {
    const { machine } = detail;
    const name = machine.name || machine.hardware_id;
    document.title = `${name} · ${t("title")}`;
    const why = machine.status_reason ? h("p", {}, machine.status_reason) : null;
    show(heading, h("h1", {}, name), chip(standing(machine)), why);
    show(parts.overview, overview(detail));
    plots.draw(detail.measured);
    show(parts.deposits, deposits(detail.deposits));
    show(parts.events, events(detail.events));
    show(parts.engine, engine(detail.engine));
    show(parts.device, device(detail.device));
    settingsSection(parts.settings, rvm_id, twin, looking.now, refused);
  }
}

function frame(rvm_id, heading, parts, tools, order) {
  const section = (word) =>
    h(
      WIDE.includes(word) ? "section.card.wide" : "section.card",
      { "aria-labelledby": `h-${word}` },
      h("div.card-top", {}, h("h2", { id: `h-${word}` }, t(word)), tools[word]),
      parts[word],
    );
  return h(
    "article",
    {},
    h("a.back", { href: "#/" }, `← ${t("back")}`),
    heading,
    h(
      "div.tools",
      {},
      h("button.strong", { type: "button", onclick: order }, t("send")),
      h("a.button", { href: `#/machines/${rvm_id}/audit` }, t("audit")),
    ),
    PARTS.map(section),
  );
}

/**
 * Do `ask` again and again, one at a time, each time after as long as it says. `now()` asks now;
 * while it is being asked, the answer may be too old: then once more.
 */
function repeated(ask, signal) {
  let timer = null;
  let isAsking = false;
  let isWanted = false;
  const now = async () => {
    clearTimeout(timer);
    isWanted = true;
    if (isAsking) return;
    isAsking = true;
    let pause_ms = 0;
    while (isWanted && !signal.aborted) {
      isWanted = false;
      pause_ms = await ask();
    }
    isAsking = false;
    if (!signal.aborted) timer = setTimeout(now, pause_ms);
  };
  signal.addEventListener("abort", () => clearTimeout(timer));
  return { now };
}

async function picture(image_id, refused) {
  try {
    const url = URL.createObjectURL(await api.blob(`/files/${encodeURIComponent(image_id)}`));
    const box = dialog(t("picture"), t("close"), h("img.picture", { src: url, alt: t("picture") }));
    box.addEventListener("close", () => URL.revokeObjectURL(url));
  } catch (error) {
    refused(error);
  }
}
