// Helpers of all scripts, and decoding of a video's bytes. All scripts run as one function, in the order of `build.py`.
// Names come from untrusted files: they are set as text, never as markup.

const DATA = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const { videos, methods, classes, students, activity } = DATA;
if (!videos.length) return;

const timeline = $("timeline");

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
