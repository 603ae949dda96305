// What somebody did, newest first: what a visitor picked as chips, what is stored of a person as rows with their times.

import { call } from "./api.js";
import { el, titleOf, whole } from "./dom.js";
import { get, set } from "./store.js";

/** Entries that are shown unless all are asked for. */
const SHOWN = 6;
const WORDS = {
  like: "liked",
  dislike: "disliked",
  view: "viewed",
  click: "clicked",
  play: "played",
  purchase: "bought",
};

const titles = new Map();
let all = false;

/** Keeps what an item is called. */
export function knows(item) {
  titles.set(item.item_id, item);
}

/** Fills the list, newest first, and puts the button for the rest before what else stands at its foot. */
export function showHistory(list, foot, entries, isVisitor) {
  list.classList.toggle("picks", isVisitor);
  list.replaceChildren(...entries.slice(0, all ? entries.length : SHOWN).map((entry) => row(entry, isVisitor)));
  if (entries.length <= SHOWN) return;
  const turn = async () => {
    all = !all;
    if (all && !isVisitor) await name(entries.toReversed());
    const next = foot.querySelector("[aria-expanded]");
    const isHere = document.activeElement === next;
    next.remove();
    showHistory(list, foot, entries, isVisitor);
    if (isHere) foot.querySelector("[aria-expanded]").focus();
  };
  const text = all ? "Show fewer" : `Show all ${whole(entries.length)}`;
  foot.prepend(el("button", { type: "button", class: "quiet", "aria-expanded": String(all), onclick: turn }, text));
}

/** From now on the newest alone are shown. */
export function showFewer() {
  all = false;
}

/** Finds out what the entries that are shown are called, oldest first. One that the catalogue doesn't know has its id. */
export async function name(entries) {
  const unnamed = (all ? entries : entries.slice(-SHOWN)).filter(({ item_id }) => !titles.has(item_id));
  await Promise.all(
    unnamed.map(async ({ item_id }) => {
      try {
        knows((await call("GET", `/v1/items/${encodeURIComponent(item_id)}`)).value);
      } catch {
        knows({ item_id });
      }
    }),
  );
}

function row(entry, isPick) {
  const title = titleOf(titles.get(entry.item_id) ?? entry);
  const kind = entry.type === "rating" ? `rated ${entry.value}` : WORDS[entry.type];
  const remove = () => set({ picks: get().picks.filter((pick) => pick !== entry) });
  const last = isPick
    ? el(
        "button",
        { type: "button", class: "quiet remove", "aria-label": `Take back ${title}`, onclick: remove },
        "×",
      )
    : el("time", { class: "meta", datetime: entry.occurred_at }, ago(entry.occurred_at));
  return el(
    "li",
    { class: entry.type },
    el("span", { class: "title" }, title),
    el("span", { class: "meta" }, kind),
    last,
  );
}

function ago(time) {
  const seconds = Math.max(0, (Date.now() - Date.parse(time)) / 1000);
  if (seconds > 86_400 * 60) return new Date(time).toISOString().slice(0, 10);
  const steps = [
    [86_400, "days"],
    [3600, "hours"],
    [60, "minutes"],
  ];
  const step = steps.find(([length]) => seconds >= 2 * length);
  return step ? `${Math.floor(seconds / step[0])} ${step[1]} ago` : "just now";
}
