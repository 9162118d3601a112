// What the page asks of the platform, with the operator's token; and the stream of changes.

const ROOT = "/api/v1/fleet";
const TOKEN = "rvm-operator-token"; // gone with the tab
const SILENCE_MS = 45_000; // three keep-alives

/** A request that was not answered with success; `status` 0: no answer at all. */
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem?.message || `HTTP ${status}`);
    this.status = status;
    this.errors = problem?.errors ?? {};
  }
}

export const token = {
  get: () => sessionStorage.getItem(TOKEN) ?? "",
  set: (value) => sessionStorage.setItem(TOKEN, value),
  forget: () => sessionStorage.removeItem(TOKEN),
};

async function request(path, options = {}) {
  const headers = { Authorization: `Bearer ${token.get()}`, ...options.headers };
  let answer;
  try {
    answer = await fetch(ROOT + path, { ...options, headers, cache: "no-store" });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Refusal(0, null);
  }
  if (!answer.ok) throw new Refusal(answer.status, await answer.json().catch(() => null));
  return answer;
}

async function data(path, options) {
  const answer = await request(path, options);
  return answer.status === 204 ? null : (await answer.json()).data;
}

const send = (method) => (path, body) =>
  data(path, {
    method,
    body: JSON.stringify(body ?? {}),
    headers: { "Content-Type": "application/json" },
  });

export const api = {
  get: (path, signal) => data(path, { signal }),
  post: send("POST"),
  patch: send("PATCH"),
  put: send("PUT"),
  remove: (path) => data(path, { method: "DELETE" }),
  blob: async (path) => (await request(path)).blob(),
};

/**
 * Follow the fleet until `signal` aborts, coming back by itself.
 * hear(event): {server_time, machines: [changed…], gone: [ids…], whole: bool}.
 * state(word): "open" | "waiting" | "refused".
 */
export async function follow(hear, state, signal) {
  let failures = 0;
  while (!signal.aborted) {
    try {
      await stream((event) => {
        failures = 0;
        state("open");
        hear(event);
      }, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refusal && (error.status === 401 || error.status === 403))
        return state("refused");
    }
    if (signal.aborted) return;
    state("waiting");
    failures += 1;
    const longest = Math.min(30_000, 1000 * 2 ** failures);
    await new Promise((done) => setTimeout(done, 500 + Math.random() * longest));
  }
}

/** One stream; ends when the server ends it, or has been silent for too long. */
async function stream(hear, signal) {
  const ending = new AbortController();
  const end = () => ending.abort();
  signal.addEventListener("abort", end);
  let timer = setTimeout(end, SILENCE_MS);
  try {
    const answer = await request("/live", {
      signal: ending.signal,
      headers: { Accept: "text/event-stream" },
    });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(end, SILENCE_MS);
      const parts = (text + value).split("\n\n");
      text = parts.pop();
      for (const part of parts) {
        const lines = part.split("\n").filter((line) => line.startsWith("data: "));
        if (lines.length) hear(JSON.parse(lines.map((line) => line.slice(6)).join("\n")));
      }
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
  }
}
