// Elements made from values. Text goes in as text, never as markup, also if it says <script>.

/**
 * h("p.note", {title: "…"}, "text", element, null): an element with its children.
 * `on…` properties are listeners; true and false set and leave out an attribute.
 */
export function h(name, properties = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "value") element.value = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** The same for drawings. */
export function svg(tag, properties = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(properties)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/**
 * Put `children` in, unless what they show is there already. What was unfolded stays so
 * (`data-key` of a `details`), and so does the focus (`data-key` of whatever has it).
 */
export function show(element, ...children) {
  const made = h("div", {}, ...children);
  for (const unfolded of element.querySelectorAll("details[open][data-key]")) {
    made
      .querySelector(`details[data-key="${CSS.escape(unfolded.dataset.key)}"]`)
      ?.setAttribute("open", "");
  }
  if (element.innerHTML !== made.innerHTML)
    keepFocus(element, () => element.replaceChildren(...made.childNodes));
}

/** Change what is in `element`; who stands on something with a `data-key` stands there after it. */
export function keepFocus(element, change) {
  const focused = document.activeElement;
  const key = element.contains(focused) ? focused.dataset.key : undefined;
  change();
  if (key)
    element
      .querySelector(`${focused.localName}[data-key="${CSS.escape(key)}"]`)
      ?.focus({ preventScroll: true });
}

/** Change a text only if it differs. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Tell what happens to those who do not see it. */
export function say(text) {
  document.getElementById("says").textContent = text;
}

/** A modal dialog with a heading; it goes when it is closed, and the focus returns. */
export function dialog(title, closeLabel, ...children) {
  const heading = h("h2", { id: "dialog-title" }, title);
  const close = h(
    "button.plain",
    { type: "button", "aria-label": closeLabel, onclick: () => box.close() },
    "✕",
  );
  const box = h(
    "dialog",
    { "aria-labelledby": "dialog-title" },
    h("div.dialog-top", {}, heading, close),
    ...children,
  );
  box.addEventListener("close", () => box.remove());
  box.addEventListener("click", (event) => {
    if (event.target === box) box.close(); // the backdrop
  });
  document.body.append(box);
  box.showModal();
  return box;
}

/** A label above its field, with a line of help below. */
export function field(label, input, help = null) {
  const id = `f-${input.name}`;
  input.id = id;
  const note = help && h("small", { id: `${id}-help` }, help);
  if (note) input.setAttribute("aria-describedby", note.id);
  return h("div.field", {}, h("label", { for: id }, label), input, note);
}
