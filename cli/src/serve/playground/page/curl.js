// What a developer would type for what a panel does.

import { el } from "./dom.js";

/** A command for a shell. */
export function curl(method, path, body) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const parts = ["curl -s"];
  if (method !== "GET" && !(method === "POST" && body)) parts.push(`-X ${method}`);
  parts.push(quoted(location.origin + path));
  if (body) parts.push(`-H 'content-type: application/json'`, `\\\n  -d ${quoted(JSON.stringify(body))}`);
  return parts.join(" ");
}

/** A fold with commands in it; `show(texts)` changes them. */
export function curlFold(label) {
  const code = el("code", {});
  const text = el("pre", { tabindex: "0", "aria-label": `curl: ${label}` }, code);
  const copied = el("span", { class: "copied", role: "status" });
  const copy = el("button", { type: "button", class: "quiet" }, "Copy");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      copied.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(code);
      copied.textContent = "selected";
    }
    setTimeout(() => (copied.textContent = ""), 2000);
  });
  const fold = el("details", { class: "curl" }, el("summary", {}, "curl"), text, copy, copied);
  fold.show = (...commands) => {
    const all = commands.join("\n");
    if (code.textContent !== all) code.textContent = all;
  };
  return fold;
}
