// Why an item was chosen: the contributions of the history, drawn to one scale for the whole list.

import { el, svg, titleOf } from "./dom.js";

const WIDTH = 1000;
const HEIGHT = 10;
/** How strongly the largest contributions are inked, and the sum of the others. */
const INKS = [1, 0.72, 0.52, 0.38, 0.28];
const REST = 0.16;
/** How many contributions are named; the others are named together. */
const NAMED = 3;

/** What the bars say, by the answer's `explanation`. */
export const MEANING = {
  contributions: "Each bar is the score, and each piece of it what one title of the history adds.",
  leave_one_out: "Each piece is how much lower the score would be without that title.",
  similarity:
    "The accelerator's model is another one: each piece is how alike the two titles are to the function's.",
};

/** The scale on which a list's bars are drawn: from its most negative to its largest sum. */
export function scale(items) {
  let [below, above] = [0, 0];
  for (const item of items) {
    const weights = pieces(item).map((piece) => piece.weight);
    above = Math.max(above, sum(weights.filter((weight) => weight > 0)));
    below = Math.min(below, sum(weights.filter((weight) => weight < 0)));
  }
  return { below, range: above - below || 1 };
}

/** The drawing and its words; null where there is nothing to say. `liked`: whether all the history was liked. */
export function because(item, { below, range }, liked) {
  const all = pieces(item);
  if (all.length === 0) return null;
  const place = (weight) => ((weight - below) / range) * WIDTH;
  const bars = [];
  let [right, left] = [0, 0];
  for (const { weight, ink, title } of all) {
    const [from, to] = weight >= 0 ? [right, (right += weight)] : [left + weight, left];
    if (weight < 0) left = from;
    const width = Math.max(place(to) - place(from) - 2, 1);
    bars.push(
      svg(
        "rect",
        {
          x: place(from).toFixed(1),
          y: 0,
          width: width.toFixed(1),
          height: HEIGHT,
          class: weight < 0 ? "against" : "for",
          "fill-opacity": ink,
        },
        svg("title", {}, `${title} ${figure(weight)}`),
      ),
    );
  }
  const drawing = svg(
    "svg",
    {
      class: "bar",
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    },
    bars,
  );
  const words = el(
    "p",
    { class: "words" },
    el("span", { class: "piece" }, liked ? "because you liked" : "because of"),
  );
  const named = all.slice(0, NAMED);
  const others = all.slice(NAMED);
  if (others.length > 1)
    named.push({ weight: sum(others.map(({ weight }) => weight)), title: "others", ink: REST });
  else named.push(...others);
  named.forEach((piece, index) => {
    const swatch = svg(
      "svg",
      { class: "swatch", viewBox: "0 0 8 8", "aria-hidden": "true" },
      svg("rect", { width: 8, height: 8, class: piece.weight < 0 ? "against" : "for", "fill-opacity": piece.ink }),
    );
    words.append(
      el("span", { class: "piece" }, swatch, el("b", {}, piece.title), ` ${figure(piece.weight)}`),
      index < named.length - 1 ? " " : "",
    );
  });
  return el("div", { class: "because" }, drawing, words);
}

function pieces(item) {
  const named = (item.because ?? []).map((reason, index) => ({
    weight: reason.weight,
    title: titleOf(reason),
    ink: INKS[index] ?? REST,
  }));
  const rest = item.because_rest ?? 0;
  if (Math.abs(rest) > 5e-4) named.push({ weight: rest, title: "others", ink: REST });
  return named;
}

const figure = (weight) => weight.toFixed(3).replace("-", "−");
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
