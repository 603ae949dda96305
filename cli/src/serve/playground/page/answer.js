// The list of recommendations, and what is wished for beside the history.

import { because, MEANING, scale } from "./because.js";
import { actions } from "./browse.js";
import { curl, curlFold } from "./curl.js";
import { byId, el, labelled, milliseconds, titleOf, whole } from "./dom.js";
import { RUNGS } from "./ladder.js";
import { get, on, set } from "./store.js";

const cards = new Map();
const fold = curlFold("these recommendations");
let question;

export function startAnswers(questionNow) {
  question = questionNow;
  byId("wishes").append(wishes());
  byId("answers-curl").append(fold);
}

/** Draws an answer. Cards that stay move to their new places where the reader asked for something. */
export function showAnswer(answer, isAwaited) {
  const list = byId("list");
  list.classList.remove("waiting");
  byId("problem").replaceChildren();
  const places = isAwaited ? placesOf(list) : null;
  const { receipt, items, explanation } = answer;
  const drawn = scale(items);
  // A visitor likes and dislikes; what is stored of a person may be anything.
  const liked = get().person === null;
  const shown = items.map((item) => {
    const before = cards.get(item.item_id);
    const kept = before && before.said === JSON.stringify([item, explanation, drawn, liked]);
    const card = kept ? before : cardOf(item, explanation, drawn, liked);
    cards.set(item.item_id, card);
    card.acts.show();
    return card.element;
  });
  for (const id of cards.keys()) if (!items.some((item) => item.item_id === id)) cards.delete(id);
  list.dataset.rung = receipt.rung;
  list.setAttribute("aria-busy", "false");
  if (shown.length !== list.children.length || shown.some((card, index) => card !== list.children[index])) {
    keepingFocus(() => list.replaceChildren(...shown));
  }
  if (shown.length === 0)
    list.replaceChildren(el("li", { class: "empty" }, "Nothing is left: the wishes rule out every title."));
  if (places) move(list, places);
  showFrom(receipt, explanation, items.length);
  fold.show(curl("POST", "/v1/recommendations", question()));
}

/** What the service said no with, or that it said nothing. */
export function showProblem(error) {
  const [title, ...details] = error.lines?.() ?? ["This page has a fault", String(error)];
  byId("list").classList.remove("waiting");
  byId("problem").replaceChildren(
    el(
      "div",
      { class: "notice bad", role: "alert" },
      el("b", {}, title),
      details.map((detail) => el("p", {}, detail)),
    ),
  );
}

/** The answer takes long. */
export function showWaiting() {
  byId("list").classList.add("waiting");
  byId("list").setAttribute("aria-busy", "true");
}

function showFrom({ rung, profile, degraded, elapsed_ms }, explanation, count) {
  const whose = degraded.includes("profile_unavailable")
    ? "the profile store is down"
    : rung === "popular"
      ? "what most people chose"
      : profile === "store"
        ? "from what is stored"
        : "from what you picked";
  byId("from").replaceChildren(
    el("span", { class: `mark ${rung}` }, RUNGS[rung].name),
    ` ${milliseconds(elapsed_ms)}`,
    el("span", { class: "whose" }, whose),
  );
  byId("list").setAttribute("aria-label", `${count} recommendations`);
  const meaning = explanation ? MEANING[explanation] : "";
  const line = byId("meaning");
  if (line.textContent !== meaning) line.textContent = meaning;
}

function cardOf(item, explanation, drawn, liked) {
  const acts = actions(item);
  const popular = explanation === undefined;
  const score = popular ? `${whole(item.score)}` : item.score.toFixed(3);
  const element = el(
    "li",
    { class: "card" },
    el("span", { class: "rank", "aria-hidden": "true" }, String(item.rank)),
    el(
      "div",
      { class: "what" },
      el("h3", {}, titleOf(item)),
      el(
        "p",
        { class: "meta" },
        el("span", { class: "year" }, item.year ? String(item.year) : ""),
        ` ${item.genres.join(", ")}`,
      ),
    ),
    el("p", { class: "score" }, el("b", {}, score), el("span", {}, popular ? "people" : "score")),
    because(item, drawn, liked),
    acts.element,
  );
  return { element, acts, said: JSON.stringify([item, explanation, drawn, liked]) };
}

/** Number of titles, variety, and what may be answered. */
function wishes() {
  const wish = (changes) => set({ wishes: { ...get().wishes, ...changes } });
  const number = (value, min, max) =>
    el("input", { type: "number", inputmode: "numeric", min, max, value, placeholder: "any" });
  const k = number(get().wishes.k, 1, 500);
  k.addEventListener("input", () => {
    if (k.value !== "") wish({ k: Number(k.value) });
  });
  const variety = el("input", { type: "range", min: 0, max: 1, step: 0.05, value: 0 });
  const says = el("output", {}, "0");
  variety.addEventListener("input", () => {
    says.textContent = String(Number(variety.value));
    wish({ diversity: Number(variety.value) });
  });
  const genre = el("select", {}, el("option", { value: "" }, "any"));
  genre.addEventListener("change", () => wish({ genre: genre.value }));
  const [from, to] = ["from", "to"].map((name) => {
    const input = number("", 0, 9999);
    input.addEventListener("input", () => wish({ [name]: input.value }));
    return input;
  });
  const seen = el("input", { type: "checkbox" });
  seen.addEventListener("change", () => wish({ seen: seen.checked }));
  on(["genres"], ({ genres }) => {
    genre.replaceChildren(
      el("option", { value: "" }, "any"),
      ...genres.map((name) => el("option", { value: name }, name)),
    );
  });
  const varied = labelled("Variety", variety, { class: "field varied" });
  varied.append(says);
  return el(
    "div",
    {},
    el(
      "div",
      { class: "wishes", role: "group", "aria-label": "Wishes" },
      labelled("How many", k),
      varied,
      labelled("Genre", genre),
      labelled("From", from),
      labelled("To", to),
      labelled("Seen too", seen, { class: "field check" }),
    ),
    el("p", { class: "meaning", id: "meaning" }),
  );
}

const placesOf = (list) => new Map([...list.children].map((card) => [card, card.getBoundingClientRect().top]));

/** Lets cards glide from where they were, and new ones come in. */
function move(list, places) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  for (const card of list.children) {
    const before = places.get(card);
    const after = card.getBoundingClientRect().top;
    const frames =
      before === undefined
        ? [{ opacity: 0 }, { opacity: 1 }]
        : [{ transform: `translateY(${before - after}px)` }, { transform: "none" }];
    if (before !== after) card.animate(frames, { duration: 220, easing: "cubic-bezier(.2, .7, .2, 1)" });
  }
}

/** Whoever stands on a card's button stays on it, or where the list begins when the card goes. */
function keepingFocus(change) {
  const stood = document.activeElement;
  const list = byId("list");
  const index = [...list.children].findIndex((card) => card.contains(stood));
  change();
  if (index < 0 || document.activeElement === stood) return;
  if (list.contains(stood)) stood.focus();
  else (list.children[index] ?? list.lastElementChild)?.querySelector("button")?.focus();
}
