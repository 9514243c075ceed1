// Zooming and moving by pointer, wheel and keys; the other controls; the start.

function pace() {
  const grids = [state.video.labels, ...(state.video.grids || [])].filter(Boolean);
  return grids.length ? grids[0][2] : 0.5;
}

function look(from, to) {
  const { duration } = state.video;
  const span = clamp(to - from, Math.min(duration, 4 * pace()), duration);
  state.from = clamp((from + to - span) / 2, 0, duration - span);
  state.to = state.from + span;
  paint();
}

function zoom(factor, around) {
  const { from, to } = state;
  const at = around === undefined ? (state.cursor !== null && state.cursor > from && state.cursor < to ? state.cursor : (from + to) / 2) : around;
  const span = clamp((to - from) * factor, Math.min(state.video.duration, 4 * pace()), state.video.duration);
  const share = (at - from) / (to - from);
  state.from = clamp(at - share * span, 0, state.video.duration - span);
  state.to = state.from + span;
  paint();
}

function move(by) {
  const span = state.to - state.from;
  state.from = clamp(state.from + by, 0, state.video.duration - span);
  state.to = state.from + span;
  paint();
}

function timeAt(event) {
  const box = lanes[0].canvas.getBoundingClientRect();
  return clamp(state.from + ((event.clientX - box.left) / box.width) * (state.to - state.from), 0, state.video.duration);
}

const pointers = new Map();
let pressed = null; // the canvas on which a drag began
let dragged = 0;
let pinch = 0;

timeline.addEventListener("pointerdown", (event) => {
  if (event.target.tagName !== "CANVAS") return;
  timeline.focus({ preventScroll: true });
  pointers.set(event.pointerId, event);
  timeline.setPointerCapture(event.pointerId);
  pressed = event.target;
  dragged = 0;
  pinch = 0;
});
timeline.addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  const width = lanes[0].canvas.clientWidth;
  if (before && pointers.size === 2) {
    pointers.set(event.pointerId, event);
    const [a, b] = [...pointers.values()];
    const apart = Math.max(20, Math.abs(a.clientX - b.clientX));
    if (pinch) zoom(pinch / apart, timeAt({ clientX: (a.clientX + b.clientX) / 2 }));
    pinch = apart;
    return;
  }
  if (before) {
    const by = event.clientX - before.clientX;
    dragged += Math.abs(by);
    if (onOverview()) move((by / width) * state.video.duration);
    else move((-by / width) * (state.to - state.from));
    pointers.set(event.pointerId, { clientX: event.clientX });
  }
  state.cursor = timeAt(event);
  paint();
});
const release = (event) => {
  if (pointers.delete(event.pointerId) && dragged < 4 && event.type === "pointerup") {
    const box = lanes[0].canvas.getBoundingClientRect();
    if (onOverview()) {
      const at = ((event.clientX - box.left) / box.width) * state.video.duration;
      const span = state.to - state.from;
      look(at - span / 2, at + span / 2);
    } else if (clicking) clickAt(timeAt(event), (5 / lanes[0].canvas.clientWidth) * (state.to - state.from));
    else if (film()) film().currentTime = timeAt(event);
  }
  pinch = 0;
};
const onOverview = () => lanes.some((l) => l.kind === "overview" && l.canvas === pressed);
timeline.addEventListener("pointerup", release);
timeline.addEventListener("pointercancel", release);
timeline.addEventListener("pointerleave", () => {
  if (pointers.size || (film() && !film().paused)) return;
  state.cursor = null;
  paint();
});
timeline.addEventListener("dblclick", (event) => {
  if (!clicking) zoom(event.shiftKey ? 2.5 : 0.4, timeAt(event));
});
timeline.addEventListener(
  "wheel",
  (event) => {
    if (!event.ctrlKey && !event.metaKey && document.activeElement !== timeline) return;
    event.preventDefault();
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) move((event.deltaX / lanes[0].canvas.clientWidth) * (state.to - state.from));
    else zoom(Math.exp(clamp(event.deltaY, -100, 100) * 0.003), timeAt(event));
  },
  { passive: false }
);

timeline.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const span = state.to - state.from;
  const along = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (along && event.shiftKey) move(along * span * 0.2);
  else if (along) {
    const at = state.cursor === null ? (state.from + state.to) / 2 : state.cursor + along * pace();
    state.cursor = clamp(at, 0, state.video.duration - 1e-3);
    if (state.cursor < state.from || state.cursor > state.to) look(state.cursor - span / 2, state.cursor + span / 2);
    $("spoken").textContent = say();
    paint();
  } else if (event.key === "+" || event.key === "=") zoom(0.6);
  else if (event.key === "-" || event.key === "_") zoom(1 / 0.6);
  else if (event.key === "0") look(0, state.video.duration);
  else if (event.key === "Enter" && clicking) clickAt(state.cursor === null ? (state.from + state.to) / 2 : state.cursor, pace() / 2);
  else if (event.key === "Home") move(-state.video.duration);
  else if (event.key === "End") move(state.video.duration);
  else if (event.key === " " && film()) film().paused ? film().play() : film().pause();
  else return;
  event.preventDefault();
});

// Controls -----------------------------------------------------------------------------------------------------

$("in").addEventListener("click", () => zoom(0.6));
$("out").addEventListener("click", () => zoom(1 / 0.6));
$("whole").addEventListener("click", () => look(0, state.video.duration));
$("next").addEventListener("click", () => step(1));
$("previous").addEventListener("click", () => step(-1));
$("table").addEventListener("toggle", showTable);
$("score").addEventListener("input", () => {
  state.least = Number($("score").value);
  $("score_value").textContent = state.least.toFixed(2);
  paint();
  showTable();
});
for (const id of ["sort", "judge"]) $(id).addEventListener("change", refresh);
$("search").addEventListener("input", refresh);
$("part").addEventListener("change", () => {
  offerSorts();
  refresh();
  step(0);
});
$("search").addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    $("search").value = "";
    refresh();
  } else if (event.key === "Enter" || event.key === "ArrowDown") {
    $("list").focus();
    if (order.length) open(order[0]);
    event.preventDefault();
  }
});
$("list").addEventListener("keydown", (event) => {
  const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8, Home: -1e9, End: 1e9 }[event.key];
  if (by) step(by);
  else if (event.key === "Enter") timeline.focus();
  else return;
  event.preventDefault();
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  if (event.key === "/") $("search").focus();
  else if (event.key === "n") step(1);
  else if (event.key === "p") step(-1);
  else return;
  event.preventDefault();
});
document.addEventListener("click", (event) => {
  const mark = event.target.closest && event.target.closest(".mark");
  if (!mark) return;
  open(Number(mark.dataset.video));
  $("videos").scrollIntoView();
});

const repaint = () => {
  colours();
  paintNow();
};
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
matchMedia("print").addEventListener("change", repaint);
new ResizeObserver(paint).observe($("lanes"));

colours();
offerSorts();
refresh();
const wanted = /^#video=(.+)$/.exec(location.hash);
let start = order[0];
try {
  const found = wanted ? videos.findIndex((v) => v.id === decodeURIComponent(wanted[1])) : -1;
  if (found >= 0) {
    $("part").value = videos[found].part;
    offerSorts();
    refresh();
    start = found;
  }
} catch {
  // a malformed URL
}
open(start);
