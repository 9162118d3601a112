// Tokens that let machines in: made here, shown once, revoked here.

import { api } from "./api.js";
import { dialog, field, h, say, show } from "./dom.js";
import { chip, moment, table, tableRow } from "./shown.js";
import { t } from "./words.js";

export async function openEnrolment() {
  const hardware = h("input", {
    name: "hardware",
    type: "text",
    maxlength: 64,
    pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]*",
    autocomplete: "off",
  });
  const hours = h("input", {
    name: "hours",
    type: "number",
    min: 1,
    max: 720,
    step: 1,
    value: "24",
    required: true,
  });
  const made = h("div", { role: "status" });
  const list = h("div.list", {}, t("loading"));
  const wrong = h("p.wrong", { role: "alert" });
  const button = h("button.strong", { type: "submit" }, t("enrol_make"));

  const tell = (error) => {
    wrong.textContent = error.status === 0 ? t("no_answer") : error.message;
  };
  const look = async () => {
    const { items } = await api.get("/enrolment-tokens");
    show(list, items.length ? tokens(items) : h("p.empty", {}, t("enrol_none")));
  };
  const make = async (event) => {
    event.preventDefault();
    wrong.textContent = "";
    button.disabled = true; // a second click is not a second token
    try {
      const token = await api.post("/enrolment-tokens", {
        hardware_id: hardware.value,
        good_for_s: 3600 * Number(hours.value),
      });
      made.replaceChildren(shownOnce(token.token));
      await look();
    } catch (error) {
      tell(error);
    } finally {
      button.disabled = false;
    }
  };
  const revoke = async (event) => {
    const id = event.target.dataset.revoke;
    if (!id) return;
    try {
      await api.remove(`/enrolment-tokens/${id}`);
      say(t("revoked_said"));
      await look();
    } catch (error) {
      tell(error);
    }
  };
  list.addEventListener("click", revoke);
  const box = dialog(
    t("enrol"),
    t("close"),
    h("p", {}, t("enrol_help")),
    h(
      "form.row",
      { onsubmit: make },
      field(t("enrol_hardware"), hardware, t("enrol_hardware_help")),
      field(t("enrol_hours"), hours),
      button,
    ),
    wrong,
    made,
    list,
  );
  box.classList.add("wide");
  hardware.focus();
  await look().catch(tell);
}

function tokens(items) {
  const columns = ["hardware_id", "state", "until", "revoke"].map((word) => t(word));
  return table(
    t("enrol"),
    columns,
    items.map((item) =>
      tableRow(columns, [
        item.hardware_id || t("any_machine"),
        chip(item.state === "expired" ? "expired_token" : item.state),
        moment(item.expires_at),
        item.state === "open"
          ? h(
              "button",
              {
                type: "button",
                "data-revoke": item.id,
                "data-key": item.id,
                "aria-label": `${t("revoke")} ${item.hardware_id || item.id}`,
              },
              t("revoke"),
            )
          : "–",
      ]),
    ),
  );
}

function shownOnce(token) {
  const text = h("input", {
    name: "made",
    type: "text",
    readonly: true,
    value: token,
    spellcheck: "false",
    onfocus: () => text.select(),
  });
  const copy = async () => {
    text.select();
    await navigator.clipboard?.writeText(token).then(
      () => say(t("copied")),
      () => {},
    ); // selected, it can be copied by hand
  };
  return h(
    "div.once",
    {},
    field(t("enrol_token"), text, t("enrol_once")),
    h("button", { type: "button", onclick: copy }, t("copy")),
  );
}
