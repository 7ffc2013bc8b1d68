// Brings the figures of the demo up to date, and draws the last minutes.
const PAUSE = 1000;
const STALE = 15;
const SHOWN = 600;
const LEFT = 44, RIGHT = 44, TOP = 22, BOTTOM = 24;
const NAMES = { kill: "killed", wipe: "wiped", freeze: "froze" };

const demo = document.getElementById("demo");
const curve = document.getElementById("curve");
const number = new Intl.NumberFormat("en");
let told = null;

async function refresh() {
  try {
    const answer = await fetch(demo.dataset.figures, { signal: AbortSignal.timeout(10000) });
    if (!answer.ok) throw new Error(answer.status);
    told = await answer.json();
    if (told.sums) show();
  } catch {
    say("The page cannot be asked just now.");
  }
  setTimeout(refresh, PAUSE);
}

function say(text) {
  const place = document.getElementById("counted");
  if (place.textContent !== text) place.textContent = text;
}

function show() {
  const age = Date.now() / 1000 - told.at;
  say(age > STALE ? `Counted ${Math.round(age)} s ago.` : "");
  for (const place of demo.querySelectorAll("[data-of]")) {
    const [part, name] = place.dataset.of.split(".");
    place.textContent = number.format(told[part][name]);
  }
  for (const of of ["sums.lost", "sums.twice", "answers.different"]) {
    const [part, name] = of.split(".");
    const tile = demo.querySelector(`[data-of="${of}"]`).closest("dd");
    tile.className = told[part][name] ? "wrong" : "good";
  }
  document.getElementById("kinds").replaceChildren(...[...told.kinds, ...told.tables].map(row));
  document.getElementById("faults").replaceChildren(...told.faults.slice(0, 6).map(line));
  document.getElementById("none").hidden = told.faults.length > 0;
  draw();
}

function made(name, text, className = "") {
  const each = document.createElement(name);
  each.textContent = text;
  if (className) each.className = className;
  return each;
}

function row(kind) {
  const tr = document.createElement("tr");
  const name = made("th", kind.name);
  name.scope = "row";
  const values = [kind.owed, kind.happened, kind.open].map((value) => made("td", number.format(value), "number"));
  const wrong = [kind.twice, kind.lost].map((value) => made("td", number.format(value), value ? "number wrong" : "number"));
  tr.append(name, ...values, ...wrong);
  return tr;
}

function line(fault) {
  const li = document.createElement("li");
  const time = new Date(fault.at * 1000).toLocaleTimeString("en-GB");
  const over = fault.recovered !== null;
  const said = over ? `after ${fault.recovered.toFixed(1)} s` : "not yet";
  li.append(made("b", `${time} ${fault.said}`), made("span", said, over ? "over" : ""));
  return li;
}

function drawn(name, values, text = "") {
  const each = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(values)) each.setAttribute(key, value);
  if (text) each.textContent = text;
  return each;
}

// A round number above all values.
function bound(values, least) {
  const most = Math.max(least, ...values);
  const unit = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((step) => step * unit).find((each) => each >= most);
}

function draw() {
  const width = Math.max(curve.clientWidth, 280), height = 240;
  const end = told.at, start = end - Math.min(SHOWN, Math.max(120, end - (told.points[0]?.[0] ?? end)));
  const points = told.points.filter(([at]) => at >= start);
  const rate = smoothed(points);
  const rates = bound(points.map(rate), 5);
  const ages = bound(points.map(([, , , age]) => age), 10);
  const x = (at) => LEFT + (width - LEFT - RIGHT) * (at - start) / (end - start);
  const y = (share) => height - BOTTOM - (height - TOP - BOTTOM) * share;
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  for (const share of [0, 0.5, 1]) {
    svg.append(drawn("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(share), y2: y(share) }));
    svg.append(drawn("text", { x: LEFT - 8, y: y(share) + 4, "text-anchor": "end" }, number.format(rates * share)));
    svg.append(drawn("text", { x: width - RIGHT + 8, y: y(share) + 4 }, `${number.format(ages * share)} s`));
  }
  let free = width;
  for (const fault of told.faults.filter(({ at }) => at >= start)) {
    const over = Math.min(end, fault.recovered === null ? end : fault.at + fault.recovered);
    svg.append(drawn("rect", { class: "band", x: x(fault.at), y: TOP, width: Math.max(1, x(over) - x(fault.at)), height: y(0) - TOP }));
    svg.append(drawn("line", { class: "fault", x1: x(fault.at), x2: x(fault.at), y1: TOP - 4, y2: y(0) }));
    const late = x(fault.at) > width - 100;
    // The newest come first; there is no room for every name on a phone.
    if (x(fault.at) + 48 > free && !late) continue;
    free = x(fault.at) - (late ? 48 : 0);
    svg.append(drawn("text", { class: "name", x: x(fault.at) + (late ? -4 : 4), y: TOP - 8, "text-anchor": late ? "end" : "start" }, NAMES[fault.kind]));
  }
  const path = (value, most) => points.map((point) => `${x(point[0]).toFixed(1)},${y(Math.min(1, Math.max(0, value(point) / most))).toFixed(1)}`).join(" ");
  svg.append(drawn("polyline", { class: "age", points: path((point) => point[3], ages) }));
  svg.append(drawn("polyline", { class: "rate", points: path(rate, rates) }));
  const minutes = Math.round((end - start) / 60);
  svg.append(drawn("text", { x: LEFT, y: height - 6 }, `${minutes} min ago`));
  svg.append(drawn("text", { x: width - RIGHT, y: height - 6, "text-anchor": "end" }, "now"));
  curve.replaceChildren(svg);
}

// The mean of four looks: one of them alone jumps too much.
function smoothed(points) {
  const place = new Map(points.map((point, index) => [point, index]));
  return (point) => {
    const near = points.slice(Math.max(0, place.get(point) - 3), place.get(point) + 1);
    return near.reduce((sum, [, rate]) => sum + rate, 0) / near.length;
  };
}

window.addEventListener("resize", () => told?.sums && draw());
refresh();
