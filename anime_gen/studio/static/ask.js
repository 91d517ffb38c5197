// Ask: traits, seeds and a sampler's settings; faces as they are made.

import { finished, kept, place } from "./faces.js";
import { offerKnobs, turned } from "./knobs.js";
import { cancel, wish } from "./talk.js";
import { asked, known, pick } from "./traits.js";
import { follow, make, offer, seedByLot, stopped } from "./ui.js";

const panel = document.getElementById("ask");
const form = panel.querySelector("form");
const grid = panel.querySelector(".faces");
let run;

export function start(runs) {
  const drawing = runs.filter((one) => one.draws);
  if (!drawing.length) {
    form.replaceWith(make("p", {}, "None of these runs draws faces from seeds: see the other tabs."));
    return;
  }
  offer(form.run, drawing, choose);
  form.onsubmit = (event) => {
    event.preventDefault();
    if (form.lot.checked) form.seed.value = seedByLot();
    draw({ first: Number(form.seed.value) });
  };
  panel.querySelector(".clear").onclick = () => {
    panel.querySelector(".traits").replaceChildren();
    choose(run);
  };
  panel.querySelector(".cancel").onclick = () => {
    cancel("ask");
    stopped(panel);
    grid.querySelectorAll("figure:has(progress)").forEach((figure) => figure.remove());
  };
  document.addEventListener("kept", showKept);
  showKept();
}

function choose(chosen) {
  run = chosen;
  pick(panel.querySelector(".traits"), known([run]), "ask");
  const told = Object.keys(run.groups).length + run.tags.length;
  panel.querySelector(".about").textContent =
    `${run.family}, ${run.size} pixels, after ${run.images.toLocaleString("en")} training pictures` +
    (told ? "." : "; it is told nothing: only seeds change its faces.");
  panel.querySelector(".caption").hidden = !run.options.includes("caption");
  offerKnobs(panel.querySelector(".knobs"), run);
}

const caption = () => (form.caption.parentElement.hidden ? "" : form.caption.value);

function draw({ first, near, words = asked(panel.querySelector(".traits")), settings = turned(form, run), by = run, said = caption() }) {
  const seeds = Array.from({ length: Number(form.count.value) }, (_, place) => first + place);
  const what = { run: by.name, words, caption: said, settings, seeds, ...(near === undefined ? {} : { near }) };
  const places = seeds.map((seed) => place(`seed ${seed}`, more));
  grid.replaceChildren(...places.map((one) => one.figure));
  panel.querySelector(".status").scrollIntoView({ block: "nearest" }); // on a phone it is below
  let made = 0;
  wish("ask", what, follow(panel, (event, status) => {
    if (event.event === "preview" || event.event === "done_so_far") places[event.place].preview(event);
    if (event.event === "face") {
      made += 1;
      status.textContent = `${made} of ${seeds.length} faces`;
      places[event.place].done({ ...event, words, said, settings, near, title: by.title });
    }
    if (event.event === "done") status.textContent = `${made} faces of ${by.title}. Press one to see how it is drawn again.`;
    if (event.event === "error") places.filter((one) => one.figure.querySelector("progress")).forEach((one) => one.figure.remove());
  }));
}

// Variations of a face: its own seed, led elsewhere a little; those of a variation are its origin's.
function more(face) {
  const by = [...form.run.options].some((option) => option.value === face.run) ? { name: face.run, title: face.title } : run;
  draw({ first: seedByLot(), near: face.near ?? face.seed, words: face.words, settings: face.settings, by, said: face.said });
}

function showKept() {
  const shelf = panel.querySelector(".kept");
  const all = kept();
  shelf.hidden = !all.length;
  shelf.querySelector(".faces").replaceChildren(...all.map((face) => finished(face, more)));
}
