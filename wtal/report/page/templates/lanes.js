// The timeline of the chosen video: one lane per method, painted on canvases.

const state = { video: null, from: 0, to: 1, classIndex: 0, cursor: null, least: 0 };
const shown = methods.map((m) => m.leading);
let lanes = [];
let ink = {};

function open(i) {
  if (!videos[i]) return;
  if (items[current]) items[current].setAttribute("aria-selected", "false");
  current = i;
  items[i].setAttribute("aria-selected", "true");
  $("list").setAttribute("aria-activedescendant", items[i].id);
  const list = $("list");
  const [top, bottom] = [items[i].offsetTop - list.offsetTop, items[i].offsetTop - list.offsetTop + items[i].offsetHeight];
  if (top < list.scrollTop) list.scrollTop = top;
  else if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
  const video = videos[i];
  Object.assign(state, { video, from: 0, to: video.duration, classIndex: 0, cursor: null });
  $("name").firstChild.textContent = video.id;
  const count = video.truth.length;
  $("facts").textContent = [
    length(video.duration),
    count ? `${count} instance${count > 1 ? "s" : ""}` : video.part === "training" ? "training video" : "no ground truth",
  ].join(" · ");
  try {
    history.replaceState(null, "", `#video=${encodeURIComponent(video.id)}`);
  } catch {
    // the name is not valid in a URL, or the page may not change its own URL
  }
  const best = Math.max(0, ...decode(video).found.flat().map((d) => d.score));
  $("score").max = best > 0 ? best.toPrecision(2) : 1;
  $("score").step = best > 0 ? best / 100 : 0.01;
  if (video.classes.length) $("point_class").value = video.classes[0];
  showClasses();
  showLanes();
  showPoints();
  showPlayer();
  showTable();
}

function showClasses() {
  const { video } = state;
  $("classes").replaceChildren(
    ...video.classes.map((k, place) => {
      const button = make("button");
      button.append(make("bdi", "", classes[k]));
      button.title = classes[k];
      if (video.part === "test" && !video.truth.some((s) => s[0] === k)) {
        button.className = "absent";
        button.title += " (detected, not in the ground truth)";
      }
      button.setAttribute("aria-pressed", String(place === state.classIndex));
      button.addEventListener("click", () => {
        state.classIndex = place;
        $("point_class").value = k;
        [...$("classes").children].forEach((b, j) => b.setAttribute("aria-pressed", String(j === place)));
        paint();
        showTable();
      });
      return button;
    })
  );
}

function lane(kind, name, colour, height, index) {
  const node = make("div", `lane ${kind}${colour ? ` c-${colour}` : ""}`);
  const label = make("div", "label");
  const title = make("b", colour ? "" : "bare");
  title.append(make("bdi", "", name));
  const note = make("span");
  label.append(title, note);
  const canvas = make("canvas");
  canvas.style.height = `${height}px`;
  canvas.setAttribute("aria-hidden", "true");
  node.append(label, canvas);
  return { kind, node, canvas, note, colour, height, index };
}

function showLanes() {
  const { video } = state;
  const { curves, labels } = decode(video);
  lanes = [lane("axis", "", "", 20)];
  if (video.truth.length) lanes.push(lane("truth", "ground truth", "", 24));
  if (video.instances) lanes.push(lane("taught", "pseudo-instances", "", 34));
  if (clicking || clicked.get(video.id).length) lanes.push(lane("points", "points", "", 24));
  labels.forEach((_, i) => lanes.push(lane("student", `taught to ${students[i].toUpperCase()}`, students[i], 48, i)));
  if (video.counts) {
    methods.forEach((m, i) => shown[i] && lanes.push(lane("method", m.name, m.colour, curves[i] ? 92 : 34, i)));
  }
  lanes.push(lane("overview", "", "", 18));
  $("lanes").replaceChildren(...lanes.map((l) => l.node));
  $("methods").hidden = $("least").hidden = $("legend").hidden = !video.counts;
  $("taught").hidden = !video.labels;
  $("instances").hidden = !video.instances;
  $("of_truth").hidden = !video.truth.length;
  paint();
}

methods.forEach((method, i) => {
  const label = make("label", `c-${method.colour}`);
  const box = make("input");
  box.type = "checkbox";
  box.checked = shown[i];
  box.addEventListener("change", () => {
    shown[i] = box.checked;
    showLanes();
    showTable();
  });
  label.append(box, make("bdi", "", method.name));
  $("methods").append(label);
});

function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  ink = { ink: of("--ink"), soft: of("--soft"), hair: of("--hair"), paper: of("--paper"), focus: of("--focus") };
  ["quiet", "ink", ...methods.map((m) => m.colour), ...students].forEach((name) => (ink[`c-${name}`] = of(`--c-${name}`)));
}

let waiting = false;
function paint() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    paintNow();
  });
}

function paintNow() {
  const { video, from, to } = state;
  if (!video) return;
  for (const one of lanes) {
    const width = one.canvas.clientWidth;
    const ratio = Math.max(window.devicePixelRatio || 1, 1);
    if (one.canvas.width !== Math.round(width * ratio) || one.canvas.height !== Math.round(one.height * ratio)) {
      one.canvas.width = Math.round(width * ratio);
      one.canvas.height = Math.round(one.height * ratio);
    }
    const g = one.canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, width, one.height);
    const whole = one.kind === "overview";
    const x = whole ? (t) => (t / video.duration) * width : (t) => ((t - from) / (to - from)) * width;
    ({ axis, truth, taught, points, student, method, overview })[one.kind](g, one, x, width);
    if (state.cursor !== null && !whole) {
      g.fillStyle = ink.ink;
      g.fillRect(Math.round(x(state.cursor)), 0, 1, one.height);
    }
  }
  say();
}

function axis(g, one, x, width) {
  const span = state.to - state.from;
  const rough = (span / width) * 80;
  const unit = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200].find((u) => u >= rough) || 3600;
  g.font = "11px Inter, 'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', sans-serif";
  g.textBaseline = "top";
  for (let t = Math.ceil(state.from / unit) * unit; t <= state.to + 1e-9; t += unit) {
    const text = clock(t, unit < 1 ? 1 : 0);
    g.fillStyle = ink.hair;
    g.fillRect(Math.round(x(t)), 15, 1, 5);
    g.fillStyle = ink.soft;
    g.textAlign = x(t) < 14 ? "left" : x(t) > width - 14 ? "right" : "center";
    g.fillText(text, clamp(x(t), 0, width), 2);
  }
}

function segments(chosen) {
  const k = state.video.classes[state.classIndex];
  return state.video.truth.filter((s) => (s[0] === k) === chosen);
}

function truth(g, one, x) {
  g.strokeStyle = ink.soft;
  for (const [, start, end] of segments(false)) g.strokeRect(x(start) + 0.5, 8.5, Math.max(1, x(end) - x(start) - 1), 7);
  g.fillStyle = ink.ink;
  for (const [, start, end] of segments(true)) g.fillRect(x(start), 6, Math.max(1.5, x(end) - x(start)), 12);
}

function shade(g, one, x) {
  g.globalAlpha = 0.09;
  g.fillStyle = ink.ink;
  for (const [, start, end] of segments(true)) g.fillRect(x(start), 0, Math.max(1, x(end) - x(start)), one.height);
  g.globalAlpha = 1;
}

// Pseudo-instances of the chosen class, darker the more they count; outlined where it is unknown whether there is one.
function taught(g, one, x) {
  shade(g, one, x);
  g.fillStyle = g.strokeStyle = ink.ink;
  for (const [, start, end, weight, ignored] of instances()) {
    const [a, b] = [x(start), Math.max(x(start) + 1.5, x(end))];
    g.globalAlpha = ignored ? 0.6 : 0.25 + 0.75 * Math.min(1, weight);
    if (ignored) g.strokeRect(a + 0.5, 13.5, Math.max(1, b - a - 1), 7);
    else g.fillRect(a, 11, b - a, 12);
  }
  g.globalAlpha = 1;
}

function instances() {
  const k = state.video.classes[state.classIndex];
  return state.video.instances.filter((one) => one[0] === k);
}

function student(g, one, x) {
  shade(g, one, x);
  const { video } = state;
  const [count, first, pace] = video.labels;
  const labels = decode(video).labels[one.index];
  const middle = one.height / 2;
  for (let i = 0; i < count; ) {
    let j = i;
    while (j < count && labels[j] === labels[i]) j += 1;
    const [a, b] = [x(first + i * pace), x(first + j * pace)];
    if (labels[i] === 2) {
      g.fillStyle = ink[`c-${one.colour}`];
      g.fillRect(a, 6, Math.max(1, b - a), middle - 6);
    } else if (labels[i] === 1) {
      g.fillStyle = ink["c-quiet"];
      g.fillRect(a, middle + 4, Math.max(1, b - a), 4);
    }
    i = j;
  }
  g.fillStyle = ink.hair;
  g.fillRect(x(first), middle, x(first + count * pace) - x(first), 1);
}

const CURVES = 58; // height of the curves in a lane; the detections are drawn below

function method(g, one, x, width) {
  shade(g, one, x);
  const { video } = state;
  const { curves, found } = decode(video);
  const colour = ink[`c-${one.colour}`];
  const seen = curves[one.index];
  if (seen) {
    const [count, first, pace] = video.grids[one.index];
    const y = (byte) => 6 + (1 - byte / 255) * CURVES;
    const low = clamp(Math.floor((state.from - first) / pace) - 1, 0, count);
    const high = clamp(Math.ceil((state.to - first) / pace) + 1, 0, count);
    const trace = (values) => {
      g.beginPath();
      for (let i = low; i < high; i += 1) g.lineTo(x(first + (i + 0.5) * pace), y(values[i]));
    };
    g.fillStyle = ink.hair;
    g.fillRect(0, y(0), width, 1);
    trace(seen.actionness);
    g.lineTo(x(first + (high - 0.5) * pace), y(0));
    g.lineTo(x(first + (low + 0.5) * pace), y(0));
    g.fillStyle = colour;
    g.globalAlpha = 0.3;
    g.fill();
    g.globalAlpha = 1;
    if (seen.cas[state.classIndex]) {
      trace(seen.cas[state.classIndex]);
      g.strokeStyle = colour;
      g.lineWidth = 1.5;
      g.lineJoin = "round";
      g.stroke();
    }
  }
  const top = seen ? CURVES + 12 : 4;
  const best = Math.max(1e-9, ...found[one.index].map((d) => d.score));
  for (const d of [...of(one.index)].reverse()) {
    const [a, b] = [x(d.start), Math.max(x(d.start) + 1.5, x(d.end))];
    if (b < 0 || a > width) continue;
    const [at, tall] = d.counted || !video.truth.length ? [top, 10] : [top + 13, 4];
    g.globalAlpha = 0.25 + 0.75 * Math.max(0, d.score / best);
    g.fillStyle = g.strokeStyle = colour;
    g.lineWidth = 1;
    if (d.right || !video.truth.length) g.fillRect(a, at, b - a, tall);
    else g.strokeRect(a + 0.5, at + 0.5, Math.max(1, b - a - 1), tall - 1);
  }
  g.globalAlpha = 1;
}

function of(index) {
  const k = state.video.classes[state.classIndex];
  return decode(state.video).found[index].filter((d) => d.label === k && d.score >= state.least);
}

function overview(g, one, x, width) {
  const { from, to, video } = state;
  g.fillStyle = ink.hair;
  g.fillRect(0, one.height / 2, width, 1);
  g.fillStyle = ink.soft;
  for (const [, start, end] of segments(true)) g.fillRect(x(start), one.height / 2 - 2, Math.max(1, x(end) - x(start)), 5);
  if (to - from < video.duration - 1e-6) {
    g.globalAlpha = 0.18;
    g.fillStyle = ink.focus;
    g.fillRect(x(from), 0, Math.max(3, x(to) - x(from)), one.height);
    g.globalAlpha = 1;
    g.strokeStyle = ink.focus;
    g.strokeRect(x(from) + 0.5, 0.5, Math.max(2, x(to) - x(from) - 1), one.height - 1);
  }
}

// Share of the pseudo-labels that are correct: the middle of a snippet decides, whatever the class.
function rightness(index) {
  const { video } = state;
  if (!video.truth.length) return "";
  const [count, first, pace] = video.labels;
  const labels = decode(video).labels[index];
  const [counts, right] = [[0, 0, 0], [0, 0, 0]];
  for (let i = 0; i < count; i += 1) {
    const at = first + (i + 0.5) * pace;
    counts[labels[i]] += 1;
    right[labels[i]] += video.truth.some((s) => s[1] <= at && at < s[2]) === (labels[i] === 2);
  }
  const share = (kind) => (counts[kind] ? `${Math.round((100 * right[kind]) / counts[kind])} %` : "none");
  return `${share(2)} of fg right\n${share(1)} of bg right`;
}
