// Compare: one wish through all runs, and what each was scored.

import { place } from "./faces.js";
import { cancel, wish } from "./talk.js";
import { asked, known, pick } from "./traits.js";
import { follow, make, stopped } from "./ui.js";

const panel = document.getElementById("compare");
const form = panel.querySelector("form");

export function start(all) {
  const runs = all.filter((run) => run.draws);
  if (!runs.length) {
    form.replaceChildren(make("p", {}, "None of these runs draws faces from seeds."));
    return;
  }
  const traits = panel.querySelector(".traits");
  pick(traits, known(runs), "compare");
  form.onsubmit = (event) => {
    event.preventDefault();
    draw(runs, asked(traits));
  };
  panel.querySelector(".clear").onclick = () => {
    traits.replaceChildren();
    pick(traits, known(runs), "compare");
  };
  panel.querySelector(".cancel").onclick = () => {
    cancel("compare");
    stopped(panel);
    panel.querySelectorAll(".runs figure:has(progress)").forEach((figure) => figure.remove());
  };
}

function draw(runs, words) {
  const seeds = Array.from({ length: Number(form.count.value) }, (_, more) => Number(form.seed.value) + more);
  const shown = {};
  panel.querySelector(".runs").replaceChildren(...runs.map((run) => {
    const places = seeds.map((seed) => place(`seed ${seed} of ${run.title}`));
    const says = make("p", { className: "hint" });
    shown[run.name] = { run, places, says, told: words };
    const about = `${run.family}, ${run.size} px, ${run.images.toLocaleString("en")} training pictures`;
    return make("section", { className: "of-run" }, make("h2", {}, run.title), make("p", { className: "hint" }, about), says,
      make("div", { className: "faces" }, ...places.map((one) => one.figure)));
  }));
  panel.querySelector(".status").scrollIntoView({ block: "nearest" }); // on a phone it is below
  let made = 0;
  wish("compare", { words, seeds }, follow(panel, (event, status) => {
    const of = shown[event.run];
    if (event.event === "scores") showScores(event, runs);
    if (event.event === "ignores") {
      of.told = event.words;
      of.says.textContent = (event.words ? `Told: ${event.words}. ` : "Told nothing. ") +
        (event.ignored.length ? `Ignores: ${event.ignored.join(", ")}.` : "");
    }
    if (event.event === "preview" || event.event === "done_so_far") of.places[event.place].preview(event);
    if (event.event === "face") {
      made += 1;
      status.textContent = `${made} of ${seeds.length * runs.length} faces`;
      of.places[event.place].done({ ...event, words: of.told, settings: {}, title: of.run.title });
    }
    if (event.event === "done") status.textContent = `${made} faces by ${runs.length} ${runs.length === 1 ? "run" : "runs"}.`;
    if (event.event === "error") panel.querySelectorAll(".runs figure:has(progress)").forEach((figure) => figure.remove());
  }));
}

function showScores({ rows, runs: names }, runs) {
  const section = panel.querySelector(".scores");
  section.hidden = !rows.length;
  const titles = names.map((name) => (runs.find((run) => run.name === name) || { title: name }).title);
  const head = make("tr", {}, make("th", { scope: "col" }, "score"),
    ...titles.map((title) => make("th", { scope: "col" }, title)), make("th", { scope: "col" }, "real pictures"));
  const body = rows.flatMap((row) => {
    const measured = row.differs
      ? make("p", { className: "error" }, `Not to be compared: ${row.differs}`)
      : make("details", {}, make("summary", {}, "how it was measured"), make("p", { className: "hint" }, row.protocol || "not scored"));
    const about = make("td", { colSpan: names.length + 2 }, make("p", { className: "hint" }, row.meaning), measured);
    return [
      make("tr", {}, make("th", { scope: "row" }, row.name), ...[...row.cells, row.real || "–"].map((cell) => make("td", {}, cell))),
      make("tr", { className: "about-score" }, about),
    ];
  });
  section.querySelector("table").replaceChildren(make("thead", {}, head), make("tbody", {}, ...body));
}
