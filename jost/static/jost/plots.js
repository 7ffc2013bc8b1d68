// Draws every <figure data-plot="id"> from the JSON in the script with that id; see views/plots.py for its shape. The same
// figures stand below the drawing as a table, for who cannot see it and for who wants the numbers.
import { byUnit, shortByUnit } from "./words.js";

const COLOURS = { main: "--accent", other: "--plot-other", quiet: "--middle", bad: "--bad" };
const drawn = new Map();

export async function drawAll(within = document) {
  const figures = [...within.querySelectorAll("figure[data-plot]")];
  if (figures.length) await load();
  for (const [figure, plot] of drawn) if (!figure.isConnected) forget(figure, plot);
  for (const figure of figures) draw(figure);
}

// Draws a figure again whose figures have changed.
export function redraw(figure, spec) {
  const plot = drawn.get(figure);
  if (plot) begin(figure, Object.assign(plot.spec, spec));
}

export const specOf = (figure) => drawn.get(figure)?.spec;

function draw(figure) {
  if (drawn.has(figure)) return;
  const script = document.getElementById(figure.dataset.plot);
  begin(figure, JSON.parse(script.textContent));
}

function begin(figure, spec) {
  const place = figure.querySelector(".plot-place");
  const before = drawn.get(figure);
  before?.made?.destroy();
  const plot = { spec, place, made: null, observer: before?.observer };
  drawn.set(figure, plot);
  place.replaceChildren();
  if (isEmpty(spec)) {
    const none = document.createElement("p");
    none.className = "empty";
    none.textContent = spec.empty;
    place.append(none);
  } else {
    plot.made = new window.uPlot(options(spec, place), columns(spec), place);
    const canvas = place.querySelector("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", spec.says || figure.querySelector("figcaption")?.textContent || "");
  }
  if (!plot.observer) {
    plot.observer = new ResizeObserver(() => resize(figure));
    plot.observer.observe(place);
  }
  offerPicture(figure);
}

function resize(figure) {
  const { made, place } = drawn.get(figure) ?? {};
  if (made && place.clientWidth && place.clientWidth !== made.width) made.setSize(size(place));
}

function forget(figure, { made, observer }) {
  observer?.disconnect();
  made?.destroy();
  drawn.delete(figure);
}

const size = (place) => ({ width: place.clientWidth || 600, height: Math.min(330, Math.max(240, innerWidth * 0.3)) });
const isEmpty = (spec) => spec.x.values.length < (spec.least ?? 1);
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// -- what uPlot is told ---------------------------------------------------------------------------------------------

// A series with ends becomes three columns: its value, then its low and high end.
function columns(spec) {
  const lines = spec.series.flatMap((each) => (each.low ? [each.values, each.low, each.high] : [each.values]));
  return [spec.x.values, ...lines];
}

function options(spec, place) {
  const axis = axisStyle();
  const series = [{ label: spec.x.label, value: (_plot, value) => at(spec, value) }];
  const bands = [];
  const hooks = [];
  for (const each of spec.series) addSeries(each, { spec, series, bands, hooks });
  const scales = { x: xScale(spec) };
  const axes = [{ ...axis, values: (_plot, ticks) => ticks.map((tick) => mark(spec, tick)), ...xAxis(spec) }];
  for (const [name, scale] of Object.entries(spec.scales)) {
    scales[name] = { range: scaleRange(spec, name, scale) };
    axes.push({ ...axis, scale: name, side: scale.right ? 1 : 3, size: scale.right ? 52 : 64, grid: scale.right ? { show: false } : axis.grid, values: (_plot, ticks) => ticks.map((tick) => shortByUnit(tick, scale.unit, ticks)) });
  }
  return { ...size(place), scales, axes, series, bands, hooks: { draw: hooks }, cursor: { y: false }, legend: { live: true } };
}

function axisStyle() {
  const grid = { stroke: style("--line"), width: 1 };
  return { stroke: style("--quiet"), grid, ticks: { ...grid, size: 4 }, font: "12px system-ui, sans-serif" };
}

function xScale(spec) {
  const { values, labels, from } = spec.x;
  if (labels || spec.x.discrete) return { time: false, range: [values[0] - 0.6, values.at(-1) + 0.6] };
  return { time: false, range: (_plot, low, high) => [from ?? low, spec.x.to ?? high] };
}

function xAxis(spec) {
  const { values, labels, discrete } = spec.x;
  if (!labels && !discrete) return {};
  // As many names as there is room for, each in full.
  return { splits: (plot) => values.filter((_, place) => place % Math.ceil((values.length * (labels ? 62 : 38)) / plot.width) === 0) };
}

const at = (spec, value) => (value == null ? "–" : spec.x.labels ? spec.x.labels[value] : byUnit(value, spec.x.unit));
const mark = (spec, tick) => (spec.x.labels ? (spec.x.labels[tick] ?? "") : shortByUnit(tick, spec.x.unit, [tick]));

function addSeries(each, { spec, series, bands, hooks }) {
  const stroke = style(COLOURS[each.colour] ?? COLOURS.main);
  const unit = spec.scales[each.scale].unit;
  const place = series.length;
  const value = (plot, number, _series, index) => (number == null ? "–" : byUnit(number, unit) + ends(each, index, unit));
  const own = { label: each.label, stroke, scale: each.scale, value, dash: each.dashed ? [6, 4] : [] };
  if (each.style === "bars") Object.assign(own, { fill: stroke + "66", width: 1, paths: window.uPlot.paths.bars({ size: [0.8, 60] }), points: { show: false } });
  else if (each.style === "points") Object.assign(own, { width: 0, paths: () => null, points: { show: true, size: 7, fill: stroke } });
  else Object.assign(own, { width: each.thin ? 1 : 2.2, points: { show: false } });
  series.push(own);
  if (!each.low) return;
  const hidden = { label: "", stroke: "transparent", scale: each.scale, width: 0, points: { show: false }, class: "plot-hidden" };
  series.push(hidden, { ...hidden });
  if (each.style === "points" || each.style === "bars") hooks.push((plot) => drawEnds(plot, { place, scale: each.scale, stroke }));
  else bands.push({ series: [place + 2, place + 1], fill: stroke + "2e" });
}

function ends(each, index, unit) {
  return each.low && index != null && each.low[index] != null ? ` (${byUnit(each.low[index], unit)} to ${byUnit(each.high[index], unit)})` : "";
}

function drawEnds(plot, { place, scale, stroke }) {
  const { ctx, data } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
  ctx.clip();
  ctx.strokeStyle = stroke;
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.beginPath();
  data[0].forEach((x, index) => {
    if (data[place + 1][index] == null) return;
    const across = plot.valToPos(x, "x", true);
    ctx.moveTo(across, plot.valToPos(data[place + 1][index], scale, true));
    ctx.lineTo(across, plot.valToPos(data[place + 2][index], scale, true));
  });
  ctx.stroke();
  ctx.restore();
}

// The widest intervals, those of the first rounds or of rare counts, may leave the picture: else the rest is a flat line.
function scaleRange(spec, name, scale) {
  const found = spec.series.filter((each) => each.scale === name);
  const from = spec.x.values.findIndex((value) => value >= spec.x.values.at(-1) / 25);
  const calm = (list) => (scale.calm ? list.slice(Math.min(from, list.length - 2)) : list);
  const heavy = (each, list) => (each.weights ? list.filter((_, place) => each.weights[place] >= 0.001) : list);
  const numbers = found.flatMap((each) => [each.values, each.low ?? [], each.high ?? []].flatMap((list) => heavy(each, calm(list)))).filter((value) => value != null);
  let low = Math.min(...numbers, scale.zero ? 0 : Infinity);
  let high = Math.max(...numbers, scale.zero ? 0 : -Infinity);
  if (!(high > low)) [low, high] = [low - Math.abs(low || 1) / 10, high + Math.abs(high || 1) / 10];
  const spare = (high - low) * 0.06;
  return [scale.zero && low >= 0 ? 0 : low - spare, scale.zero && high <= 0 ? 0 : high + spare];
}

// -- a picture to keep ----------------------------------------------------------------------------------------------

function offerPicture(figure) {
  const button = figure.querySelector("[data-picture]");
  if (!button) return;
  button.hidden = !drawn.get(figure)?.made;
  button.onclick = () => keepPicture(figure);
}

// The drawing with its title on the ground of the page: a canvas alone is transparent.
function keepPicture(figure) {
  const title = figure.querySelector("figcaption")?.textContent.trim() ?? "";
  const source = figure.querySelector("canvas");
  const ratio = devicePixelRatio;
  const picture = document.createElement("canvas");
  picture.width = source.width;
  picture.height = source.height + 64 * ratio;
  const pen = picture.getContext("2d");
  pen.fillStyle = style("--card");
  pen.fillRect(0, 0, picture.width, picture.height);
  pen.fillStyle = style("--text");
  pen.font = `600 ${15 * ratio}px system-ui, sans-serif`;
  pen.fillText(title, 12 * ratio, 24 * ratio);
  pen.fillStyle = style("--quiet");
  pen.font = `${12 * ratio}px system-ui, sans-serif`;
  pen.fillText(figure.dataset.about ?? "", 12 * ratio, 44 * ratio);
  pen.drawImage(source, 0, 60 * ratio);
  const link = document.createElement("a");
  link.download = `${title.toLowerCase().replace(/[^a-z0-9]+/g, "-")}.png`;
  link.href = picture.toDataURL("image/png");
  link.click();
}

let loading = null;

function load() {
  loading ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = new URL("./vendor/uPlot.iife.min.js", import.meta.url);
    script.onload = done;
    script.onerror = failed;
    document.head.append(script);
  });
  return loading;
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const [figure, { spec }] of drawn) begin(figure, spec);
});
