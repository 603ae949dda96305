// The ladder: which rung the latest answer came from, and why it was no higher one; and the receipt in full.

import { byId, el, milliseconds, whole } from "./dom.js";
import { on } from "./store.js";

/** The rungs, the best first. */
export const RUNGS = {
  accelerator: { name: "Accelerator", from: "the accelerator", what: "A server on your own ground, asked first" },
  function: { name: "Function", from: "the function", what: "The model inside, at work on every request, in case" },
  popular: { name: "Popular", from: "what is popular", what: "What most people chose, for whoever is not known" },
};

/** What kept a rung from answering, by the receipt's codes. */
const REASONS = {
  accelerator_timeout: "no whole reply in time",
  accelerator_open: "failed before: left alone, and tried beside the requests",
  accelerator_unreachable: "can't be reached",
  accelerator_rejected: "said no",
  accelerator_invalid_output: "answered nonsense, which was thrown away",
  accelerator_insufficient: "too little was left of its list",
  no_known_history: "nothing is known of this person yet",
  function_invalid_output: "its own answer broke a rule",
  profile_unavailable: "the store of profiles is down: what was seen last stands in",
};
const RUNG_OF = { no_known_history: "function", function_invalid_output: "function" };

export function startLadder() {
  const drawn = Object.entries(RUNGS).map(([name, { name: text, what }]) => {
    const says = el("span", { class: "says" }, what);
    const time = el("span", { class: "time" });
    const element = el("li", { class: `rung ${name}` }, el("b", {}, text), time, says);
    return { name, what, element, says, time };
  });
  byId("rungs").append(...drawn.map((rung) => rung.element));
  on(["answer", "faults"], ({ answer, faults }) => {
    for (const rung of drawn) show(rung, answer?.value.receipt, faults);
    if (answer) {
      showReceipt(answer);
      showStrip(answer.value.receipt);
    }
  });
}

function show({ name, what, element, says, time }, receipt, faults) {
  const isLit = receipt?.rung === name;
  const unplugged = name === "accelerator" && faults?.accelerator === "unplugged";
  const codes = (receipt?.degraded ?? []).filter(
    (code) => code !== "profile_unavailable" && (RUNG_OF[code] ?? "accelerator") === name,
  );
  const reasons = unplugged ? [] : codes.map((code) => REASONS[code] ?? code);
  element.classList.toggle("lit", isLit);
  element.classList.toggle("failed", reasons.length > 0 && codes.some((code) => code !== "no_known_history"));
  element.classList.toggle("unplugged", unplugged);
  if (isLit) element.setAttribute("aria-current", "true");
  else element.removeAttribute("aria-current");
  says.textContent = unplugged ? "Not plugged in" : reasons.length ? reasons.join("; ") : what;
  time.textContent = isLit ? milliseconds(receipt.elapsed_ms) : "";
}

function showReceipt({ value, ms }) {
  const { receipt, request_id } = value;
  const { model, history } = receipt;
  const unknown = history.unknown ? `, ${history.unknown} unknown` : "";
  const facts = [
    ["rung", el("span", { class: `mark ${receipt.rung}` }, receipt.rung)],
    ["reason", receipt.reason ?? "none: it is the best there is"],
    [
      "degraded",
      receipt.degraded.length
        ? receipt.degraded.map((code) => el("span", { class: "code" }, `${code} `))
        : "nothing",
    ],
    ["model", [model.name, " ", model.version ?? ""]],
    ["digest", el("span", { class: "code" }, model.digest ? `${model.digest.slice(0, 16)}…` : "not said")],
    ["profile", receipt.profile],
    ["history", `${whole(history.used)} used${unknown}`],
    [
      "time",
      `${milliseconds(receipt.elapsed_ms)} of ${receipt.deadline_ms} ms; ${milliseconds(ms)} to this browser`,
    ],
    ["request", el("span", { class: "code" }, `${request_id.slice(0, 16)}…`)],
  ];
  byId("receipt").replaceChildren(
    el(
      "dl",
      { class: "receipt" },
      facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
    ),
  );
  if (receipt.degraded.includes("profile_unavailable")) {
    byId("receipt").prepend(el("p", { class: "quiet" }, `Profile: ${REASONS.profile_unavailable}.`));
  }
}

/** On a narrow screen: the rung at a glance. */
function showStrip({ rung, elapsed_ms, reason }) {
  const strip = byId("strip");
  strip.hidden = false;
  strip.dataset.rung = rung;
  strip.replaceChildren(
    el("b", {}, RUNGS[rung].name),
    el("span", {}, milliseconds(elapsed_ms)),
    el(
      "span",
      { class: "why" },
      reason && reason !== "no_known_history" ? "the accelerator is out" : "see the ladder",
    ),
  );
}
