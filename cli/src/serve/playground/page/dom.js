// Building the document. Text goes in as text and nothing else does: a film called <script> is a film.

const SVG = "http://www.w3.org/2000/svg";

/** An element with properties (`class`, `onclick`, `aria-label`, …) and children, which are nodes, texts or nothing. */
export function el(name, properties = {}, ...children) {
  return filled(document.createElement(name), properties, children);
}

/** The same of SVG. */
export function svg(name, properties = {}, ...children) {
  return filled(document.createElementNS(SVG, name), properties, children);
}

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value === "boolean") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Says it to whoever listens to the page. */
export function announce(text) {
  const status = byId("status");
  if (status.textContent !== text) status.textContent = text;
}

let made = 0;

/** A label and its control, tied together. */
export function labelled(text, control, properties = {}) {
  control.id ||= `field-${(made += 1)}`;
  return el("div", { class: "field", ...properties }, el("label", { for: control.id }, text), control);
}

/** A switch: a button that is on or off. */
export function toggle(text, isOn, change) {
  const button = el(
    "button",
    { type: "button", class: "toggle", role: "switch", "aria-checked": String(isOn) },
    el("span", { class: "knob", "aria-hidden": "true" }),
    text,
  );
  button.addEventListener("click", () => change(button.getAttribute("aria-checked") !== "true"));
  return button;
}

/** One of a few, by radio buttons in a row. `options` are pairs of value and text. */
export function choice(legend, name, options, change, properties = {}) {
  const inputs = options.map(([value, text]) => {
    const input = el("input", { type: "radio", name, value, onchange: () => change(value) });
    return el("label", {}, input, el("span", {}, text));
  });
  const set = el("fieldset", { class: "choice", ...properties }, el("legend", {}, legend), inputs);
  set.show = (value) => {
    for (const input of set.querySelectorAll("input")) input.checked = input.value === value;
  };
  return set;
}

/** What an item is called. */
export const titleOf = (item) => item.title ?? item.item_id;

/** Milliseconds for people: three figures that matter. */
export function milliseconds(value) {
  return `${value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0)} ms`;
}

/** 1,234 */
export const whole = (value) => value.toLocaleString("en");
