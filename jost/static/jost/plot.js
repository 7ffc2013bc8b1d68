// Draws the estimate with its confidence band as inline SVG; colours come from the style sheet.
const SVG = "http://www.w3.org/2000/svg";
const MARGIN = { top: 10, right: 14, bottom: 28, left: 62 };

export function drawPlot(place, { points, rounds, active }) {
  const width = Math.max(place.clientWidth, 200);
  const height = Math.max(place.clientHeight, 160);
  const svg = make("svg", { viewBox: `0 0 ${width} ${height}` });
  if (points.length < 2) {
    const text = make("text", { x: width / 2, y: height / 2, "text-anchor": "middle", class: "waiting" });
    text.textContent = active ? "Waiting for the first chunks …" : "It ended before there was anything to draw.";
    svg.append(text);
    return place.replaceChildren(svg);
  }
  const { low, high } = span(points);
  const end = reach(points, { rounds, active });
  const x = (value) => MARGIN.left + (value / end) * (width - MARGIN.left - MARGIN.right);
  const y = (value) => MARGIN.top + ((high - value) / (high - low)) * (height - MARGIN.top - MARGIN.bottom);
  drawAxes(svg, { x, y, low, high, end, width, height });
  drawBand(svg, { x, y, points, width, height });
  place.replaceChildren(svg);
}

// The beginning of a long simulation, or of one that ended early, would be a line at the left edge.
function reach(points, { rounds, active }) {
  const [counted] = points[points.length - 1];
  return active ? Math.min(rounds, counted * 3) : counted;
}

// The first intervals are so wide that the rest would be a flat line: they may leave the picture.
function span(points) {
  const calm = points.slice(Math.min(Math.floor(points.length / 8), points.length - 2));
  const low = Math.min(...calm.map((point) => point[2]));
  const high = Math.max(...calm.map((point) => point[3]));
  const spare = (high - low) * 0.08;
  return { low: low - spare, high: high + spare };
}

function drawAxes(svg, { x, y, low, high, end, width, height }) {
  const step = niceStep((high - low) * 100, height < 260 ? 4 : 6);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  for (let tick = Math.ceil((low * 100) / step) * step; tick <= high * 100; tick += step) {
    const level = y(tick / 100);
    svg.append(make("line", { x1: MARGIN.left, x2: width - MARGIN.right, y1: level, y2: level, class: "grid" }));
    const sign = tick < -step / 2 ? "−" : "";
    label(svg, { x: MARGIN.left - 8, y: level + 4, anchor: "end" }, `${sign}${Math.abs(tick).toFixed(digits)} %`);
  }
  const across = niceStep(end, width < 480 ? 2 : 5);
  for (let tick = 0; tick <= end; tick += across) {
    const anchor = tick === 0 ? "start" : end - tick < across / 3 ? "end" : "middle";
    label(svg, { x: x(tick), y: height - 8, anchor }, short(tick));
  }
}

function drawBand(svg, { x, y, points, width, height }) {
  const clip = make("clipPath", { id: "inside" });
  clip.append(
    make("rect", {
      x: MARGIN.left,
      y: MARGIN.top,
      width: width - MARGIN.left - MARGIN.right + 8,
      height: height - MARGIN.top - MARGIN.bottom,
    }),
  );
  const path = (list, column) => list.map((point) => `${x(point[0]).toFixed(1)},${y(point[column]).toFixed(1)}`);
  const edge = [...path(points, 3), ...path([...points].reverse(), 2)];
  const last = points[points.length - 1];
  const inside = make("g", { "clip-path": "url(#inside)" });
  inside.append(
    make("polygon", { points: edge.join(" "), class: "band" }),
    make("polyline", { points: path(points, 1).join(" "), class: "line" }),
    make("circle", { cx: x(last[0]), cy: y(last[1]), r: 4, class: "end" }),
  );
  svg.append(clip, inside);
}

function niceStep(range, wanted) {
  const raw = range / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  // The nearest round step: never half as many lines as wanted.
  const [factor] = [[1, 1.5], [2, 3.5], [5, 7.5], [10, Infinity]].find(([, end]) => raw < end * power);
  return power * factor;
}

function short(rounds) {
  for (const [size, letter] of [[1e9, "B"], [1e6, "M"], [1e3, "k"]]) {
    if (rounds >= size) return `${+(rounds / size).toPrecision(3)} ${letter}`;
  }
  return String(rounds);
}

function label(svg, { x, y, anchor }, words) {
  const text = make("text", { x, y, "text-anchor": anchor });
  text.textContent = words;
  svg.append(text);
}

function make(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
