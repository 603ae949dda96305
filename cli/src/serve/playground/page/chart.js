// The last minute as a strip: a bar for every answer, coloured by its rung, as long as it took.

import { byId, el, milliseconds, svg, toggle, whole } from "./dom.js";
import { RUNGS } from "./ladder.js";

const MINUTE = 60_000;
/** Milliseconds between two requests of the stream: 4 a second. */
const BEAT = 250;
/** How many requests of the stream may be on their way at once. */
const IN_FLIGHT = 3;
/** Milliseconds between two drawings: the bars seem to glide. */
const FRAME = 100;
/** The scale is logarithmic: from 0.1 ms at the bottom to 1 s at the top. */
const [LOW, HIGH] = [-1, 3];
const HEIGHT = 132;
const FOOT = 18;
const BAR = 3;

const marks = [];
const counts = { accelerator: 0, function: 0, popular: 0, failed: 0 };
let chart;
let timer = null;
let stream = null;
let inFlight = 0;

/** Takes note of an answer: its rung, the service's own milliseconds and those that this browser measured; or a failure. */
export function record(mark) {
  marks.push({ ...mark, at: performance.now() });
  counts[mark.failed ? "failed" : mark.rung] += 1;
  if (chart) {
    showCounts();
    timer ??= setInterval(draw, FRAME);
    draw();
  }
}

/** Fills the panel. `ask` sends one request of the stream. */
export function startChart(ask) {
  const plot = svg("svg", { class: "plot", role: "img" });
  const numbers = el("dl", { class: "counts" });
  const now = el("p", { class: "now" });
  const keep = toggle("Keep asking, 4 a second", false, (isOn) => {
    keep.setAttribute("aria-checked", String(isOn));
    clearInterval(stream);
    if (isOn) stream = setInterval(beat, BEAT);
  });
  async function beat() {
    if (document.hidden || inFlight >= IN_FLIGHT) return;
    inFlight += 1;
    await ask();
    inFlight -= 1;
  }
  byId("minute").append(
    keep,
    plot,
    now,
    numbers,
    el(
      "p",
      { class: "quiet" },
      "Full bars are the service's own time, pale ones what this browser waited. The scale is logarithmic.",
    ),
  );
  chart = { plot, numbers, now };
  new ResizeObserver(draw).observe(plot);
  showCounts();
}

function draw() {
  const { plot, now } = chart;
  const time = performance.now();
  while (marks.length && time - marks[0].at > MINUTE) marks.shift();
  if (marks.length === 0) {
    clearInterval(timer);
    timer = null;
  }
  const width = plot.clientWidth || 320;
  const floor = HEIGHT - FOOT;
  const x = (at) => width - ((time - at) / MINUTE) * width;
  const y = (ms) => floor - ((Math.log10(Math.max(ms, 0.1)) - LOW) / (HIGH - LOW)) * (floor - 8);
  const bars = (wanted, ms) =>
    marks
      .filter(wanted)
      .map((mark) => `M${(x(mark.at) - BAR).toFixed(1)} ${floor}V${Math.min(y(ms(mark)), floor - 2).toFixed(1)}`)
      .join("");
  const grid = [1, 10, 100].map((ms) =>
    svg(
      "g",
      { class: "grid" },
      svg("path", { d: `M0 ${y(ms)}H${width}` }),
      svg("text", { x: 0, y: y(ms) - 3 }, `${ms} ms`),
    ),
  );
  const ticks = [60, 40, 20].map((second) =>
    svg(
      "text",
      { x: width - (second / 60) * width, y: HEIGHT - 3, class: "tick" },
      second === 60 ? "a minute ago" : `${second} s`,
    ),
  );
  plot.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  plot.replaceChildren(
    ...grid,
    ...ticks,
    svg("text", { x: width, y: HEIGHT - 3, class: "tick end" }, "now"),
    svg("path", { class: "floor", d: `M0 ${floor}H${width}` }),
    ...Object.keys(RUNGS).flatMap((rung) => [
      svg("path", {
        class: `bars here ${rung}`,
        d: bars(
          (mark) => mark.rung === rung,
          (mark) => mark.here,
        ),
      }),
      svg("path", {
        class: `bars ${rung}`,
        d: bars(
          (mark) => mark.rung === rung,
          (mark) => mark.server,
        ),
      }),
    ]),
    svg("path", {
      class: "bars failed",
      d: bars(
        (mark) => mark.failed,
        () => 1000,
      ),
    }),
  );
  describe(plot, now);
}

/** The same in words, and the middle and the worst of the service's own times. */
function describe(plot, now) {
  const times = marks
    .filter((mark) => !mark.failed)
    .map((mark) => mark.server)
    .sort((a, b) => a - b);
  const said = times.length
    ? `median ${milliseconds(times[times.length >> 1])}, slowest ${milliseconds(times.at(-1))}`
    : "nothing was asked";
  if (now.textContent !== said) now.textContent = said;
  plot.setAttribute("aria-label", `Latency of the last minute's ${marks.length} requests: ${said}`);
}

function showCounts() {
  chart.numbers.replaceChildren(
    ...Object.entries(counts)
      .filter(([name, count]) => name !== "failed" || count > 0)
      .map(([name, count]) =>
        el("div", { class: name }, el("dt", {}, RUNGS[name]?.name ?? "Failed"), el("dd", {}, whole(count))),
      ),
  );
}
