// The page put together: what is asked when, and who shows it.

import { Latest, Silence, call, useKey } from "./api.js";
import { showAnswer, showProblem, showWaiting, startAnswers } from "./answer.js";
import { startBatches } from "./batch.js";
import { startBrowsing } from "./browse.js";
import { record, startChart } from "./chart.js";
import { announce, byId, el, labelled, milliseconds, whole } from "./dom.js";
import { RUNGS, startLadder } from "./ladder.js";
import { startPerson } from "./person.js";
import { get, on, set } from "./store.js";
import { startTrouble } from "./trouble.js";

/** After how many milliseconds without an answer the page says that it waits. */
const PATIENCE = 200;
/** Milliseconds before a service that can't be reached is asked again. */
const AGAIN = 2000;
/** How often, and after how many milliseconds each time, the same is asked again until a mended accelerator is tried. */
const [TRIES, TRY] = [12, 250];

const questions = new Latest();
let retry;
let tries = 0;
let faultsKnown = false;
let keyGiven = false;

/** The body of the question that the page asks now. */
export function question() {
  const { person, picks, wishes } = get();
  const body = { k: wishes.k, explain: true };
  if (person !== null) body.user_id = person;
  if (person === null && picks.length) body.history = picks.map(({ item_id, type }) => ({ item_id, type }));
  if (wishes.diversity > 0) body.diversity = wishes.diversity;
  const filters = {};
  if (wishes.genre) filters.genres_any = [wishes.genre];
  const year = {};
  if (wishes.from) year.min = Number(wishes.from);
  if (wishes.to) year.max = Number(wishes.to);
  if (wishes.from || wishes.to) filters.year = year;
  if (wishes.seen) filters.include_seen = true;
  if (Object.keys(filters).length) body.filters = filters;
  return body;
}

/** Asks, and shows what comes. What was asked before and is not answered yet is cancelled. */
async function ask() {
  clearTimeout(retry);
  const waiting = setTimeout(showWaiting, PATIENCE);
  try {
    const answered = await questions.run((signal) => call("POST", "/v1/recommendations", question(), { signal }));
    if (answered) take(answered, true);
    if (answered && get().faults?.accelerator === "none" && tries > 0 && isLeftAlone(answered)) {
      tries -= 1;
      retry = setTimeout(ask, TRY);
    }
  } catch (error) {
    failed(error, true);
  } finally {
    clearTimeout(waiting);
  }
}

/** Whether the accelerator was not asked: it is tried beside such a request, and the next one may find it well. */
const isLeftAlone = ({ value }) => value.receipt.degraded.includes("accelerator_open");

/** Asks the same once more, for the chart: one of a gentle stream, which cancels nothing. */
async function askAgain() {
  const body = JSON.stringify(question());
  try {
    const answered = await call("POST", "/v1/recommendations", JSON.parse(body));
    if (JSON.stringify(question()) === body) take(answered, false);
  } catch (error) {
    failed(error, false);
  }
}

function take({ value, ms }, isAwaited) {
  const before = get().answer?.value.receipt.rung;
  record({ rung: value.receipt.rung, server: value.receipt.elapsed_ms, here: ms });
  set({ answer: { value, ms } });
  showAnswer(value, isAwaited);
  const { rung, elapsed_ms } = value.receipt;
  if (isAwaited || before !== rung) {
    const first = value.items[0] ? `, first ${value.items[0].title ?? value.items[0].item_id}` : "";
    announce(`${value.items.length} titles from ${RUNGS[rung].from} in ${milliseconds(elapsed_ms)}${first}`);
  }
}

function failed(error, isAwaited) {
  if (error.status === 401) {
    askForKey();
    if (!keyGiven) return;
  }
  record({ failed: true });
  showProblem(error);
  if (isAwaited && error instanceof Silence) retry = setTimeout(ask, AGAIN);
}

/** A service with keys answers this page as it answers everybody: with one. */
function askForKey() {
  const place = byId("key");
  if (!place.hidden) return;
  const input = el("input", { type: "password", autocomplete: "off", spellcheck: "false" });
  const use = (event) => {
    event.preventDefault();
    useKey(input.value.trim());
    keyGiven = true;
    place.hidden = true;
    place.replaceChildren();
    begin();
  };
  place.replaceChildren(
    el(
      "form",
      { class: "notice", onsubmit: use },
      labelled("This service asks for an API key", input),
      el("button", { type: "submit" }, "Use it"),
    ),
  );
  place.hidden = false;
}

async function showFacts() {
  try {
    const { value } = await call("GET", "/v1/ready");
    const { name, version, items } = value.dependencies.model;
    set({ model: value.dependencies.model });
    const simulated = name === "demo" ? ": real films, simulated viewers" : "";
    byId("facts").replaceChildren(el("b", {}, name), ` ${version}`, el("br"), `${whole(items)} titles${simulated}`);
  } catch {
    // The answers show what is wrong.
  }
}

function begin() {
  ask();
  showFacts();
  startBrowsing();
  startBatches();
}

on(["person", "picks", "news", "wishes"], ask);
on(["faults"], ({ faults }) => {
  tries = TRIES;
  // What they were when the page opened changes no answer.
  if (faultsKnown) ask();
  faultsKnown = faults !== null;
});
startAnswers(question);
startLadder();
startChart(askAgain);
startPerson();
startTrouble();
begin();
