// Draws every <figure data-chart="id"> from the JSON in the script with that id; see holdfast/console/charts.py for its
// shape. The same figures stand below the drawing as a table, for who cannot see it and for who wants the numbers.

// Numbers are written as on the rest of the page.
const LANGUAGE = document.documentElement.lang || undefined;
const HEIGHT = 220;
const COLOURS = { good: "--good", bad: "--bad", warn: "--warn", main: "--info", quiet: "--quiet", other: "--accent" };
const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3]];
const drawn = new Map();

export function drawAll(within = document) {
  for (const figure of within.querySelectorAll("figure[data-chart]")) draw(figure);
  for (const figure of drawn.keys()) if (!figure.isConnected) forget(figure);
}

export function draw(figure) {
  const script = document.getElementById(figure.dataset.chart);
  if (!script) return;
  const before = drawn.get(figure);
  if (before && before.text === script.textContent) return;
  const spec = JSON.parse(script.textContent);
  if (before && sameShape(before.spec, spec)) update(before, spec, script.textContent);
  else begin(figure, spec, script.textContent);
}

function sameShape(one, other) {
  return one.kind === other.kind && one.unit === other.unit && names(one) === names(other) && !isEmpty(one) && !isEmpty(other);
}

const names = (spec) => spec.series.map((each) => each.label).join("\n");
const isEmpty = (spec) => spec.series.every((each) => each.values.every((value) => !value));

function begin(figure, spec, text) {
  forget(figure);
  const place = document.createElement("div");
  place.className = `chart-place chart-${spec.kind}`;
  const chart = { figure, spec, text, place, plot: null, asked: Date.now() };
  drawn.set(figure, chart);
  figure.replaceChildren(place, table(chart));
  if (isEmpty(spec)) {
    const none = document.createElement("p");
    none.className = "chart-empty muted";
    none.textContent = spec.words.empty;
    place.append(none);
    return;
  }
  plot(chart);
  chart.observer = new ResizeObserver(() => {
    if (chart.plot && place.clientWidth) chart.plot.setSize({ width: place.clientWidth, height: HEIGHT });
  });
  chart.observer.observe(place);
}

function update(chart, spec, text) {
  chart.spec = spec;
  chart.text = text;
  chart.plot.setData(data(spec));
  if (chart.rows?.open) fill(chart);
}

function forget(figure) {
  const chart = drawn.get(figure);
  chart?.observer?.disconnect();
  chart?.plot?.destroy();
  drawn.delete(figure);
}

function plot(chart) {
  chart.plot?.destroy();
  const { spec, place, figure } = chart;
  chart.plot = new window.uPlot(options(chart), data(spec), place);
  const canvas = place.querySelector("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", [figure.getAttribute("aria-label"), spec.says].filter(Boolean).join(". "));
}

// In a stack each line lies on those before it, and the highest is drawn first, behind the others.
function data(spec) {
  const values = spec.series.map((each) => each.values);
  if (spec.kind !== "stack") return [spec.x, ...values];
  const sums = [];
  values.forEach((line, place) => sums.push(line.map((value, n) => (value || 0) + (place ? sums[place - 1][n] : 0))));
  return [spec.x, ...sums.reverse()];
}

function options(chart) {
  const { spec, place } = chart;
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const grid = { stroke: colour("--line"), width: 1 };
  const axis = { stroke: colour("--quiet"), grid, ticks: { ...grid, size: 4 }, font: `12px ${colour("--font")}` };
  const stacked = spec.kind === "stack";
  const lines = spec.series.map((each, n) => line(chart, each, n, colour));
  return {
    width: place.clientWidth || 600,
    height: HEIGHT,
    cursor: { y: false, points: { show: !stacked } },
    scales: { x: { time: true }, y: { range: (_plot, _low, high) => [0, high ? high * 1.08 : 1] } },
    legend: { live: true },
    axes: [{ ...axis, values: (_plot, ticks, _axis, _space, step) => ticks.map((at) => mark(at, step)) }, { ...axis, size: 64, values: (_plot, ticks) => ticks.map((each) => short(each, spec.unit)) }],
    series: [{ label: spec.words.time, value: (_plot, at) => (at == null ? "–" : moment(at)) }, ...(stacked ? lines.reverse() : lines)],
  };
}

function line(chart, series, place, colour) {
  const { kind, unit } = chart.spec;
  const stroke = colour(COLOURS[series.color] || COLOURS.main);
  const shape = {
    label: series.label,
    stroke,
    // Of the figures, not of the drawing: in a stack these differ.
    value: (_plot, _drawn, _series, at) => (at == null ? "–" : long(chart.spec.series[place].values[at], unit)),
  };
  if (kind === "stack") return { ...shape, fill: stroke, width: 0, points: { show: false }, paths: window.uPlot.paths.bars({ size: [0.85, 24] }) };
  return { ...shape, width: 2, dash: DASHES[place % DASHES.length], spanGaps: false, points: { size: 5, show: true, filter: alone } };
}

// A line needs two neighbours: which values have none, and would not be seen.
function alone(plot, place) {
  const values = plot.data[place];
  return values.flatMap((value, at) => (value != null && values[at - 1] == null && values[at + 1] == null ? [at] : []));
}

// -- words --------------------------------------------------------------------------------------------------------

const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"], [0.001, "ms"], [0.000001, "µs"]];

function short(value, unit) {
  if (value == null) return "";
  if (unit === "seconds") return value === 0 ? "0" : seconds(value);
  if (unit === "share") return `${Math.round(value * 100)} %`;
  return new Intl.NumberFormat(LANGUAGE, { notation: "compact", maximumFractionDigits: 1 }).format(value);
}

function long(value, unit) {
  if (value == null) return "–";
  if (unit === "seconds") return seconds(value);
  if (unit === "share") return `${Math.round(value * 100)} %`;
  return new Intl.NumberFormat(LANGUAGE, { maximumFractionDigits: 2 }).format(value);
}

function seconds(value) {
  const [size, name] = UNITS.find(([size]) => value >= size) || UNITS.at(-1);
  return `${new Intl.NumberFormat(LANGUAGE, { maximumSignificantDigits: 3 }).format(value / size)} ${name}`;
}

// Of an axis, in the viewer's zone.
function mark(at, step) {
  const moment = new Date(at * 1000);
  if (step >= 86400) return moment.toLocaleDateString(undefined, { month: "short", day: "numeric" });
  return moment.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

function moment(at) {
  return new Date(at * 1000).toLocaleString(undefined, { dateStyle: "short", timeStyle: "short" });
}

// -- the same as a table ------------------------------------------------------------------------------------------

function table(chart) {
  const rows = document.createElement("details");
  rows.className = "chart-table";
  const title = document.createElement("summary");
  title.textContent = chart.spec.words.table;
  rows.append(title);
  rows.addEventListener("toggle", () => rows.open && fill(chart));
  chart.rows = rows;
  return rows;
}

function fill(chart) {
  const { spec, rows, figure } = chart;
  const box = document.createElement("div");
  box.className = "table-wrap";
  box.tabIndex = 0;
  const made = document.createElement("table");
  made.className = "list";
  made.createCaption().textContent = figure.getAttribute("aria-label") || "";
  const head = made.createTHead().insertRow();
  for (const label of [spec.words.time, ...spec.series.map((each) => each.label)]) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = label;
    head.append(cell);
  }
  const lines = made.createTBody();
  // The latest first: that is what is looked for.
  for (let n = spec.x.length - 1; n >= 0; n--) {
    const row = lines.insertRow();
    put(row, spec.words.time, moment(spec.x[n]));
    for (const each of spec.series) put(row, each.label, long(each.values[n], spec.unit));
  }
  box.append(made);
  rows.querySelector(".table-wrap")?.remove();
  rows.append(box);
}

function put(row, label, text) {
  const cell = row.insertCell();
  cell.dataset.label = label;
  cell.textContent = text;
}

// -- staying true -------------------------------------------------------------------------------------------------

const asking = new Map();

// Charts that have the same source ask for it once.
function ask(url) {
  if (!asking.has(url)) {
    const answer = fetch(url, { headers: { Accept: "application/json" } }).then((got) => (got.ok ? got.json() : null));
    asking.set(url, answer.catch(() => null).finally(() => asking.delete(url)));
  }
  return asking.get(url);
}

// A chart that says where its data comes from asks for it again, not with every tick.
async function refresh(chart) {
  const { url, key, seconds: every } = chart.spec.refresh;
  if (Date.now() - chart.asked < every * 1000) return;
  chart.asked = Date.now();
  const answer = await ask(url);
  if (!answer || !chart.figure.isConnected) return;
  const spec = key.split(".").reduce((found, name) => found?.[name], answer);
  const script = document.getElementById(chart.figure.dataset.chart);
  if (!spec || !script) return;
  script.textContent = JSON.stringify(spec);
  draw(chart.figure);
}

function redraw() {
  for (const chart of drawn.values()) if (chart.plot) plot(chart);
}

function load() {
  if (window.uPlot) return Promise.resolve();
  return new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = new URL("../vendor/uPlot.iife.min.js", import.meta.url);
    script.onload = done;
    script.onerror = failed;
    document.head.append(script);
  });
}

export async function startCharts() {
  if (!document.querySelector("figure[data-chart]")) return;
  await load();
  drawAll();
  document.body.addEventListener("holdfast:tick", () => {
    for (const chart of [...drawn.values()]) if (chart.spec.refresh) refresh(chart);
  });
  document.body.addEventListener("htmx:afterSettle", () => drawAll());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
}
