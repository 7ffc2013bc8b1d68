// What is seen of a drawing: moved and zoomed by mouse, wheel, fingers, keys and buttons.
const LEAST = 0.08;
const MOST = 2.5;
const READABLE = 0.62;
const NS = "http://www.w3.org/2000/svg";

export class Camera {
  constructor(view) {
    this.view = view;
    this.layer = document.createElementNS(NS, "g");
    view.append(this.layer);
    this.x = this.y = 0;
    this.scale = 1;
    this.width = this.height = 1;
    this.pointers = new Map();
    this.moved = false;
    view.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    view.addEventListener("pointerdown", (event) => this.down(event));
    view.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) view.addEventListener(end, (event) => this.up(event));
  }

  bounds(width, height) {
    this.width = width;
    this.height = height;
  }

  apply() {
    this.layer.setAttribute("transform", `translate(${this.x} ${this.y}) scale(${this.scale})`);
  }

  size() {
    return { width: this.view.clientWidth || 1, height: this.view.clientHeight || 1 };
  }

  middle() {
    const { width, height } = this.size();
    return { x: (width / 2 - this.x) / this.scale, y: (height / 2 - this.y) / this.scale };
  }

  onScreen(place) {
    return { x: place.x * this.scale + this.x, y: place.y * this.scale + this.y };
  }

  // Let a place of the drawing lie at a place of the screen.
  put(place, at, scale) {
    if (scale) this.scale = scale;
    this.x = at.x - place.x * this.scale;
    this.y = at.y - place.y * this.scale;
    this.apply();
  }

  // All of it, but no larger than life.
  fit() {
    const { width, height } = this.size();
    this.scale = Math.max(LEAST, Math.min(width / this.width, height / this.height, 1));
    this.x = (width - this.width * this.scale) / 2;
    this.y = (height - this.height * this.scale) / 2;
    this.apply();
  }

  // All of it if that can be read; else what lies at a place, in a size that can.
  begin(place) {
    this.fit();
    if (this.scale >= READABLE) return;
    const { width, height } = this.size();
    this.scale = READABLE;
    const start = (at, whole, seen) => Math.min(0, Math.max(seen - whole * this.scale, seen / 2 - at * this.scale));
    this.x = this.width * this.scale <= width ? (width - this.width * this.scale) / 2 : start(place.x, this.width, width);
    this.y = this.height * this.scale <= height ? (height - this.height * this.scale) / 2 : start(place.y, this.height, height);
    this.apply();
  }

  readable() {
    if (this.scale < READABLE) this.zoom(READABLE / this.scale);
  }

  zoom(by, at) {
    const { width, height } = this.size();
    const point = at || { x: width / 2, y: height / 2 };
    const scale = Math.max(LEAST, Math.min(MOST, this.scale * by));
    this.x = point.x - (point.x - this.x) * (scale / this.scale);
    this.y = point.y - (point.y - this.y) * (scale / this.scale);
    this.scale = scale;
    this.apply();
  }

  // Move no further than it takes to see these boxes; what is in view already stays where it is.
  keepInView(places, size) {
    const { width, height } = this.size();
    const left = Math.min(...places.map((p) => p.x)) - size.width / 2 - 16;
    const right = Math.max(...places.map((p) => p.x)) + size.width / 2 + 16;
    const top = Math.min(...places.map((p) => p.y)) - size.height / 2 - 16;
    const bottom = Math.max(...places.map((p) => p.y)) + size.height / 2 + 16;
    const needs = Math.min(width / (right - left), height / (bottom - top));
    if (needs < this.scale) this.zoom(Math.max(needs, LEAST) / this.scale);
    const far = (low, high, most) => {
      if (high - low > most) return most / 2 - (low + high) / 2;
      return low < 0 ? -low : high > most ? most - high : 0;
    };
    this.x += far(left * this.scale + this.x, right * this.scale + this.x, width);
    this.y += far(top * this.scale + this.y, bottom * this.scale + this.y, height);
    this.apply();
  }

  key(event) {
    const step = 60;
    const acts = {
      ArrowLeft: () => { this.x += step; }, ArrowRight: () => { this.x -= step; },
      ArrowUp: () => { this.y += step; }, ArrowDown: () => { this.y -= step; },
      "+": () => this.zoom(1.25), "=": () => this.zoom(1.25), "-": () => this.zoom(0.8), 0: () => this.fit(),
    };
    const act = acts[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
    this.apply();
  }

  here(event) {
    const place = this.view.getBoundingClientRect();
    return { x: event.clientX - place.left, y: event.clientY - place.top };
  }

  wheel(event) {
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), this.here(event));
  }

  down(event) {
    this.pointers.set(event.pointerId, this.here(event));
    if (this.pointers.size === 1) this.moved = false;
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const after = this.here(event);
    const others = [...this.pointers.entries()].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    if (others.length) {
      const other = others[0];
      const middle = { x: (after.x + other.x) / 2, y: (after.y + other.y) / 2 };
      const was = Math.hypot(before.x - other.x, before.y - other.y) || 1;
      this.zoom(Math.hypot(after.x - other.x, after.y - other.y) / was, middle);
      this.x += (after.x - before.x) / 2;
      this.y += (after.y - before.y) / 2;
      this.moved = true;
    } else if (this.moved || Math.hypot(after.x - before.x, after.y - before.y) > 3) {
      // Only now: a press that does not move is a click on a box.
      if (!this.moved) this.view.setPointerCapture(event.pointerId);
      this.moved = true;
      this.view.classList.add("dragged");
      this.x += after.x - before.x;
      this.y += after.y - before.y;
    } else {
      return;
    }
    this.pointers.set(event.pointerId, after);
    this.apply();
  }

  up(event) {
    this.pointers.delete(event.pointerId);
    this.view.classList.remove("dragged");
  }
}
