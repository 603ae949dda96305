// Trouble on purpose. It is a hook of the local service alone; where there is none, nothing of this shows.

import { Refusal, call } from "./api.js";
import { curl, curlFold } from "./curl.js";
import { byId, choice, el, svg, toggle } from "./dom.js";
import { get, on, set } from "./store.js";

const PATH = "/playground/faults";
const KINDS = [
  ["unplugged", "Unplugged"],
  ["none", "Working"],
  ["cut", "Cable cut"],
  ["slow", "Too slow"],
  ["nonsense", "Nonsense"],
];
/** What the large button does next, by how the accelerator fares. */
const NEXT = {
  unplugged: ["none", "Plug in an accelerator"],
  none: ["cut", "Pull the cable"],
  cut: ["none", "Put the cable back"],
  slow: ["none", "Make it fast again"],
  nonsense: ["none", "Bring it to its senses"],
};
const SAYS = {
  unplugged: "An accelerator with the same model stands by in this process.",
  none: "It is asked first. Pull its cable, and watch the answers go on.",
  cut: "It can't be reached. After three failures nobody waits for it any more.",
  slow: "It replies when the time is over. After three failures nobody waits for it any more.",
  nonsense: "It replies with titles that don't exist. Every reply is checked before it is believed.",
};

export async function startTrouble() {
  let faults;
  try {
    faults = (await call("GET", PATH)).value;
  } catch (error) {
    if (error instanceof Refusal) return;
    setTimeout(startTrouble, 2000);
    return;
  }
  draw();
  set({ faults });
}

function draw() {
  const words = el("p", { class: "quiet says" });
  const pull = el("button", {
    type: "button",
    class: "pull",
    onclick: () => change({ accelerator: NEXT[get().faults.accelerator][0] }),
  });
  const kinds = choice("How the accelerator fares", "accelerator", KINDS, (accelerator) => change({ accelerator }));
  const store = toggle("Profile store down", false, (down) => change({ profiles: down ? "down" : "none" }));
  const problem = el("div", {});
  const fold = curlFold("making this trouble");
  const cable = draft();
  byId("cable").append(cable, pull, words);
  for (const id of ["cable", "trouble"]) byId(id).hidden = false;
  byId("trouble").append(kinds, store, problem, fold);
  on(["faults"], ({ faults }) => {
    const { accelerator, profiles } = faults;
    byId("cable").dataset.state = accelerator;
    pull.textContent = NEXT[accelerator][1];
    words.textContent = SAYS[accelerator];
    kinds.show(accelerator);
    store.setAttribute("aria-checked", String(profiles === "down"));
    fold.show(curl("PUT", PATH, faults));
  });

  async function change(changes) {
    try {
      const { value } = await call("PUT", PATH, { ...get().faults, ...changes });
      problem.replaceChildren();
      set({ faults: value });
    } catch (error) {
      const words = (error.lines?.() ?? [String(error)]).join(". ");
      problem.replaceChildren(el("p", { class: "bad", role: "alert" }, words));
      kinds.show(get().faults.accelerator);
    }
  }
}

/** The accelerator, its cable, and the socket of the service. */
function draft() {
  const line = (properties) => svg("path", { fill: "none", "stroke-linecap": "round", ...properties });
  return svg(
    "svg",
    { class: "cable", viewBox: "0 0 320 72", "aria-hidden": "true" },
    svg(
      "g",
      { class: "box" },
      svg("rect", { x: 1, y: 14, width: 60, height: 44, rx: 4 }),
      ...[26, 36, 46].map((y) => line({ d: `M12 ${y}h26M46 ${y}h4`, class: "vent" })),
    ),
    svg(
      "g",
      { class: "lead" },
      line({ class: "wire", d: "M62 36C96 36 100 52 132 50S170 36 196 36" }),
      svg(
        "g",
        { class: "plug" },
        svg("path", { d: "M196 27h16a9 9 0 0 1 0 18h-16z" }),
        line({ d: "M222 32h11M222 40h11", class: "pin" }),
      ),
    ),
    svg(
      "g",
      { class: "socket" },
      svg("rect", { x: 228, y: 22, width: 18, height: 28, rx: 3 }),
      line({ class: "wire", d: "M246 36h73" }),
    ),
    svg("g", { class: "spark" }, line({ d: "M222 14l2-8M232 16l6-6M214 16l-5-6" })),
  );
}
