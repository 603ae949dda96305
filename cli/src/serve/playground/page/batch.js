// A file of people, scored in the background: progress, and the results to keep.

import { call, text } from "./api.js";
import { curl, curlFold } from "./curl.js";
import { byId, el, titleOf, whole } from "./dom.js";

const PATH = "/v1/batches";
/** Most people of one request; more are for a file on the service's side. */
const PEOPLE = 1000;
/** How many people are made up, and how many popular titles they like each. */
const [INVENTED, LIKED] = [200, 3];
/** Milliseconds between two looks. */
const LOOK = 300;
/** How many answers are shown, and how many titles of each. */
const [SHOWN, TITLES] = [5, 3];
const FINAL = ["succeeded", "failed", "cancelled"];

let panel;

export function startBatches() {
  const file = el("input", { type: "file", id: "batch-file", accept: ".jsonl,.ndjson,.json,.txt,.csv" });
  const drop = el(
    "div",
    { class: "drop" },
    el("label", { for: "batch-file" }, "Drop a file of people here, or choose one"),
    file,
    el(
      "p",
      { class: "quiet" },
      `JSON Lines, each a person as the recommendations take it, or one user id a line; at most ${whole(PEOPLE)}.`,
    ),
    el("button", { type: "button", onclick: () => invented().then(start, complain) }, `Invent ${INVENTED} people`),
  );
  file.addEventListener("change", () => take(file.files[0]));
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    take(event.dataTransfer.files[0]);
  });
  const progress = el("div", { class: "run", role: "status" });
  const results = el("div", {});
  const fold = curlFold("this batch");
  panel = { progress, results, fold };
  fold.show(curl("POST", PATH, { people: [{ user_id: "ada" }, { history: ["ITEM"], k: 5 }] }));
  byId("batch-body").append(drop, el("div", {}, progress, results, fold));
}

async function take(file) {
  if (!file) return;
  try {
    await start(people(await file.text()));
  } catch (error) {
    complain(error);
  }
}

/** The people of a file's text. */
function people(content) {
  const lines = content
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
  if (lines.length === 0) throw new Error("The file is empty.");
  if (lines.length > PEOPLE)
    throw new Error(`The file has ${whole(lines.length)} lines; a request takes ${whole(PEOPLE)} people.`);
  return lines.map((line, index) => {
    if (!line.startsWith("{")) return { user_id: line };
    try {
      return JSON.parse(line);
    } catch {
      throw new Error(`Line ${index + 1} of the file is no JSON.`);
    }
  });
}

async function invented() {
  const { value } = await call("GET", "/v1/popular?k=200");
  const some = () => value.items[Math.floor(Math.random() * value.items.length)].item_id;
  return Array.from({ length: INVENTED }, () => ({ history: [...new Set(Array.from({ length: LIKED }, some))] }));
}

async function start(all) {
  panel.results.replaceChildren();
  panel.progress.replaceChildren(`${whole(all.length)} people are sent`);
  const headers = { "idempotency-key": crypto.randomUUID() };
  const { value } = await call("POST", PATH, { people: all }, { headers });
  panel.fold.show(
    curl("POST", PATH, { people: all.slice(0, 2) }),
    curl("GET", `${PATH}/${value.batch_id}`),
    curl("GET", `${PATH}/${value.batch_id}/results`),
  );
  await follow(value);
}

async function follow(batch) {
  const bar = el("progress", { max: 1, value: 0, "aria-label": "Progress of the batch" });
  const words = el("p", {});
  const cancel = el(
    "button",
    { type: "button", class: "quiet", onclick: () => call("DELETE", `${PATH}/${batch.batch_id}`).catch(complain) },
    "Cancel",
  );
  panel.progress.replaceChildren(bar, words, cancel);
  let current = batch;
  for (;;) {
    const { rows, errors, total } = current.progress;
    bar.max = total || 1;
    bar.value = current.state === "succeeded" ? bar.max : rows;
    const done = total ? `${whole(rows)} of ${whole(total)}` : whole(rows);
    words.textContent = `${current.state}: ${done}${errors ? `, ${whole(errors)} with errors` : ""}`;
    if (FINAL.includes(current.state)) break;
    await new Promise((resolve) => setTimeout(resolve, LOOK));
    current = (await call("GET", `${PATH}/${batch.batch_id}`)).value;
  }
  cancel.remove();
  if (current.reason) words.append(`. ${current.reason.detail}`);
  if (current.state === "succeeded") await show(current.batch_id);
}

async function show(id) {
  const content = await text(`${PATH}/${id}/results`);
  const url = URL.createObjectURL(new Blob([content], { type: "application/x-ndjson" }));
  const lines = content
    .split("\n")
    .filter(Boolean)
    .slice(0, SHOWN)
    .map((line) => JSON.parse(line));
  const count = whole(content.split("\n").filter(Boolean).length);
  panel.results.replaceChildren(
    el("a", { href: url, download: `${id}.jsonl`, class: "download" }, `Download the ${count} answers`),
    el(
      "ul",
      { class: "history" },
      lines.map(({ input, output, error }) =>
        el(
          "li",
          {},
          el("span", { class: "meta" }, input.user_id ?? `somebody, by ${input.history?.length ?? 0} titles`),
          el(
            "span",
            { class: "title" },
            error ? error.detail : output.items.slice(0, TITLES).map(titleOf).join(", "),
          ),
        ),
      ),
    ),
  );
}

function complain(error) {
  const [title, ...details] = error.lines?.() ?? [error.message];
  panel.progress.replaceChildren();
  panel.results.replaceChildren(
    el(
      "div",
      { class: "notice bad", role: "alert" },
      el("b", {}, title),
      details.slice(0, 6).map((detail) => el("p", {}, detail)),
    ),
  );
}
