// The graph of a workflow: fetched as JSON, laid out by dagre, drawn as SVG; it goes on living while it is looked at.
import { layout, Graph } from "../vendor/dagre.esm.js";
import { Camera } from "./camera.js";
import { draw, isQuiet, LANGUAGE, named, SIZE } from "./boxes.js";

const root = document.getElementById("graph");
const [OPEN, CLOSE, JOB, BATCH, LIST, , STALE, MEMBERS, MORE_THAN] = root.dataset.words.split("|");
const view = root.querySelector(".graph-view");
const panel = root.querySelector(".graph-panel");
const told = root.querySelector("[data-graph-told]");
const KEPT = "holdfast-graph";
let shape = "";
let now = { boxes: [], lines: [] };
let places = new Map();
let chosen = null;

const camera = new Camera(view);

function source() {
  return `${root.dataset.source}${location.search}`;
}

// Boxes and lines as they stand, without the states: as long as these are the same nothing moves.
function outlineOf(data) {
  return JSON.stringify([data.boxes.map((box) => box.id), data.lines]);
}

function arrange(data) {
  const graph = new Graph({ multigraph: true });
  graph.setGraph({ rankdir: view.clientWidth < 620 ? "TB" : "LR", nodesep: 22, ranksep: 56, marginx: 20, marginy: 20 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const box of data.boxes) graph.setNode(box.id, { width: SIZE.width, height: SIZE.height });
  data.lines.forEach((line, at) => {
    const room = isQuiet(line) ? {} : { width: 72, height: 14, labelpos: "c" };
    graph.setEdge(line.source, line.target, room, String(at));
  });
  layout(graph);
  places = new Map(data.boxes.map((box) => [box.id, graph.node(box.id)]));
  const routes = data.lines.map((line, at) => graph.edge(line.source, line.target, String(at)));
  const size = graph.graph();
  return { routes, width: size.width || 1, height: size.height || 1 };
}

// The box nearest to the middle of what is seen: it stays where it is when the graph is laid out anew.
function anchor() {
  const middle = camera.middle();
  let best = null;
  for (const [id, place] of places) {
    const far = Math.hypot(place.x - middle.x, place.y - middle.y);
    if (!best || far < best.far) best = { id, far };
  }
  return best && { id: best.id, at: camera.onScreen(places.get(best.id)) };
}

function show(data) {
  const first = shape === "";
  const outline = outlineOf(data);
  now = data;
  if (outline !== shape) {
    const held = first ? kept() : anchor();
    const laid = arrange(data);
    // A chain needs no more than its own height.
    view.style.height = `${Math.max(240, Math.min(innerHeight * 0.66, 640, laid.height + 60))}px`;
    camera.bounds(laid.width, laid.height);
    draw(view, camera.layer, data, places, laid.routes);
    shape = outline;
    if (held && places.has(held.id)) camera.put(places.get(held.id), held.at, held.scale);
    else camera.begin(places.get(interesting(data)));
  } else {
    draw(view, camera.layer, data, places, null);
  }
  if (root.querySelector("[data-graph=follow]").getAttribute("aria-pressed") === "true") follow();
  if (chosen) choose(data.boxes.find((box) => box.id === chosen) || null);
}

// What somebody wants to see first: what runs, else what failed or waits, else the beginning.
function interesting(data) {
  const of = (states) => data.boxes.find((box) => states.includes(box.state));
  const box = of(["running"]) || of(["failed", "dead"]) || of(["queued", "held"]) || data.boxes[0];
  return box.id;
}

function kept() {
  try {
    const said = JSON.parse(sessionStorage.getItem(KEPT) || "null");
    sessionStorage.removeItem(KEPT);
    return said && said.page === location.pathname ? said : null;
  } catch { return null; }
}

function follow() {
  const running = now.boxes.filter((box) => box.state === "running").map((box) => places.get(box.id));
  if (running.length) camera.keepInView(running, SIZE);
}

async function fetchAnew() {
  try {
    const answer = await fetch(source(), { headers: { Accept: "application/json" }, credentials: "same-origin" });
    if (!answer.ok) throw new Error(String(answer.status));
    show(await answer.json());
    told.textContent = "";
  } catch {
    told.textContent = STALE;
  }
}

function reload(change, box) {
  const asked = new URLSearchParams(location.search);
  change(asked);
  const place = places.get(box.id);
  try {
    sessionStorage.setItem(KEPT, JSON.stringify({ page: location.pathname, id: box.id, at: camera.onScreen(place), scale: camera.scale }));
  } catch { /* it will be fitted */ }
  location.search = asked.toString();
}

function button(text, press) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "button small";
  made.textContent = text;
  made.addEventListener("click", press);
  return made;
}

function link(text, address) {
  const made = document.createElement("a");
  made.className = "button small primary";
  made.href = address;
  made.textContent = text;
  return made;
}

function choose(box) {
  chosen = box ? box.id : null;
  for (const each of view.querySelectorAll(".box")) each.classList.toggle("chosen", each.dataset.id === chosen);
  panel.hidden = !box;
  if (!box) return;
  const title = document.createElement("h2");
  title.textContent = box.task || MEMBERS;
  const words = document.createElement("p");
  const counts = Object.entries(box.counts).map(([state, n]) => `${n.toLocaleString(LANGUAGE)} ${named(state)}`);
  words.textContent = counts.length ? `${box.more ? `${MORE_THAN} ` : ""}${counts.join(", ")}` : named(box.state);
  const acts = document.createElement("div");
  acts.className = "toolbar";
  const base = root.dataset.root;
  if (box.kind === "job") acts.append(link(JOB, `${base}jobs/${encodeURIComponent(box.id)}/`));
  if (box.kind === "batch") acts.append(link(BATCH, `${base}batches/${encodeURIComponent(box.id)}/`));
  if (box.kind === "many" && box.batch) acts.append(link(LIST, `${base}jobs/?batch=${encodeURIComponent(box.batch)}`));
  if (box.key) acts.append(button(OPEN.replace("%n", String(now.step)), () => reload((asked) => asked.append("open", box.key), box)));
  const key = box.key || (box.group ? `group:${box.group}` : "");
  if (key && now.opened[key]) acts.append(button(CLOSE, () => reload((asked) => {
    const others = asked.getAll("open").filter((each) => each !== key);
    asked.delete("open");
    for (const each of others) asked.append("open", each);
  }, box)));
  const id = document.createElement("p");
  id.className = "mono small-text muted";
  id.textContent = box.kind === "job" || box.kind === "batch" ? box.id : box.group || "";
  panel.replaceChildren(title, words, id, acts);
}

// Where a box lies from another one, for the arrow keys.
function nearest(from, key) {
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  let best = null;
  for (const [id, place] of places) {
    const along = (place.x - from.x) * dx + (place.y - from.y) * dy;
    const beside = Math.abs((place.x - from.x) * dy) + Math.abs((place.y - from.y) * dx);
    const far = along + 2 * beside;
    if (along > 1 && (!best || far < best.far)) best = { id, far };
  }
  return best && best.id;
}

view.addEventListener("click", (event) => {
  if (camera.moved) return;
  const box = event.target.closest(".box");
  choose(box ? now.boxes.find((each) => each.id === box.dataset.id) : null);
});
view.addEventListener("keydown", (event) => {
  const box = event.target.closest(".box");
  if (box && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    choose(now.boxes.find((each) => each.id === box.dataset.id));
  } else if (event.key === "Escape") {
    choose(null);
  } else if (box && event.key.startsWith("Arrow")) {
    event.preventDefault();
    event.stopPropagation();
    const id = nearest(places.get(box.dataset.id), event.key);
    const next = id && view.querySelector(`.box[data-id="${CSS.escape(id)}"]`);
    if (next) {
      box.setAttribute("tabindex", "-1");
      next.setAttribute("tabindex", "0");
      next.focus();
      camera.keepInView([places.get(id)], SIZE);
    }
  } else if (!box) {
    camera.key(event);
  }
});
root.addEventListener("click", (event) => {
  const pressed = event.target.closest("[data-graph]");
  if (!pressed) return;
  const what = pressed.dataset.graph;
  if (what === "in") camera.zoom(1.25);
  if (what === "out") camera.zoom(0.8);
  if (what === "fit") camera.fit();
  if (what === "follow") {
    const on = pressed.getAttribute("aria-pressed") !== "true";
    pressed.setAttribute("aria-pressed", String(on));
    pressed.classList.toggle("primary", on);
    if (on) {
      camera.readable();
      follow();
    }
  }
});

root.hidden = false;
fetchAnew();
document.body.addEventListener("holdfast:tick", fetchAnew);
