"use strict";
// The browser of videos. Names come from strangers: they are set as text, never as markup.
(() => {
  const DATA = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const { videos, methods, classes, students } = DATA;
  if (!videos.length) return;

  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const minutes = (t, digits) => {
    const tenths = Math.round(t * 10 ** digits) / 10 ** digits; // 59.97 s is 1:00.0, not 0:60.0
    return `${Math.floor(tenths / 60)}:${(tenths % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0")}`;
  };
  const clock = (t, digits = 1) => (state.video.duration < 60 ? `${t.toFixed(digits)} s` : minutes(t, digits));
  const length = (t) => (t < 60 ? `${t.toFixed(0)} s` : `${minutes(t, 0)} min`);
  const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

  // Decoding -----------------------------------------------------------------------------------------------------

  const DETECTION_BYTES = 16;

  function decode(video) {
    if (video.decoded) return video.decoded;
    const raw = atob(video.data);
    const bytes = Uint8Array.from(raw, (c) => c.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    let at = 0;
    const take = (count) => bytes.subarray(at, (at += count));
    const detection = () => {
      const flags = view.getUint8(at + 14);
      const one = {
        start: view.getUint32(at, true) / 1000,
        end: view.getUint32(at + 4, true) / 1000,
        score: view.getFloat32(at + 8, true),
        label: view.getUint16(at + 12, true),
        right: (flags & 1) > 0,
        counted: (flags & 2) > 0,
        tiou: view.getUint8(at + 15) / 255,
      };
      at += DETECTION_BYTES;
      return one;
    };
    const curves = (video.grids || []).map(
      (grid) => grid && { actionness: take(grid[0]), cas: video.classes.map(() => take(grid[0])) }
    );
    const labels = video.labels ? students.map(() => take(video.labels[0])) : [];
    const found = (video.counts || []).map((count) => Array.from({ length: count }, detection));
    return (video.decoded = { curves, labels, found });
  }

  // The list -----------------------------------------------------------------------------------------------------

  // Places in `errors`: the order of ErrorProfile's fields.
  const SORTS = [
    { name: "most missed", place: 1, down: true },
    { name: "most over-complete", place: 3, down: true },
    { name: "most false time", place: 0, down: true },
    { name: "least complete", place: 2, down: false },
    { name: "longest", of: (v) => v.duration, down: true, shown: (v) => length(v.duration) },
    { name: "most instances", of: (v) => v.truth.length, down: true, shown: (v) => v.truth.length },
    { name: "name" },
  ];
  const parts = [...new Set(videos.map((v) => v.part))];
  let order = [];
  let current = -1;

  const option = (select, value, text) => {
    const one = make("option", "", text);
    one.value = value;
    select.append(one);
  };
  methods.forEach((method, i) => option($("judge"), i, method.name));
  $("judge").value = Math.max(0, methods.findLastIndex((m) => m.leading));
  parts.forEach((part) => option($("part"), part, `${part} videos`));
  $("parts").hidden = parts.length < 2;

  // Only what the videos of this part can be sorted by; the choice stays where it can.
  function offerSorts() {
    const before = $("sort").value;
    const measured = videos.some((v) => v.part === $("part").value && v.errors && v.errors.some(Boolean));
    $("sort").replaceChildren();
    SORTS.forEach((sort, i) => (measured || sort.place === undefined) && option($("sort"), i, sort.name));
    if (before && [...$("sort").options].some((o) => o.value === before)) $("sort").value = before;
    else if (!measured) $("sort").value = SORTS.length - 1;
  }

  const items = videos.map((video, i) => {
    const item = make("li");
    item.id = `video${i}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", "false");
    const named = make("span", "named");
    const bdi = make("bdi", "", video.id);
    named.append(bdi);
    named.title = video.id;
    item.value_node = make("span", "value");
    const names = video.classes.filter((k) => video.truth.some((s) => s[0] === k)).map((k) => classes[k]);
    const classed = make("span", "classed");
    classed.append(make("bdi", "", names.join(", ") || (video.part === "training" ? video.classes.map((k) => classes[k]).join(", ") : "")));
    item.bar = make("span", "bar");
    item.bar.append(make("i"));
    item.append(named, item.value_node, classed, item.bar);
    item.addEventListener("click", () => open(i));
    item.words = `${video.id} ${names.join(" ")}`.toLowerCase();
    return item;
  });

  function value(video, sort) {
    if (sort.of) return sort.of(video);
    const errors = video.errors && video.errors[$("judge").value];
    const found = errors ? errors[sort.place] : null;
    return found === null || found === undefined ? NaN : found;
  }

  function refresh() {
    const sort = SORTS[$("sort").value];
    const words = $("search").value.trim().toLowerCase().split(/\s+/);
    const part = $("part").value;
    const rows = videos.map((_, i) => i).filter((i) => videos[i].part === part && words.every((w) => items[i].words.includes(w)));
    const byName = (a, b) => (videos[a].id < videos[b].id ? -1 : 1);
    rows.sort((a, b) => {
      if (sort.name === "name") return byName(a, b);
      const [x, y] = [value(videos[a], sort), value(videos[b], sort)];
      if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y) || byName(a, b);
      return (sort.down ? y - x : x - y) || byName(a, b);
    });
    for (const i of rows) {
      const [item, number] = [items[i], sort.name === "name" ? NaN : value(videos[i], sort)];
      item.value_node.textContent = sort.shown ? sort.shown(videos[i]) : isNaN(number) ? "" : `${(100 * number).toFixed(0)} %`;
      item.bar.hidden = sort.place === undefined || isNaN(number);
      item.bar.className = `bar c-${methods[$("judge").value] ? methods[$("judge").value].colour : "ink"}`;
      item.bar.firstChild.style.width = `${100 * clamp(number || 0, 0, 1)}%`;
    }
    $("judged").hidden = sort.place === undefined;
    $("list").replaceChildren(...rows.map((i) => items[i]));
    $("count").textContent = `${rows.length} of ${videos.filter((v) => v.part === part).length} videos`;
    order = rows;
  }

  function step(by) {
    if (!order.length) return;
    const place = order.indexOf(current);
    open(order[place < 0 ? 0 : clamp(place + by, 0, order.length - 1)]);
  }

  // The timeline -------------------------------------------------------------------------------------------------

  const state = { video: null, from: 0, to: 1, klass: 0, cursor: null, least: 0 };
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
    Object.assign(state, { video, from: 0, to: video.duration, klass: 0, cursor: null });
    $("name").firstChild.textContent = video.id;
    const count = video.truth.length;
    $("facts").textContent = [
      length(video.duration),
      count ? `${count} instance${count > 1 ? "s" : ""}` : video.part === "training" ? "training video" : "no ground truth",
    ].join(" · ");
    try {
      history.replaceState(null, "", `#video=${encodeURIComponent(video.id)}`);
    } catch {
      // a name that no address can hold, or a page that may not change its own
    }
    const best = Math.max(0, ...decode(video).found.flat().map((d) => d.score));
    $("score").max = best > 0 ? best.toPrecision(2) : 1;
    $("score").step = best > 0 ? best / 100 : 0.01;
    showClasses();
    showLanes();
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
        button.setAttribute("aria-pressed", String(place === state.klass));
        button.addEventListener("click", () => {
          state.klass = place;
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
    const said = make("span");
    label.append(title, said);
    const canvas = make("canvas");
    canvas.style.height = `${height}px`;
    canvas.setAttribute("aria-hidden", "true");
    node.append(label, canvas);
    return { kind, node, canvas, said, colour, height, index };
  }

  function showLanes() {
    const { video } = state;
    const { curves, labels } = decode(video);
    lanes = [lane("axis", "", "", 20)];
    if (video.truth.length) lanes.push(lane("truth", "ground truth", "", 24));
    labels.forEach((_, i) => lanes.push(lane("student", `taught to ${students[i].toUpperCase()}`, students[i], 48, i)));
    if (video.counts) {
      methods.forEach((m, i) => shown[i] && lanes.push(lane("method", m.name, m.colour, curves[i] ? 92 : 34, i)));
    }
    lanes.push(lane("overview", "", "", 18));
    $("lanes").replaceChildren(...lanes.map((l) => l.node));
    $("methods").hidden = $("least").hidden = $("legend").hidden = !video.counts;
    $("taught").hidden = Boolean(video.counts);
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
      ({ axis, truth, student, method, overview })[one.kind](g, one, x, width);
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
    const k = state.video.classes[state.klass];
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

  const CURVES = 58; // height of the curves in a lane; detections lie below

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
      if (seen.cas[state.klass]) {
        trace(seen.cas[state.klass]);
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
    const k = state.video.classes[state.klass];
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

  // What the ground truth says of pseudo-labels: of snippets by their middle, whatever the class.
  function rightness(index) {
    const { video } = state;
    if (!video.truth.length) return "";
    const [count, first, pace] = video.labels;
    const labels = decode(video).labels[index];
    const [said, right] = [[0, 0, 0], [0, 0, 0]];
    for (let i = 0; i < count; i += 1) {
      const at = first + (i + 0.5) * pace;
      said[labels[i]] += 1;
      right[labels[i]] += video.truth.some((s) => s[1] <= at && at < s[2]) === (labels[i] === 2);
    }
    const share = (kind) => (said[kind] ? `${Math.round((100 * right[kind]) / said[kind])} %` : "none");
    return `${share(2)} of fg right\n${share(1)} of bg right`;
  }

  // Reading ------------------------------------------------------------------------------------------------------

  function say() {
    const { video, cursor, from, to } = state;
    const { curves, labels } = decode(video);
    const spoken = [];
    for (const one of lanes) {
      let text = "";
      if (one.kind === "overview") {
        text = to - from < video.duration - 1e-6 ? `${clock(from)} – ${clock(to)}` : "";
      } else if (cursor === null) {
        text = one.kind === "student" ? rightness(one.index) : "";
      } else if (one.kind === "axis") {
        text = clock(cursor);
      } else if (one.kind === "truth") {
        const here = video.truth.filter((s) => s[1] <= cursor && cursor < s[2]);
        text = [...new Set(here.map((s) => classes[s[0]]))].join(", ");
      } else if (one.kind === "student") {
        const [count, first, pace] = video.labels;
        const i = Math.floor((cursor - first) / pace);
        text = i >= 0 && i < count ? ["ignored", "background", "foreground"][labels[one.index][i]] : "";
      } else {
        const seen = curves[one.index];
        if (seen) {
          const [count, first, pace] = video.grids[one.index];
          const i = Math.floor((cursor - first) / pace);
          const cas = seen.cas[state.klass];
          if (i >= 0 && i < count) {
            text = `actionness ${(seen.actionness[i] / 255).toFixed(2)}\n` + (cas ? `class ${(cas[i] / 255).toFixed(2)}` : "");
          }
        }
        const d = of(one.index).find((f) => f.start <= cursor && cursor < f.end);
        if (d) text += `${text ? "\n" : ""}det. ${d.score.toFixed(2)}` + (video.truth.length ? `, tIoU ${d.tiou.toFixed(2)}` : "");
      }
      if (one.text !== text) {
        one.said.replaceChildren(...text.split("\n").flatMap((line, j) => (j ? [make("br"), line] : [line])));
        one.text = text;
      }
      if (text && one.kind !== "overview") spoken.push(`${one.node.firstChild.firstChild.textContent} ${text.replace(/\n/g, ", ")}`.trim());
    }
    $("timeline").dataset.from = from.toFixed(3);
    $("timeline").dataset.to = to.toFixed(3);
    return spoken.join("; ");
  }

  function showTable() {
    if (!$("table").open || !state.video.counts) {
      $("rows").replaceChildren();
      $("table").hidden = !state.video.counts;
      return;
    }
    $("table").hidden = false;
    const rows = methods.flatMap((m, i) => (shown[i] ? of(i).map((d) => [m, d]) : []));
    $("rows").replaceChildren(
      ...rows.map(([m, d]) => {
        const row = make("tr", `c-${m.colour}`);
        const who = make("td");
        const bdi = make("bdi");
        bdi.append(make("i"), m.name);
        who.append(bdi);
        const start = make("td");
        const button = make("button", "", clock(d.start));
        button.title = "Zoom to this detection";
        button.addEventListener("click", () => {
          const margin = d.end - d.start;
          look(d.start - margin, d.end + margin);
        });
        start.append(button);
        const verdict = state.video.truth.length ? [d.tiou.toFixed(2), d.right ? "true" : "false"] : ["", ""];
        row.append(who, start, ...[clock(d.end), d.score.toFixed(3), ...verdict].map((text) => make("td", "", text)));
        return row;
      })
    );
  }

  function showPlayer() {
    const player = $("player");
    const old = player.querySelector("video");
    if (old) {
      old.removeAttribute("src");
      old.load();
    }
    player.replaceChildren();
    if (!state.video.file) return;
    const film = make("video");
    Object.assign(film, { controls: true, preload: "metadata", playsInline: true, src: state.video.file });
    film.setAttribute("aria-label", `Video ${state.video.id}`);
    film.addEventListener("timeupdate", () => {
      state.cursor = clamp(film.currentTime, 0, state.video.duration);
      if (state.cursor < state.from || state.cursor > state.to) {
        const span = state.to - state.from;
        look(state.cursor, state.cursor + span);
      }
      paint();
    });
    film.addEventListener("error", () => {
      player.replaceChildren(make("p", "quiet", "The video file cannot be played in this browser."));
    });
    player.append(film);
  }

  const film = () => $("player").querySelector("video");

  // Moving -------------------------------------------------------------------------------------------------------

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

  const timeline = $("timeline");
  const pointers = new Map();
  let dragged = 0;
  let pinch = 0;

  timeline.addEventListener("pointerdown", (event) => {
    if (event.target.tagName !== "CANVAS") return;
    timeline.focus({ preventScroll: true });
    pointers.set(event.pointerId, event);
    timeline.setPointerCapture(event.pointerId);
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
      if (over(before, "overview")) move((by / width) * state.video.duration);
      else move((-by / width) * (state.to - state.from));
      pointers.set(event.pointerId, { clientX: event.clientX, target: before.target });
    }
    state.cursor = timeAt(event);
    paint();
  });
  const release = (event) => {
    if (pointers.delete(event.pointerId) && dragged < 4 && event.type === "pointerup") {
      const box = lanes[0].canvas.getBoundingClientRect();
      if (over(event, "overview")) {
        const at = ((event.clientX - box.left) / box.width) * state.video.duration;
        const span = state.to - state.from;
        look(at - span / 2, at + span / 2);
      } else if (film()) film().currentTime = timeAt(event);
    }
    pinch = 0;
  };
  const over = (event, kind) => lanes.some((l) => l.kind === kind && l.canvas === event.target);
  timeline.addEventListener("pointerup", release);
  timeline.addEventListener("pointercancel", release);
  timeline.addEventListener("pointerleave", () => {
    if (pointers.size || (film() && !film().paused)) return;
    state.cursor = null;
    paint();
  });
  timeline.addEventListener("dblclick", (event) => zoom(event.shiftKey ? 2.5 : 0.4, timeAt(event)));
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
    $("score_said").textContent = state.least.toFixed(2);
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
    // an address that was broken on its way
  }
  open(start);
})();
