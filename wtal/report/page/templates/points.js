// Points clicked in the timeline: one in each instance, kept in the browser and exported as the table that training reads.

const TITLE = document.querySelector("h1").textContent;
const KEPT = `wtal points of ${TITLE}`;
const clicked = new Map(videos.map((v) => [v.id, (v.points || []).map(([label, time]) => ({ label, time }))]));
let clicking = false;

try {
  const kept = JSON.parse(localStorage.getItem(KEPT) || "[]");
  for (const [id, name, time] of kept) {
    const label = classes.indexOf(name);
    const points = clicked.get(id);
    if (points && label >= 0 && !points.some((p) => p.label === label && p.time === time)) points.push({ label, time });
  }
} catch {
  // the browser keeps nothing for pages that are files, or something else was kept under this name
}

const inOrder = () => [...clicked].flatMap(([id, points]) => [...points].sort((a, b) => a.time - b.time).map((p) => [id, classes[p.label], p.time]));

function keep() {
  try {
    localStorage.setItem(KEPT, JSON.stringify(inOrder()));
  } catch {
    // as above: the points live as long as the page is open
  }
  showPoints();
}

function showPoints() {
  const here = state.video ? clicked.get(state.video.id).length : 0;
  const all = inOrder().length;
  $("point_count").textContent = all ? `${here} here, ${all} in all` : "none yet";
  $("point_export").disabled = !all;
}

// A point near the place is taken away; otherwise one of the chosen class is added.
function clickAt(time, near) {
  const points = clicked.get(state.video.id);
  const label = Number($("point_class").value);
  const place = points.findIndex((p) => p.label === label && Math.abs(p.time - time) <= near);
  if (place >= 0) points.splice(place, 1);
  else points.push({ label, time: Math.round(time * 1000) / 1000 });
  keep();
  if (!lanes.some((l) => l.kind === "points")) showLanes();
  paint();
}

function points(g, one, x) {
  shade(g, one, x);
  const k = Number($("point_class").value);
  g.fillStyle = ink.hair;
  g.fillRect(0, one.height - 4, one.canvas.clientWidth, 1);
  for (const p of clicked.get(state.video.id)) {
    g.fillStyle = p.label === k ? ink.focus : ink.soft;
    g.beginPath();
    g.arc(x(p.time), one.height / 2, p.label === k ? 5 : 3, 0, 2 * Math.PI);
    g.fill();
  }
}

const cell = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const asTable = () => ["video,label,time", ...inOrder().map(([id, name, time]) => `${cell(id)},${cell(name)},${time.toFixed(3)}`)].join("\n") + "\n";

classes.forEach((name, k) => {
  const option = make("option", "", name);
  option.value = k;
  $("point_class").append(option);
});
$("point_class").addEventListener("change", paint);
$("point_mode").addEventListener("change", () => {
  clicking = $("point_mode").checked;
  timeline.classList.toggle("clicking", clicking);
  showLanes();
});
$("point_export").addEventListener("click", () => {
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([asTable()], { type: "text/csv" }));
  link.download = "points.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});
