// How boxes and lines of a graph look: a state is a colour, a sign and a word; what stands for many shows how many.
// Numbers are written as on the rest of the page.
export const LANGUAGE = document.documentElement.lang || undefined;
const NS = "http://www.w3.org/2000/svg";
export const SIZE = { width: 196, height: 54 };
const SIGNS = {
  held: "◷", queued: "○", running: "▶", succeeded: "✓", failed: "✕", dead: "✕", cancelled: "⊘", expired: "⊘",
  "to come": "…", "never sent": "–", open: "⬡", complete: "◑",
};
const QUIET = new Set(["next", "child", "member"]);
const STATES = JSON.parse(document.getElementById("graph").dataset.states);

// The name of a state in the language of the page.
export function named(state) {
  return STATES[state] || state;
}

// What follows what needs no words.
export function isQuiet(line) {
  return QUIET.has(line.kind);
}

function make(name, attributes, text) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function short(task, most = 25) {
  const parts = task.split(".");
  const name = parts.length > 2 ? parts.slice(-2).join(".") : task;
  return name.length > most ? `…${name.slice(1 - most)}` : name;
}

function words(box) {
  if (box.kind !== "many" && box.kind !== "steps") return named(box.state);
  const size = `${box.more ? "> " : ""}${box.size.toLocaleString(LANGUAGE)}`;
  const failed = (box.counts.failed || 0) + (box.counts.dead || 0);
  const some = box.counts[box.state] < box.size ? `${box.counts[box.state].toLocaleString(LANGUAGE)} ${named(box.state)}` : named(box.state);
  return `${size} · ${some}${failed && box.state !== "failed" && box.state !== "dead" ? `, ${failed.toLocaleString(LANGUAGE)} ✕` : ""}`;
}

// A line through the points of its route, with its corners rounded.
function path(points) {
  const [first, ...rest] = points;
  let said = `M${first.x} ${first.y}`;
  for (let at = 0; at < rest.length - 1; at += 1) {
    const here = rest[at];
    const next = rest[at + 1];
    const end = at === rest.length - 2 ? next : { x: (here.x + next.x) / 2, y: (here.y + next.y) / 2 };
    said += `Q${here.x} ${here.y} ${end.x} ${end.y}`;
  }
  return rest.length === 1 ? `${said}L${rest[0].x} ${rest[0].y}` : said;
}

function outline(box) {
  const { width, height } = SIZE;
  if (box.kind === "batch") {
    const cut = 14;
    return make("path", {
      class: "shape",
      d: `M${cut} 0H${width - cut}L${width} ${height / 2}L${width - cut} ${height}H${cut}L0 ${height / 2}Z`,
    });
  }
  return make("rect", { class: "shape", width, height, rx: 9 });
}

function parts(box) {
  const all = Object.values(box.counts).reduce((sum, n) => sum + n, 0);
  const bar = make("g", { class: "parts" });
  let x = 12;
  for (const [state, n] of Object.entries(box.counts)) {
    const width = ((SIZE.width - 24) * n) / all;
    bar.append(make("rect", { class: `part-${state}`, x, y: SIZE.height - 9, width: Math.max(width, 1.5), height: 4 }));
    x += width;
  }
  return bar;
}

function inside(box) {
  const made = [];
  if (box.kind === "many" || box.kind === "steps") {
    made.push(make("rect", { class: "behind", x: 5, y: 5, width: SIZE.width, height: SIZE.height, rx: 9 }));
  }
  made.push(outline(box));
  made.push(make("text", { class: "sign", x: 22, y: 32, "aria-hidden": "true" }, SIGNS[box.state] || "?"));
  made.push(make("text", { x: 40, y: 23 }, short(box.task || box.kind)));
  made.push(make("text", { class: "word", x: 40, y: 39 }, words(box)));
  if (Object.keys(box.counts).length) made.push(parts(box));
  made.push(make("title", {}, `${box.task} ${words(box)}`));
  return made;
}

function boxOf(box, place, first) {
  const group = make("g", {
    "data-id": box.id,
    role: "button",
    tabindex: first ? "0" : "-1",
    transform: `translate(${place.x - SIZE.width / 2} ${place.y - SIZE.height / 2})`,
  });
  return group;
}

function dress(group, box) {
  const said = JSON.stringify([box.state, box.counts, box.size]);
  if (group.dataset.said === said) return;
  group.dataset.said = said;
  const chosen = group.classList.contains("chosen") ? " chosen" : "";
  group.setAttribute("class", `box k-${box.kind} g-${box.state.replace(" ", "-")}${chosen}`);
  group.replaceChildren(...inside(box));
}

// Draw all of it, or, without routes, what has changed of the boxes.
export function draw(view, layer, data, places, routes) {
  if (!routes) {
    const drawn = new Map([...layer.querySelectorAll(".box")].map((group) => [group.dataset.id, group]));
    for (const box of data.boxes) dress(drawn.get(box.id), box);
    return;
  }
  const had = document.activeElement?.closest?.(".box")?.dataset.id;
  const tip = make("marker", { id: "tip", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" });
  tip.append(make("path", { class: "tip", d: "M0 0.5L8 4L0 7.5Z" }));
  const defs = make("defs", {});
  defs.append(tip);
  const lines = data.lines.flatMap((line, at) => {
    const route = routes[at];
    const drawn = [make("path", { class: `line ${line.kind}`, d: path(route.points), "marker-end": "url(#tip)" })];
    if (!isQuiet(line) && route.x !== undefined) {
      drawn.push(make("text", { class: "kind", x: route.x, y: route.y - 4, "text-anchor": "middle" }, line.kind.replace("_", " ")));
    }
    return drawn;
  });
  const boxes = data.boxes.map((box, at) => {
    const group = boxOf(box, places.get(box.id), at === 0);
    dress(group, box);
    return group;
  });
  layer.replaceChildren(defs, ...lines, ...boxes);
  if (had) layer.querySelector(`.box[data-id="${CSS.escape(had)}"]`)?.focus({ preventScroll: true });
}
