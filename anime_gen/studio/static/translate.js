// Translate: a photo becomes an anime face, with a word on how far to trust it.

import { cancel, wish } from "./talk.js";
import { follow, make, offer, picture, stopped } from "./ui.js";

const panel = document.getElementById("translate");
const form = panel.querySelector("form");
const shown = panel.querySelector(".translated");
const trust = panel.querySelector(".trust");
// As the studio's: see uploads.py.
const MOST_BYTES = 12 * 2 ** 20;
let run;

export function start(all) {
  const runs = all.filter((one) => one.translates);
  if (!runs.length) {
    form.replaceChildren(make("p", {}, "None of these runs translates photos: start the studio with one that does, such as a run of cyclegan."));
    return;
  }
  offer(form.run, runs, (chosen) => { run = chosen; });
  form.onsubmit = (event) => {
    event.preventDefault();
    send();
  };
  form.photo.onchange = send;
  panel.querySelector(".cancel").onclick = () => {
    cancel("translate");
    stopped(panel);
  };
}

const inBase64 = (file) => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve(reader.result.split(",")[1] || "");
  reader.onerror = reject;
  reader.readAsDataURL(file);
});

async function send() {
  const error = panel.querySelector(".error");
  const [photo] = form.photo.files;
  shown.replaceChildren();
  trust.textContent = error.textContent = "";
  if (!photo) {
    error.textContent = "Choose a photo first.";
    return;
  }
  if (photo.size > MOST_BYTES) {
    error.textContent = `${photo.name} is larger than 12 MiB; choose a smaller one.`;
    return;
  }
  const content = await inBase64(photo);
  wish("translate", { run: run.name, picture: content }, follow(panel, (event, status) => {
    if (event.event === "translated") show(event);
    if (event.event === "done") status.textContent = "";
  }));
}

function show(event) {
  const figure = (png, alt, said, name) => make("figure", {},
    make("img", { className: "picture", src: picture(png), alt }), make("figcaption", {}, said),
    ...(name ? [make("a", { className: "button", href: picture(png), download: name }, "Download PNG")] : []));
  shown.replaceChildren(
    figure(event.photo, "the photo, framed as the run's own are", event.face ? "the face that was found" : "no face was found: the centre"),
    figure(event.png, `anime face by ${run.title}`, run.title, "translation.png"));
  const measured = `What comes back of it is ${event.cycle_error.toFixed(0)} levels of 255 off; of 99 in 100 held-out photos at most ${event.usually.toFixed(0)}.`;
  trust.className = event.confidence === "low" ? "trust low" : "trust";
  trust.textContent = event.confidence === "low" ? `Low confidence: ${event.reasons.join("; ")}.` : `Usual confidence. ${measured}`;
}
