// Where it begins: signing in, the way from list to machine, and the stream that feeds both.

import { api, follow, Refusal, token } from "./api.js";
import { auditView } from "./audit.js";
import { h, keepFocus, say } from "./dom.js";
import { machineView } from "./machine.js";
import { machinesView } from "./machines.js";
import { rewardsView } from "./rewards.js";
import { learnTime, refreshTimes } from "./shown.js";
import { languageNow, t, useOtherLanguage } from "./words.js";

const top = document.getElementById("top");
const main = document.getElementById("main");
const filters = { text: "", show: "show_all", page: 0 };
let machines = null; // by number; null: not known yet
let view = null; // {element, update, end?}
let following = null; // ends the stream
let stateWord = "live_waiting";

// What the address says behind the #, and the view that it asks for.
const VIEWS = [
  [/^#\/machines\/(\d{1,15})$/, (number) => machineView(Number(number), refused)],
  [/^#\/machines\/(\d{1,15})\/audit$/, (number) => auditView(Number(number), refused)],
  [/^#\/rewards$/, () => rewardsView(refused)],
  [/^#\/audit$/, () => auditView(null, refused)],
  [/^/, () => machinesView(filters)],
];
const LINKS = { machines: "#/", rewards: "#/rewards", audit: "#/audit" };

function drawTop() {
  document.documentElement.lang = languageNow();
  const isIn = following !== null;
  document.title = isIn ? `${t(here())} · ${t("title")}` : t("title");
  top.replaceChildren(
    h(
      "a.brand",
      { href: "#/" },
      h("img", { src: "/fleet/icon.svg", alt: "", width: 28, height: 28 }),
      h("span", {}, t("title")),
    ),
    isIn ? h("nav", { "aria-label": t("views") }, Object.keys(LINKS).map(link)) : "",
    h(
      "div.session",
      {},
      isIn ? h(`span.live.${stateWord}`, { id: "live", role: "status" }, t(stateWord)) : "",
      h(
        "button",
        {
          type: "button",
          lang: languageNow() === "en" ? "id" : "en",
          "aria-label": t("language"),
          "data-key": "language",
          onclick: changeLanguage,
        },
        t("language_short"),
      ),
      isIn ? h("button", { type: "button", onclick: () => signOut("") }, t("sign_out")) : "",
    ),
  );
}

const here = () => Object.keys(LINKS).find((each) => LINKS[each] === location.hash) ?? "machines";

const link = (word) =>
  h("a", { href: LINKS[word], "aria-current": word === here() ? "page" : null }, t(word));

function changeLanguage() {
  useOtherLanguage();
  keepFocus(top, drawTop);
  draw();
}

function drawLogin(message = "") {
  const input = h("input", {
    id: "token",
    name: "token",
    type: "password",
    required: true,
    autocomplete: "current-password",
    spellcheck: "false",
    "aria-describedby": "token-help",
  });
  const wrong = h("p.wrong", { role: "alert" }, message);
  const form = h(
    "form.card.login",
    { onsubmit: signIn },
    h("h1", {}, t("login_title")),
    h(
      "div.field",
      {},
      h("label", { for: "token" }, t("login_label")),
      input,
      h("small", { id: "token-help" }, t("login_help")),
    ),
    wrong,
    h("button.strong", { type: "submit" }, t("login_button")),
  );
  main.replaceChildren(form);
  input.focus();

  async function signIn(event) {
    event.preventDefault();
    token.set(input.value.trim());
    try {
      // Anything else could not even be sent: it cannot stand in a header.
      if (!/^[\x21-\x7e]+$/.test(token.get())) throw new Refusal(401, null);
      hear({ whole: true, ...(await api.get("/machines")) });
    } catch (error) {
      token.forget();
      wrong.textContent = t(
        error.status === 0 || error.status >= 500 ? "no_answer" : "login_wrong",
      );
      input.select();
      return;
    }
    begin();
  }
}

function signOut(message) {
  following?.abort();
  following = null;
  stateWord = "live_waiting";
  machines = null;
  token.forget();
  closeDialogs();
  drawTop();
  end();
  drawLogin(message);
}

function begin() {
  following = new AbortController();
  drawTop();
  draw();
  follow(
    hear,
    (word) => {
      if (word === "refused") return signOut(t("signed_out"));
      if (stateWord === `live_${word}`) return;
      stateWord = `live_${word}`;
      const live = document.getElementById("live"); // alone: who stands on a button stays there
      live.className = `live ${stateWord}`;
      live.textContent = t(stateWord);
    },
    following.signal,
  );
}

function hear(event) {
  learnTime(event.server_time);
  if (event.whole || machines === null) machines = new Map();
  for (const machine of event.machines) machines.set(machine.rvm_id, machine);
  for (const rvm_id of event.gone ?? []) machines.delete(rvm_id);
  view?.update(machines);
}

function end() {
  view?.end?.();
  view = null;
}

function draw() {
  if (following === null) return drawLogin();
  end();
  const [pattern, make] = VIEWS.find(([each]) => each.test(location.hash));
  view = make(...pattern.exec(location.hash).slice(1));
  main.replaceChildren(view.element);
  view.update(machines);
}

/** A request was refused: tell, and ask for the token again if it was for that. */
function refused(error) {
  if (error.status === 401 || error.status === 403) signOut(t("signed_out"));
  else say(error.status === 0 ? t("no_answer") : error.message);
}

function closeDialogs() {
  for (const box of document.querySelectorAll("dialog")) box.close();
}

window.addEventListener("hashchange", () => {
  closeDialogs();
  drawTop();
  draw();
  main.focus();
  window.scrollTo(0, 0);
});
setInterval(refreshTimes, 1000);
drawTop();
if (token.get()) begin();
else drawLogin();
