// The catalogue: search as you type, genres and decades; and the two buttons that every title has.

import { Latest, call } from "./api.js";
import { curl, curlFold } from "./curl.js";
import { byId, el, labelled, titleOf } from "./dom.js";
import { did } from "./person.js";
import { kindOf, on, set } from "./store.js";

/** Titles of a page, and most that one question of the catalogue gives. */
const PAGE = 12;
const SEARCH_MOST = 100;
/** How many popular titles tell which genres and decades there are. */
const SAMPLE = 500;

const searches = new Latest();
const fold = curlFold("this list of titles");
const shown = [];
let controls;
let count = PAGE;

/** Fills the panel, and finds out what there is to choose from. */
export async function startBrowsing() {
  controls ??= draw();
  search();
  try {
    const { value } = await call("GET", `/v1/popular?k=${SAMPLE}`);
    offer(value.items);
  } catch {
    // The list itself shows what is wrong.
  }
}

/** Like and dislike for an item; `show()` brings them up to date. */
export function actions(item) {
  const title = titleOf(item);
  const button = (kind, text) =>
    el(
      "button",
      {
        type: "button",
        class: `act ${kind}`,
        "aria-pressed": "false",
        "aria-label": `${text} ${title}`,
        onclick: () => did(item, kind),
      },
      text,
    );
  const [like, dislike] = [button("like", "Like"), button("dislike", "Dislike")];
  const show = () => {
    const kind = kindOf(item.item_id);
    like.setAttribute("aria-pressed", String(kind !== undefined && kind !== "dislike"));
    dislike.setAttribute("aria-pressed", String(kind === "dislike"));
  };
  show();
  return { element: el("div", { class: "acts" }, like, dislike), show };
}

function draw() {
  const text = el("input", {
    type: "search",
    autocomplete: "off",
    spellcheck: "false",
    maxlength: 200,
    "aria-keyshortcuts": "/",
  });
  const anew = () => {
    count = PAGE;
    search();
  };
  const [genre, decade] = [chips("Genre", anew), chips("Decade", anew)];
  const list = el("ul", { class: "titles", "aria-label": "Titles" });
  const none = el("p", { class: "quiet", role: "status" });
  const more = el(
    "button",
    {
      type: "button",
      class: "quiet",
      onclick: () => {
        count += PAGE;
        search();
      },
    },
    "More",
  );
  text.addEventListener("input", anew);
  byId("browse").append(
    labelled("Search", text, { class: "field search" }),
    genre.element,
    decade.element,
    list,
    none,
    more,
    fold,
  );
  walk(text, list);
  on(["picks", "profile"], () => shown.forEach((acts) => acts.show()));
  return { text, genre, decade, list, none, more };
}

/** A row of buttons of which one at most is down. */
function chips(label, change) {
  const element = el("div", { class: "chips", role: "group", "aria-label": label });
  const row = { element, value: "" };
  row.offer = (pairs) => {
    element.replaceChildren(
      ...pairs.map(([value, text]) => {
        const chip = el(
          "button",
          { type: "button", class: "chip", "aria-pressed": String(row.value === value) },
          text,
        );
        chip.addEventListener("click", () => {
          row.value = row.value === value ? "" : value;
          for (const other of element.children)
            other.setAttribute("aria-pressed", String(other === chip && row.value === value));
          change();
        });
        return chip;
      }),
    );
  };
  return row;
}

/** "/" goes to the search, arrows go through what it found. */
function walk(text, list) {
  document.addEventListener("keydown", (event) => {
    const typing =
      /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName) && document.activeElement.type !== "radio";
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      text.focus();
    }
  });
  const step = (event) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const likes = [...list.querySelectorAll(".act.like")];
    const row = event.target.closest("li");
    const at = likes.findIndex((like) => row?.contains(like));
    const next = at + (event.key === "ArrowDown" ? 1 : -1);
    event.preventDefault();
    (next < 0 ? text : likes[Math.min(next, likes.length - 1)])?.focus();
  };
  text.addEventListener("keydown", step);
  list.addEventListener("keydown", step);
}

async function search() {
  const { text, genre, decade, list, none } = controls;
  const words = text.value.trim();
  const isIdle = !words && !genre.value && !decade.value;
  fold.hidden = isIdle;
  // What is popular stands among the answers already.
  if (isIdle) {
    searches.cancel();
    none.textContent = "";
    return show([], false);
  }
  const [method, path, body, most] = request(words, genre.value, decade.value);
  fold.show(curl(method, path, body));
  try {
    const found = await searches.run((signal) => call(method, path, body, { signal }));
    if (!found) return;
    const start = Number(decade.value);
    const items = found.value.items.filter(
      (item) => !decade.value || (item.year >= start && item.year < start + 10),
    );
    show(items.slice(0, count), items.length > count || (found.value.items.length === most && count < most));
    none.textContent = items.length ? "" : "No such title.";
  } catch (error) {
    list.replaceChildren();
    none.textContent = (error.lines?.() ?? [String(error)]).join(". ");
  }
}

/** The question that brings the list, and how many titles it asks for. A decade's titles are its popular ones. */
function request(words, genre, decade) {
  const query = new URLSearchParams();
  if (words) {
    const limit = decade ? SEARCH_MOST : Math.min(count + 1, SEARCH_MOST);
    query.set("q", words);
    if (genre) query.set("genre", genre);
    query.set("limit", limit);
    return ["GET", `/v1/items?${query}`, undefined, limit];
  }
  const k = Math.min(count + 1, SAMPLE);
  if (decade) {
    const filters = { year: { min: Number(decade), max: Number(decade) + 9 } };
    if (genre) filters.genres_any = [genre];
    return ["POST", "/v1/recommendations", { k, filters }, k];
  }
  if (genre) query.set("genre", genre);
  query.set("k", k);
  return ["GET", `/v1/popular?${query}`, undefined, k];
}

function show(items, hasMore) {
  const rows = items.map((item) => {
    const acts = actions(item);
    return [
      acts,
      el(
        "li",
        {},
        el(
          "div",
          {},
          el("span", { class: "title" }, titleOf(item)),
          el(
            "span",
            { class: "meta" },
            el("span", { class: "year" }, item.year ? String(item.year) : ""),
            ` ${item.genres.slice(0, 3).join(", ")}`,
          ),
        ),
        acts.element,
      ),
    ];
  });
  shown.splice(0, shown.length, ...rows.map(([acts]) => acts));
  controls.list.replaceChildren(...rows.map(([, row]) => row));
  controls.more.hidden = !hasMore;
}

/** The genres and decades of what is popular, the most frequent genre first. */
function offer(items) {
  const counts = new Map();
  const decades = new Set();
  for (const { genres, year } of items) {
    for (const genre of genres) counts.set(genre, (counts.get(genre) ?? 0) + 1);
    if (year) decades.add(Math.floor(year / 10) * 10);
  }
  const genres = [...counts].sort((a, b) => b[1] - a[1]).map(([genre]) => genre);
  controls.genre.offer(genres.map((genre) => [genre, genre]));
  controls.decade.offer([...decades].sort((a, b) => b - a).map((year) => [String(year), `${year}s`]));
  set({ genres });
}
