// What is known of one machine, part by part: elements made from what the platform says.

import { h } from "./dom.js";
import {
  chip,
  facts,
  meter,
  number,
  orUnknown,
  plain,
  score,
  table,
  tableRow,
  time,
  told,
} from "./shown.js";
import { t } from "./words.js";

/** How it stands, in pairs. */
export function overview({ machine }) {
  const waiting = Object.entries(machine.waiting).filter(([, count]) => count);
  return facts([
    [t("hardware_id"), machine.hardware_id],
    [t("status"), machine.status ? chip(machine.status) : orUnknown(null)],
    [t("seen"), h("span", {}, time(machine.last_seen_at), " ", chip(machine.liveness))],
    [t("health"), score(machine.health_score)],
    [t("bin"), meter(machine.current_load, machine.max_capacity)],
    [t("version"), orUnknown(machine.version)],
    [
      t("waiting"),
      waiting.length
        ? waiting.map(([kind, count]) => `${t(kind)}: ${number(count)}`).join(", ")
        : t("nothing"),
    ],
    [t("clock"), orUnknown(machine.clock_quality, t(`clock_${machine.clock_quality}`))],
  ]);
}

/** The newest deposits; a picture is fetched when it is asked for. */
export function deposits(items) {
  if (!items.length) return h("p.empty", {}, t("no_deposits"));
  const columns = ["item", "state", "when", "confidence", "reward", "picture"].map((word) =>
    t(word),
  );
  return table(
    t("deposits"),
    columns,
    items.map((item) =>
      tableRow(columns, [
        h("span", {}, item.waste_type || t("unknown")),
        h(
          "span.stack",
          {},
          chip(item.state === "accepted" ? "accepted_deposit" : item.state),
          item.reason ? h("small", {}, item.reason) : null,
        ),
        time(item.at),
        orUnknown(item.ai_confidence, `${number(100 * (item.ai_confidence ?? 0), 0)} %`),
        (item.reward ?? null) === null ? "–" : number(item.reward),
        (item.image_id ?? null) === null
          ? "–"
          : h(
              "button",
              {
                type: "button",
                "data-image": item.image_id,
                "data-key": item.image_id,
                "aria-label": `${t("picture")} ${item.deposit_id}`,
              },
              t("picture"),
            ),
      ]),
    ),
  );
}

/** What has happened there. */
export function events(items) {
  if (!items.length) return h("p.empty", {}, t("no_events"));
  return h(
    "ul.events",
    {},
    items.map((item) =>
      h(
        "li",
        {},
        h("div", {}, h("span.name", {}, item.kind), " ", time(item.at)),
        Object.keys(item.fields).length ? h("code", {}, JSON.stringify(item.fields)) : null,
      ),
    ),
  );
}

/** Its engine, as it was registered. */
export function engine(registered) {
  return registered ? facts(told(registered)) : h("p.empty", {}, t("no_engine"));
}

/** The computer in it, as it has introduced itself. */
export function device(introduced) {
  const { born_at, versions, capabilities, actors, ...rest } = introduced;
  return [
    facts([
      [t("boot"), orUnknown(born_at, time(born_at))],
      ...told(versions),
      [t("capabilities"), plain(capabilities)],
    ]),
    h(
      "details",
      { "data-key": "device" },
      h("summary", { "data-key": "device" }, t("details")),
      facts([[t("actors"), plain(actors)], ...told(rest)]),
    ),
  ];
}
