// What is desired of a machine, and what it has said of every key.

import { api } from "./api.js";
import { dialog, field, h, say, show } from "./dom.js";
import { chip, plain, table, tableRow } from "./shown.js";
import { t } from "./words.js";

/** Put the section into `element`; changed() is called when there is another version. */
export function settingsSection(element, rvm_id, twin, changed, refused) {
  if (!element.firstChild) {
    const open = () => openSetting(rvm_id, Number(element.dataset.version), changed, refused);
    element.append(
      h("div.part"),
      h("button", { type: "button", onclick: open }, t("change_setting")),
    );
  }
  element.dataset.version = twin.version;
  show(element.firstChild, rows(twin));
}

function rows(twin) {
  const keys = [...new Set([...Object.keys(twin.settings), ...Object.keys(twin.keys)])].sort();
  const line = h(
    "p",
    {},
    t("version_line", twin),
    " ",
    twin.state ? chip(twin.state) : null,
    twin.reason ? ` ${twin.reason}` : "",
  );
  if (!keys.length) return [line, h("p.empty", {}, t("no_settings"))];
  const columns = ["key", "desired", "reported", "state"].map((word) => t(word));
  return [
    line,
    table(
      t("settings"),
      columns,
      keys.map((key) => {
        const told = Object.hasOwn(twin.keys, key) ? twin.keys[key] : null;
        return tableRow(columns, [
          h("code", {}, key),
          Object.hasOwn(twin.settings, key) ? plain(twin.settings[key]) : "–",
          told ? plain(told.value) : "–",
          h(
            "span.stack",
            {},
            chip(`code_${told ? told.code : "none"}`),
            told?.reason ? h("small", {}, told.reason) : null,
          ),
        ]);
      }),
    ),
  ];
}

function openSetting(rvm_id, version, changed, refused) {
  const key = h("input", {
    name: "key",
    type: "text",
    required: true,
    maxlength: 200,
    pattern: "[a-z][a-z0-9_]*(\\.[a-z0-9_]+)+",
    autocomplete: "off",
  });
  const value = h("input", { name: "value", type: "text", autocomplete: "off" });
  const wrong = h("p.wrong", { role: "alert" });
  const save = async (event) => {
    event.preventDefault();
    let wanted;
    try {
      wanted = value.value.trim() === "" ? null : JSON.parse(value.value);
    } catch {
      wrong.textContent = t("setting_bad");
      return value.focus();
    }
    try {
      const twin = await api.patch(`/machines/${rvm_id}/settings`, {
        settings: { [key.value]: wanted },
        version,
      });
      box.close();
      say(t("setting_saved", { n: twin.version }));
      changed();
    } catch (error) {
      if (error.status === 401 || error.status === 403) return refused(error);
      wrong.textContent =
        error.status === 409 ? t("conflict") : error.status === 0 ? t("no_answer") : error.message;
    }
  };
  const box = dialog(
    t("change_setting"),
    t("close"),
    h(
      "form",
      { onsubmit: save },
      field(t("setting_key"), key, t("setting_key_help")),
      field(t("setting_value"), value, t("setting_value_help")),
      wrong,
      h(
        "div.buttons",
        {},
        h("button", { type: "button", onclick: () => box.close() }, t("cancel")),
        h("button.strong", { type: "submit" }, t("save")),
      ),
    ),
  );
  key.focus();
}
