// The public HTTP API, and nothing else of the service.

/** What the service said no with: RFC 9457's problem. */
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.title ?? `status ${status}`);
    this.status = status;
    this.problem = problem;
  }

  /** In words: what it says of itself, and every fault. */
  lines() {
    const { title, detail, errors = [], request_id } = this.problem;
    const faults = errors.map((fault) => `${fault.pointer}: ${fault.detail}`);
    return [
      title ?? this.message,
      ...(faults.length ? faults : [detail]),
      request_id && `request ${request_id}`,
    ].filter(Boolean);
  }
}

/** Nobody answered. */
export class Silence extends Error {
  lines() {
    return ["The service can't be reached", "It may have been stopped; this page asks again."];
  }
}

let key = null;

/** Uses an API key from now on. It is kept nowhere. */
export function useKey(text) {
  key = text;
}

/** Sends a request. Gives the answer and how many milliseconds it took; fails with `Refusal`, `Silence`, or as `signal`. */
export async function call(method, path, body, { signal, headers = {} } = {}) {
  const started = performance.now();
  const content = await send(method, path, body, headers, signal);
  const ms = performance.now() - started;
  return { value: json(200, content), ms };
}

/** What a path holds, as text. */
export const text = (path) => send("GET", path, undefined, { accept: "*/*" });

async function send(method, path, body, more, signal) {
  const headers = { accept: "application/json", ...more };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (key) headers.authorization = `Bearer ${key}`;
  let response, content;
  try {
    response = await fetch(path, {
      method,
      headers,
      signal,
      cache: "no-store",
      body: body && JSON.stringify(body),
    });
    content = await response.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Silence();
  }
  if (!response.ok) throw new Refusal(response.status, json(response.status, content));
  return content;
}

function json(status, content) {
  try {
    return JSON.parse(content);
  } catch {
    throw new Refusal(status, { title: "An answer that is no JSON", detail: content.slice(0, 200) });
  }
}

/** Questions of which the latest alone matters: asking again cancels what was asked before. */
export class Latest {
  #controller = null;

  /** Forgets what was asked. */
  cancel() {
    this.#controller?.abort();
  }

  /** Runs `ask(signal)`; gives undefined when something newer was asked meanwhile. */
  async run(ask) {
    this.#controller?.abort();
    const controller = (this.#controller = new AbortController());
    try {
      const outcome = await ask(controller.signal);
      return controller.signal.aborted ? undefined : outcome;
    } catch (error) {
      if (controller.signal.aborted) return undefined;
      throw error;
    }
  }
}
