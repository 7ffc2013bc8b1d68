// Shows the live figures of one simulation. Every question to the server stands alone, so a
// restart of anything behind it only means that an answer comes later.
import { drawPlot } from "./plot.js";

const PAUSE = 700;
const LONGEST_PAUSE = 10000;
const THIN = "\u202f";

const page = document.getElementById("simulation");
const part = (name) => page.querySelector(`[data-${name}]`);
let figures = JSON.parse(document.getElementById("live").textContent);
let pause = PAUSE;
let misses = 0;
let ended = false;
// Looks of the last few seconds, for a speed that follows what happens now.
let looks = [];

const grouped = (number) => number.toLocaleString("en").replaceAll(",", THIN);
const dash = (value, show) => (value === null || value === undefined ? "–" : show(value));

function percent(value, digits, { sign = true } = {}) {
  const text = Math.abs(value * 100).toFixed(digits) + THIN + "%";
  if (!sign) return text;
  return (value < 0 ? "−" : "+") + text;
}

function duration(seconds) {
  if (seconds < 60) return seconds.toFixed(1) + THIN + "s";
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}${THIN}min ${Math.floor(seconds % 60)}${THIN}s`;
  return `${Math.floor(minutes / 60)}${THIN}h ${minutes % 60}${THIN}min`;
}

function short(number) {
  const [size, letter] = number < 1e5 ? [1e3, "k"] : [1e6, "M"];
  return (number / size).toFixed(1) + THIN + letter;
}

function speed() {
  if (!figures.active) return figures.rounds_per_second;
  const now = performance.now();
  looks.push([now, figures.rounds_done]);
  looks = looks.filter(([when]) => now - when < 5000);
  const [[first, before]] = looks;
  if (looks.length < 3) return figures.rounds_per_second;
  return ((figures.rounds_done - before) / (now - first)) * 1000;
}

function show() {
  part("bar").value = figures.rounds_done / figures.rounds;
  part("fraction").textContent = Math.floor((figures.rounds_done / figures.rounds) * 100) + THIN + "%";
  part("rounds").textContent = grouped(figures.rounds_done);
  part("chunks").textContent = `${grouped(figures.chunks_done)} of ${grouped(figures.chunks)}`;
  part("speed").textContent = dash(speed(), short);
  part("time").textContent = dash(figures.seconds, duration);
  part("ev").textContent = dash(figures.ev, (value) => percent(value, 4));
  part("low").textContent = dash(figures.ev_95?.[0], (value) => percent(value, 4));
  part("high").textContent = dash(figures.ev_95?.[1], (value) => percent(value, 4));
  part("error").textContent = dash(figures.ev_standard_error, (value) => percent(value, 4, { sign: false }));
  part("sd").textContent = dash(figures.sd, (value) => value.toFixed(4));
  part("reason").textContent = figures.reason;
  part("reason").hidden = !figures.reason;
  showState();
  showOutcomes();
  drawPlot(part("plot"), figures);
}

function showState() {
  const badge = part("state");
  if (badge.textContent !== figures.state) {
    badge.textContent = figures.state;
    badge.className = `badge ${figures.state}`;
  }
  if (!figures.active) part("cancel")?.remove();
  const done = Math.floor((figures.rounds_done / figures.rounds) * 100);
  document.title = `${figures.active ? done + " %" : figures.state} · JOST`;
}

function showOutcomes() {
  for (const share of page.querySelectorAll("[data-share]")) {
    share.textContent = dash(figures.frequencies[share.dataset.share], (value) => (value * 100).toFixed(2));
  }
  for (const name of ["won", "pushed", "lost"]) {
    page.querySelector(`.stack .${name}`).style.width = `${(figures.frequencies[name] ?? 0) * 100}%`;
  }
}

async function ask() {
  if (document.hidden) return later();
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
  if (!misses) show();
  later();
}

function later() {
  if (ended) return;
  // Once more after the end: what ran when it was cancelled may still be counted.
  ended = !figures.active;
  setTimeout(ask, pause);
}

let width = 0;
new ResizeObserver(([entry]) => {
  if (entry.contentRect.width !== width) {
    width = entry.contentRect.width;
    drawPlot(part("plot"), figures);
  }
}).observe(part("plot"));
show();
later();
