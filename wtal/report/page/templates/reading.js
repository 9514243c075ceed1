// The timeline in words: values under the cursor, the table of detections, and the film beside it.

// Errors of a method in this video, shown while there is no cursor.
function verdict(index) {
  const errors = state.video.errors && state.video.errors[index];
  const lines = errors ? [["missed", errors[MISSED]], ["background", errors[BACKGROUND]]] : [];
  return lines.filter((line) => line[1] !== null).map(([name, share]) => `${name} ${Math.round(100 * share)} %`).join("\n");
}

function counts() {
  const ignored = instances().filter((one) => one[4]).length;
  const count = instances().length - ignored;
  return `${count} instance${count === 1 ? "" : "s"}` + (ignored ? `\n${ignored} ignored` : "");
}

function say() {
  const { video, cursor, from, to } = state;
  const { curves, labels } = decode(video);
  const spoken = [];
  for (const one of lanes) {
    let text = "";
    if (one.kind === "overview") {
      text = to - from < video.duration - 1e-6 ? `${clock(from)} – ${clock(to)}` : "";
    } else if (cursor === null) {
      text = one.kind === "student" ? rightness(one.index) : one.kind === "taught" ? counts() : one.kind === "method" ? verdict(one.index) : "";
    } else if (one.kind === "axis") {
      text = clock(cursor);
    } else if (one.kind === "truth") {
      const here = video.truth.filter((s) => s[1] <= cursor && cursor < s[2]);
      text = [...new Set(here.map((s) => classes[s[0]]))].join(", ");
    } else if (one.kind === "taught") {
      const here = instances().find((i) => i[1] <= cursor && cursor < i[2]);
      text = here ? (here[4] ? "ignored" : `weight ${here[3].toFixed(2)}`) : "";
    } else if (one.kind === "points") {
      const near = clicked.get(video.id).find((p) => Math.abs(p.time - cursor) <= (5 / one.canvas.clientWidth) * (to - from));
      text = near ? classes[near.label] : "";
    } else if (one.kind === "student") {
      const [count, first, pace] = video.labels;
      const i = Math.floor((cursor - first) / pace);
      text = i >= 0 && i < count ? ["ignored", "background", "foreground"][labels[one.index][i]] : "";
    } else {
      const seen = curves[one.index];
      if (seen) {
        const [count, first, pace] = video.grids[one.index];
        const i = Math.floor((cursor - first) / pace);
        const cas = seen.cas[state.classIndex];
        if (i >= 0 && i < count) {
          text = `${activity} ${(seen.actionness[i] / 255).toFixed(2)}\n` + (cas ? `class ${(cas[i] / 255).toFixed(2)}` : "");
        }
      }
      const d = of(one.index).find((f) => f.start <= cursor && cursor < f.end);
      if (d) text += `${text ? "\n" : ""}det. ${d.score.toFixed(2)}` + (video.truth.length ? `, tIoU ${d.tiou.toFixed(2)}` : "");
    }
    if (one.text !== text) {
      one.note.replaceChildren(...text.split("\n").map((line) => make("em", "", line)));
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
