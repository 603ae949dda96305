// What the page knows, and who wants to hear when it changes.

const state = {
  /** The id of the person who asks; null for a visitor, whose history stays on this page. */
  person: null,
  /** What the visitor did, oldest first: {item_id, type, title, year}. */
  picks: [],
  /** What is stored of the person, oldest first, and when it changed. */
  profile: { history: [], changed_at: null },
  /** When the profile last changed by what was done here. */
  news: null,
  /** What is wished for beside the history. */
  wishes: { k: 10, diversity: 0, genre: "", from: "", to: "", seen: false },
  /** The model that answers: {name, version, items}. */
  model: null,
  /** The names of the catalogue's genres, the most frequent first. */
  genres: [],
  /** The latest answer, with the milliseconds that this browser measured; null before the first. */
  answer: null,
  /** What is wrong on purpose; null where the service has no such route. */
  faults: null,
};
const listeners = [];

export const get = () => state;

/** Changes some of it, and tells whoever listens to any of that. */
export function set(changes) {
  Object.assign(state, changes);
  const keys = Object.keys(changes);
  for (const [wanted, hear] of listeners) {
    if (keys.some((key) => wanted.includes(key))) hear(state);
  }
}

/** Calls `hear` whenever one of the keys changes. */
export function on(keys, hear) {
  listeners.push([keys, hear]);
}

/** The kind of thing the person did with an item last: "like", …; undefined when nothing. */
export function kindOf(id) {
  const history = state.person === null ? state.picks : state.profile.history;
  return history.findLast((entry) => entry.item_id === id)?.type;
}
