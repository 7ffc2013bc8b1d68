// Shows the live figures of one simulation. Every question to the server stands alone, so a
// restart of anything behind it only means that an answer comes later.
import { drawAll, redraw, specOf } from "./plots.js";
import { dash, duration, grouped, percent, short } from "./words.js";

const PAUSE = 700;
const LONGEST_PAUSE = 10000;
// The parts below the running estimate change slowly and cost more.
const ANSWER_EVERY = 5;

const page = document.getElementById("simulation");
const part = (name) => page.querySelector(`[data-${name}]`);
let figures = JSON.parse(document.getElementById("live").textContent);
let pause = PAUSE;
let misses = 0;
let looked = 0;
// Parts to fetch: one that the reader is in waits until he has left it.
const stale = new Set();
// Looks of the last few seconds, for a speed that follows what happens now.
let looks = [];

function speed() {
  if (!figures.active) return figures.rounds_per_second;
  const now = performance.now();
  looks.push([now, figures.rounds_done]);
  looks = looks.filter(([when]) => now - when < 5000);
  const [[first, before]] = looks;
  if (looks.length < 3) return figures.rounds_per_second;
  return ((figures.rounds_done - before) / (now - first)) * 1000;
}

function say(name, text) {
  const place = part(name);
  if (place && place.textContent !== text) place.textContent = text;
}

function show() {
  part("bar").value = figures.fraction;
  say("fraction", Math.floor(figures.fraction * 100) + "\u202f%");
  // A target that is reached leaves fewer than were asked for.
  for (const place of page.querySelectorAll("[data-total]")) place.textContent = grouped(figures.rounds);
  say("total-plain", String(figures.rounds));
  say("rounds", grouped(figures.rounds_done));
  say("chunks", `${grouped(figures.chunks_done)} of ${grouped(figures.chunks)}`);
  say("speed", dash(speed(), short));
  say("counting", `${figures.counting} ${figures.counting === 1 ? "chunk" : "chunks"}`);
  say("time", dash(figures.seconds, duration));
  say("ev", dash(figures.ev, (value) => percent(value, 4)));
  say("low", dash(figures.ev_95?.[0], (value) => percent(value, 4)));
  say("high", dash(figures.ev_95?.[1], (value) => percent(value, 4)));
  say("reach", dash(figures.reach, (value) => percent(value, 4, { sign: false })));
  say("error", dash(figures.ev_standard_error, (value) => percent(value, 4, { sign: false })));
  say("sd", dash(figures.sd, (value) => value.toFixed(4)));
  say("state", figures.state);
  part("state").className = `badge ${figures.state}`;
  document.title = `${figures.active ? Math.floor(figures.fraction * 100) + " %" : figures.state} · JOST`;
  showConvergence();
}

function showConvergence() {
  const figure = page.querySelector("figure[data-convergence]");
  const spec = figure && specOf(figure);
  if (!spec) return;
  const { points } = figures;
  const column = (place) => points.map((point) => point[place]);
  const [line] = spec.series;
  const known = line.values.length === points.length && spec.x.values.at(-1) === points.at(-1)?.[0];
  if (known && spec.series.length > 1 === Boolean(page.querySelector("[data-exact-ev]"))) return;
  const counted = points.at(-1)?.[0] ?? 0;
  // The beginning of a long simulation would be a line at the left edge.
  const to = figures.active ? Math.min(figures.rounds, counted * 3) : counted;
  const series = [{ ...line, values: column(1), low: column(2), high: column(3) }];
  const exact = page.querySelector("[data-exact-ev]")?.dataset.exactEv;
  if (exact) series.push({ label: "Exact", values: points.map(() => Number(exact)), scale: "y", style: "line", colour: "other", dashed: true });
  redraw(figure, { x: { ...spec.x, values: column(0), to }, series });
}

// Fetches a part that the server writes; what the reader has opened stays open.
async function fetchPart(name) {
  const place = part(name);
  const answer = await fetch(place.dataset.url, { signal: AbortSignal.timeout(30000) });
  if (!answer.ok || answer.redirected) return;
  const html = await answer.text();
  if (place.contains(document.activeElement)) return;
  stale.delete(name);
  const open = new Set([...place.querySelectorAll("details[open]")].map((each) => each.dataset.name));
  place.innerHTML = html;
  for (const each of place.querySelectorAll("details")) each.open ||= open.has(each.dataset.name);
  await drawAll(place);
}

async function ask() {
  if (document.hidden) return later();
  const before = figures;
  try {
    const answer = await fetch(page.dataset.live, { signal: AbortSignal.timeout(10000) });
    if (!answer.ok) throw new Error(answer.status);
    // To the login page: the session has ended.
    if (answer.redirected) return location.reload();
    figures = await answer.json();
    pause = PAUSE;
    misses = 0;
  } catch {
    misses += 1;
    looks = [];
    pause = Math.min(pause * 1.5, LONGEST_PAUSE);
  }
  // One lost answer is not worth a word.
  part("lost").hidden = misses < 2;
  if (!misses) await changed(before);
  later();
}

async function changed(before) {
  show();
  looked += 1;
  // The buttons are those of a state.
  if (before.state !== figures.state) for (const name of ["moves", "answer", "exact"]) stale.add(name);
  if (before.rounds_done !== figures.rounds_done) for (const name of ["answer", "exact"]) stale.add(name);
  const slow = figures.active && looked % ANSWER_EVERY;
  for (const name of [...stale]) {
    if (slow && name !== "moves") continue;
    // It comes with a later look.
    await fetchPart(name).catch(() => {});
  }
}

function later() {
  // A paused one may be resumed elsewhere, a finished one extended: look now and then.
  setTimeout(ask, figures.active ? pause : LONGEST_PAUSE);
}

async function begin() {
  await drawAll(page);
  show();
  later();
  await fetchPart("exact").catch(() => {});
  showConvergence();
}

begin();
