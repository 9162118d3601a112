// Another table of what items are worth: written whole, and asked about twice.

import { api } from "./api.js";
import { dialog, h, say } from "./dom.js";
import { t } from "./words.js";

const DEFAULT = "default"; // the platform's word for what a table does not name
const AMOUNT_MAX = 1_000_000_000;

export function openRates(found, changed, refused) {
  const list = h("div.rates-rows");
  const wrong = h("p.wrong", { role: "alert" });
  const add = (kind = "", amount = "") => {
    const row = rateRow(kind, amount);
    list.append(row);
    return row;
  };
  for (const kind of Object.keys(found.rates).sort())
    if (kind !== DEFAULT) add(kind, found.rates[kind]);
  const rest = amountField(t("everything_else"), found.rates[DEFAULT] ?? 0);
  const save = async (event) => {
    event.preventDefault();
    const rates = read(list, rest);
    if (rates === null) return void (wrong.textContent = t("kind_twice"));
    const button = event.target.querySelector("button.strong");
    button.disabled = true;
    try {
      const made = await api.put("/rewards", { rates, version: found.version });
      box.close();
      say(t("rates_saved", made));
      changed();
    } catch (error) {
      if (error.status === 401 || error.status === 403) return refused(error);
      if (error.status === 409) wrong.textContent = t("rates_conflict");
      else wrong.textContent = error.status === 0 ? t("no_answer") : error.message;
    } finally {
      button.disabled = false;
    }
  };
  const box = dialog(
    t("rates"),
    t("close"),
    h(
      "form",
      { onsubmit: save },
      h("p.about", {}, t("rates_help")),
      list,
      h("div.rate", {}, h("span.name", {}, t("everything_else")), rest),
      h(
        "button.add",
        { type: "button", onclick: () => add().querySelector("input").focus() },
        `+ ${t("add_kind")}`,
      ),
      h(
        "div.confirm",
        {},
        h(
          "label",
          { for: "f-confirm" },
          h("input", { id: "f-confirm", type: "checkbox", required: true }),
          h("span", {}, t("confirm_rates")),
        ),
      ),
      wrong,
      h(
        "div.buttons",
        {},
        h("button", { type: "button", onclick: () => box.close() }, t("cancel")),
        h("button.strong", { type: "submit" }, t("save")),
      ),
    ),
  );
}

function rateRow(kind, amount) {
  const name = h("input", {
    type: "text",
    value: kind,
    required: true,
    maxlength: 64,
    autocomplete: "off",
    "aria-label": t("kind"),
  });
  const row = h(
    "div.rate",
    {},
    name,
    amountField(kind ? `${t("amount")}: ${kind}` : t("amount"), amount),
    h(
      "button.plain",
      {
        type: "button",
        "aria-label": `${t("remove")} ${kind}`.trim(),
        onclick: () => row.remove(),
      },
      "✕",
    ),
  );
  return row;
}

const amountField = (label, amount) =>
  h("input", {
    type: "number",
    min: 0,
    max: AMOUNT_MAX,
    step: 1,
    value: String(amount),
    required: true,
    "aria-label": label,
  });

/** The table; null: a kind stands in it twice. */
function read(list, rest) {
  const rates = new Map([[DEFAULT, Number(rest.value)]]);
  for (const row of list.children) {
    const [name, amount] = row.querySelectorAll("input");
    const kind = name.value.trim();
    if (rates.has(kind)) return null;
    rates.set(kind, Number(amount.value));
  }
  return Object.fromEntries(rates);
}
