// Keeps an open page fresh. The server's event stream, or a poll where there is none, tells that something may have
// changed; every {% live %} part then fetches itself. Nothing is asked while the tab is hidden.
const POLL_MS = 5000;
// A stream that is silent for so long is dead, whatever the browser thinks of it: heartbeats come more often.
const SILENT_MS = 45000;
// Figures are told with every tick; parts fetch themselves no more often than this.
const PARTS_MS = 3500;
// A line may be cut for so long before that is told: a stream that has had its time is opened again after three seconds.
const CUT_MS = 8000;
const body = document.body;
const root = body.dataset.root;

let source = null;
let poll = 0;
let watch = 0;
let heard = Date.now();
let asked = 0;
let fetched = 0;
let trouble = 0;
let cut = 0;
let streams = "EventSource" in window;

function start() {
  if (!root || document.hidden || source || poll) return;
  if (streams) listen();
  else beginPolling();
}

function stop() {
  if (source) source.close();
  source = null;
  clearInterval(poll);
  clearInterval(watch);
  clearTimeout(cut);
  poll = watch = cut = 0;
}

function listen() {
  asked = Date.now();
  source = new EventSource(`${root}events/`);
  source.addEventListener("open", () => say("live"));
  source.addEventListener("tick", (event) => tick(JSON.parse(event.data)));
  source.addEventListener("heartbeat", () => (heard = Date.now()));
  source.addEventListener("error", () => {
    // The browser connects again by itself, unless the server has said that it has no stream.
    if (source && source.readyState === EventSource.CLOSED) fallBack();
    else say("waiting");
  });
  watch = setInterval(() => {
    if (Date.now() - Math.max(heard, asked) < SILENT_MS) return;
    source.close();
    clearInterval(watch);
    say("waiting");
    listen();
  }, SILENT_MS / 3);
}

function fallBack() {
  stop();
  streams = false;
  start();
}

function beginPolling() {
  const ask = async () => {
    try {
      const answer = await fetch(`${root}api/pulse/`, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(2 * POLL_MS) });
      if (answer.status === 401 || answer.status === 403) {
        stop();
        tell(words()[2]);
      } else if (answer.ok) tick(await answer.json());
      else say("away");
    } catch {
      say("away");
    }
  };
  poll = setInterval(ask, POLL_MS);
  ask();
}

function tick(pulse) {
  heard = Date.now();
  say(pulse.error ? "stale" : "live", pulse.error);
  trouble = pulse.trouble;
  entitle();
  const badge = document.querySelector("[data-badge=overview]");
  if (badge) {
    badge.textContent = pulse.trouble || "";
    badge.hidden = !pulse.trouble;
  }
  for (const [name, text] of Object.entries(pulse.figures || {})) {
    for (const place of document.querySelectorAll(`[data-figure="${CSS.escape(name)}"]`)) {
      if (place.textContent !== text) place.textContent = text;
    }
  }
  if (Date.now() - fetched < PARTS_MS) return;
  fetched = Date.now();
  body.dispatchEvent(new CustomEvent("holdfast:tick", { detail: pulse }));
}

// The title says how much needs attention, also after a part has brought a title along.
function entitle() {
  const bare = document.title.replace(/^\(\d+\) /, "");
  const title = trouble ? `(${trouble}) ${bare}` : bare;
  if (document.title !== title) document.title = title;
}

// What the page says of its own freshness: nothing while it is fresh, else since when it is not, or why.
function say(state, error) {
  body.dataset.live = state;
  if (state === "live" || state === "stale") {
    clearTimeout(cut);
    cut = 0;
    tell(error && !document.querySelector("[data-tells-error]") ? error : "");
  } else if (!cut) {
    const since = heard;
    cut = setTimeout(() => {
      const [silent, again] = words();
      tell(`${silent} ${new Date(since).toLocaleTimeString()}. ${again}`);
    }, CUT_MS);
  }
}

function words() {
  return document.querySelector("[data-connection]").dataset.words.split("|");
}

function tell(text) {
  const place = document.querySelector("[data-connection]");
  if (place.textContent === (text || "")) return;
  const note = document.createElement("p");
  note.className = "note warn";
  note.textContent = text;
  place.replaceChildren(...(text ? [note] : []));
}

// -- what a part must not lose when it fetches itself ---------------------------------------------------------------

// Somebody types in it, selects text of it, or answers a question: it waits for a later tick.
function isBusy(part) {
  const focused = document.activeElement;
  if (focused && part.contains(focused) && focused.matches("input:not([type=checkbox]), textarea, select")) return true;
  const selection = document.getSelection();
  if (selection && !selection.isCollapsed && part.contains(selection.anchorNode)) return true;
  return document.querySelector("dialog[open]") !== null || part.querySelector("input[type=checkbox]:checked") !== null;
}

let kept = null;

// What the button of an action is known by in the part that comes: where it sends, and what it says.
function buttonOf(button) {
  return `${button.form.getAttribute("action")} ${button.textContent.trim()}`;
}

function isTicked(event) {
  return event.detail.requestConfig.triggeringEvent?.type === "holdfast:tick";
}

export function startLive() {
  body.addEventListener("htmx:beforeRequest", (event) => {
    if (isTicked(event) && isBusy(event.detail.elt)) event.preventDefault();
  });

  body.addEventListener("htmx:beforeSwap", (event) => {
    const part = event.detail.target;
    // Somebody has begun since it was asked for.
    if (isTicked(event) && isBusy(part)) {
      event.detail.shouldSwap = false;
      return;
    }
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    kept = {
      open: [...part.querySelectorAll("details[id][open]")].map((each) => each.id),
      shut: [...part.querySelectorAll("details[id]:not([open])")].map((each) => each.id),
      focus: focused && focused.id,
      href: focused && focused.getAttribute("href"),
      button: focused && focused.matches("form.act button") ? buttonOf(focused) : null,
    };
  });

  body.addEventListener("htmx:afterSwap", () => {
    const state = kept;
    kept = null;
    if (!state) return;
    for (const id of state.open) document.getElementById(id)?.setAttribute("open", "");
    for (const id of state.shut) document.getElementById(id)?.removeAttribute("open");
    const same = state.focus
      ? document.getElementById(state.focus)
      : state.button
        ? [...document.querySelectorAll("form.act button")].find((button) => buttonOf(button) === state.button)
        : state.href && [...document.querySelectorAll("main a")].find((link) => link.getAttribute("href") === state.href);
    if (same && document.activeElement !== same) same.focus({ preventScroll: true });
  });

  body.addEventListener("htmx:afterSettle", entitle);
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : start()));
  // A page that is left for another, and may come back from the browser's memory, holds no stream meanwhile.
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", start);
  start();
}
