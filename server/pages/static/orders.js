// Sending a command: a closed list, a form for its arguments, and a question before anything moves.

import { api, Refusal } from "./api.js";
import { dialog, field, h, say } from "./dom.js";
import { languageNow, t } from "./words.js";

const SAFETIES = ["read", "reversible", "disruptive", "motion"];

export async function openOrder(rvm_id, sent, refused) {
  let list;
  try {
    const answer = await fetch("/fleet/commands.json");
    if (!answer.ok) throw new Refusal(answer.status, null);
    list = await answer.json();
  } catch {
    return refused(new Refusal(0, null));
  }
  const type = h(
    "select",
    { name: "type" },
    SAFETIES.map((safety) =>
      h(
        "optgroup",
        { label: t(safety) },
        list
          .filter((command) => command.safety === safety)
          .map((command) => h("option", { value: command.type }, command.type)),
      ),
    ),
  );
  const ttl = h("input", {
    name: "ttl",
    type: "number",
    min: 1,
    max: 604800,
    step: 1,
    value: "60",
    required: true,
  });
  const about = h("p.about", { id: "about" });
  const args = h("div.args");
  const confirm = h("div.confirm");
  const wrong = h("p.wrong", { role: "alert" });
  const form = h(
    "form",
    {},
    field(t("command"), type),
    about,
    args,
    field(t("ttl"), ttl),
    confirm,
    wrong,
    h(
      "div.buttons",
      {},
      h("button", { type: "button", onclick: () => box.close() }, t("cancel")),
      h("button.strong", { type: "submit" }, t("send_button")),
    ),
  );
  const chosen = () => list.find((command) => command.type === type.value);

  const draw = () => {
    const command = chosen();
    about.textContent = `${command[languageNow()]} (${t(command.safety)})`;
    args.replaceChildren(...command.args.map(argument));
    const isHarmless = command.safety === "read" || command.safety === "reversible";
    confirm.replaceChildren(...(isHarmless ? [] : [question(command.safety)]));
    confirm.className = `confirm ${command.safety}`;
    wrong.textContent = "";
  };
  type.addEventListener("change", draw);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button.strong");
    button.disabled = true; // a second click is not a second command
    try {
      await api.post(`/machines/${rvm_id}/commands`, {
        type: type.value,
        args: read(chosen(), form),
        ttl_s: Number(ttl.value),
      });
    } catch (error) {
      if (error.status === 401 || error.status === 403) return refused(error);
      wrong.textContent = error.status === 0 ? t("no_answer") : error.message;
      return;
    } finally {
      button.disabled = false;
    }
    box.close();
    say(t("sent", { type: type.value }));
    sent();
  });
  const box = dialog(t("send"), t("close"), form);
  draw();
  type.focus();
}

function question(safety) {
  const id = "f-confirm";
  return h(
    "label",
    { for: id },
    h("input", { id, type: "checkbox", required: true }),
    h("span", {}, t(`confirm_${safety}`)),
  );
}

function argument({ name, kind, required, choices, max, pattern, ...more }) {
  const label = required ? `${name} (${t("required")})` : name;
  const named = { name: `arg-${name}`, required, autocomplete: "off" };
  if (kind === "choice") {
    return field(
      label,
      h(
        "select",
        named,
        choices.map((choice) =>
          h("option", { value: choice, selected: choice === more.default }, choice),
        ),
      ),
    );
  }
  if (kind === "yes_no") return field(label, h("input", { name: named.name, type: "checkbox" }));
  return field(
    label,
    h("input", { ...named, type: "text", maxlength: max, pattern, value: more.default ?? "" }),
  );
}

/** The arguments as they go out; what was left empty is left out. */
function read(command, form) {
  const args = {};
  for (const { name, kind } of command.args) {
    const input = form.elements[`arg-${name}`];
    if (kind === "yes_no") args[name] = input.checked;
    else if (input.value !== "") args[name] = input.value;
  }
  return args;
}
