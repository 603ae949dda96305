// Who asks: a visitor, whose history stays on this page, or a person, whose history is kept by the service.

import { Latest, call } from "./api.js";
import { curl, curlFold } from "./curl.js";
import { byId, choice, el, labelled, whole } from "./dom.js";
import { knows, name, showFewer, showHistory } from "./history.js";
import { get, on, set } from "./store.js";

/** How often a new event is looked for in the profile, and after how many milliseconds each time. */
const [LOOKS, LOOK] = [60, 50];

const reads = new Latest();
let panel;

/** The person did something with an item. Doing it again takes it back, for a visitor; what is stored stays stored. */
export async function did(item, type) {
  knows(item);
  const { person, picks } = get();
  if (person !== null) return post([{ item, type }]);
  const before = picks.find((pick) => pick.item_id === item.item_id);
  const others = picks.filter((pick) => pick !== before);
  set({ picks: before?.type === type ? others : [...others, { ...item, type }] });
}

export function startPerson() {
  const who = choice(
    "Who is asking",
    "who",
    [
      ["visitor", "A visitor"],
      ["person", "A person"],
    ],
    (value) => {
      panel.form.hidden = value === "visitor";
      if (value === "visitor") become(null);
      else panel.id.focus();
    },
  );
  const id = el("input", { type: "text", autocomplete: "off", spellcheck: "false", autocapitalize: "off" });
  const take = (event) => {
    event.preventDefault();
    if (id.value.trim()) become(id.value.trim());
  };
  const form = el(
    "form",
    { class: "who", onsubmit: take },
    labelled("User id", id),
    el("button", { type: "submit" }, "Be them"),
    el("button", { type: "button", onclick: invent }, "Invent one"),
  );
  form.hidden = true;
  const hint = el("p", { class: "quiet" });
  const problem = el("div", {});
  const history = el("ul", { class: "history", "aria-label": "History, newest first" });
  const foot = el("div", { class: "foot" });
  const fold = curlFold("this person");
  panel = { who, id, form, hint, problem, history, foot, fold };
  who.show("visitor");
  byId("person").append(who, form, hint, problem, history, foot, fold);
  on(["person", "picks", "profile"], show);
  on(["model"], ({ model }) => {
    if (model.name === "demo") id.placeholder = "demo-0007";
  });
  show();
}

function show() {
  const { person, picks, profile } = get();
  const entries = (person === null ? picks : profile.history).toReversed();
  const { hint, history, foot, fold } = panel;
  if (person === null) {
    hint.textContent = picks.length
      ? "Sent with each question, and kept nowhere."
      : "Nobody is known yet. Like a title below, or one of the answers.";
    foot.replaceChildren(
      ...(picks.length
        ? [el("button", { type: "button", class: "quiet", onclick: () => set({ picks: [] }) }, "Clear")]
        : []),
    );
    fold.hidden = true;
  } else {
    hint.textContent = entries.length
      ? `${person}: ${whole(entries.length)} titles are stored, and each answer starts from them.`
      : `Nothing is stored of ${person}. Like something, and it will be.`;
    foot.replaceChildren(...(entries.length ? erasing(person) : []));
    fold.hidden = false;
    const event = { events: [{ user_id: person, item_id: entries[0]?.item_id ?? "ITEM", type: "like" }] };
    const path = `/v1/users/${encodeURIComponent(person)}`;
    fold.show(curl("POST", "/v1/events", event), curl("GET", path), curl("DELETE", path));
  }
  showHistory(history, foot, entries, person === null);
}

/** A person who isn't known; what the visitor picked becomes theirs. */
async function invent() {
  const number = crypto.getRandomValues(new Uint16Array(1))[0].toString(16).padStart(4, "0");
  const picks = get().picks.map((pick) => ({ item: pick, type: pick.type }));
  panel.id.value = `guest-${number}`;
  await become(panel.id.value);
  if (picks.length) await post(picks);
}

async function become(person) {
  panel.problem.replaceChildren();
  showFewer();
  set({ person, profile: { history: [], changed_at: null } });
  if (person !== null) await read();
}

/** Reads what is stored; `isNews` where the answers are expected to change with it. */
async function read(isNews = false) {
  const { person } = get();
  try {
    const found = await reads.run((signal) =>
      call("GET", `/v1/users/${encodeURIComponent(person)}`, undefined, { signal }),
    );
    if (!found || get().person !== person) return undefined;
    await name(found.value.history);
    const isNew = JSON.stringify(found.value.history) !== JSON.stringify(get().profile.history);
    if (get().person === person && isNew)
      set({ profile: found.value, ...(isNews ? { news: found.value.changed_at } : {}) });
    return found.value;
  } catch (error) {
    complain(error, () => read(isNews));
    return undefined;
  }
}

/** Sends events, and waits until the profile has them. The ids make it harmless to send them again. */
async function post(deeds) {
  const { person } = get();
  const events = deeds.map(({ item, type }) => ({
    event_id: `playground-${crypto.randomUUID()}`,
    user_id: person,
    item_id: item.item_id,
    type,
  }));
  const send = async () => {
    panel.problem.replaceChildren();
    try {
      const { value } = await call("POST", "/v1/events", { events });
      if (value.rejected.length)
        return complain({ lines: () => ["Not kept", ...value.rejected.map((one) => one.detail)] });
      for (let look = 0; look < LOOKS && get().person === person; look += 1) {
        const profile = await read(true);
        if (!profile) return undefined;
        if (events.every(({ event_id }) => profile.history.some((entry) => entry.event_id === event_id)))
          return undefined;
        await new Promise((resolve) => setTimeout(resolve, LOOK));
      }
    } catch (error) {
      complain(error, send);
    }
    return undefined;
  };
  return send();
}

/** Two steps, so that nobody is erased by a slip. */
function erasing(person) {
  const ask = el(
    "button",
    {
      type: "button",
      class: "quiet",
      onclick: () => {
        const sure = el(
          "button",
          { type: "button", class: "danger", onclick: () => erase(person) },
          `Erase all of ${person}`,
        );
        panel.foot.replaceChildren(sure, el("button", { type: "button", class: "quiet", onclick: show }, "Keep"));
        sure.focus();
      },
    },
    "Erase this person",
  );
  return [ask];
}

async function erase(person) {
  // It takes a moment: what was kept is overwritten, not only left out.
  panel.foot.replaceChildren(el("button", { type: "button", class: "danger", disabled: true }, "Erasing…"));
  try {
    const { value } = await call("DELETE", `/v1/users/${encodeURIComponent(person)}`);
    const { events, profiles } = value.removed;
    set({ profile: { history: [], changed_at: null }, news: value.erased_until });
    panel.problem.replaceChildren(
      el(
        "p",
        { class: "notice", role: "status" },
        `Erased: ${plural(events, "event")} and ${plural(profiles, "profile")}.`,
      ),
    );
    panel.id.focus();
  } catch (error) {
    show();
    complain(error, () => erase(person));
  }
}

function complain(error, again) {
  const [title, ...details] = error.lines?.() ?? ["This page has a fault", String(error)];
  panel.problem.replaceChildren(
    el(
      "div",
      { class: "notice bad", role: "alert" },
      el("b", {}, title),
      details.map((detail) => el("p", {}, detail)),
      again &&
        el(
          "button",
          {
            type: "button",
            onclick: () => {
              panel.problem.replaceChildren();
              again();
            },
          },
          "Try again",
        ),
    ),
  );
  panel.problem.scrollIntoView({ block: "nearest" });
}

const plural = (count, noun) => `${whole(count)} ${noun}${count === 1 ? "" : "s"}`;
