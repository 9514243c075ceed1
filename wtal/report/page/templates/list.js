// The list of videos: searching and sorting.

// Positions in `errors`: the order of ErrorProfile's fields.
const [FALSE, MISSED, COMPLETE, BACKGROUND] = [0, 1, 2, 3];
const SORTS = [
  { name: "most missed", place: MISSED, down: true },
  { name: "most over-complete", place: BACKGROUND, down: true },
  { name: "most false time", place: FALSE, down: true },
  { name: "least complete", place: COMPLETE, down: false },
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

// Offer only what the videos of this part can be sorted by, and keep the choice if possible.
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
