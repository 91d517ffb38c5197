// Place landmarks: 24 points on a face; the face follows.

import { finished } from "./faces.js";
import { offerKnobs, turned } from "./knobs.js";
import { wish } from "./talk.js";
import { asked, known, pick } from "./traits.js";
import { follow, make, offer, picture, seedByLot } from "./ui.js";

const panel = document.getElementById("place");
const form = panel.querySelector("form");
const stage = panel.querySelector(".stage");
const svg = stage.querySelector("svg");
// What is joined by lines, so that 24 points look like a face.
const LINES = [
  ["left_brow_outer", "left_brow_middle", "left_brow_inner"],
  ["right_brow_outer", "right_brow_middle", "right_brow_inner"],
  ["left_eye_outer", "left_eye_top", "left_eye_inner", "left_eye_bottom", "left_eye_outer"],
  ["right_eye_outer", "right_eye_top", "right_eye_inner", "right_eye_bottom", "right_eye_outer"],
  ["mouth_left", "mouth_top", "mouth_right", "mouth_bottom", "mouth_left"],
  ["face_left", "chin", "face_right"],
];
// A press takes the nearest point within this share of the stage.
const REACH = 0.1;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

let template;
let points = {};
let run;
let busy = false;
let again = false;
const buttons = {};

export async function start(all) {
  const runs = all.filter((one) => one.options.includes("landmarks") && one.draws);
  if (!runs.length) {
    form.replaceChildren(make("p", {}, "None of these runs is told landmarks: start the studio with one that is, such as a run of diffusion."));
    return;
  }
  template = await (await fetch("/static/template.json")).json();
  for (const name of Object.keys(template)) {
    const button = make("button", { type: "button", className: "point" });
    button.onkeydown = (event) => {
      const way = ARROWS[event.key];
      if (!way) return;
      event.preventDefault();
      const step = event.shiftKey ? 0.05 : 0.01;
      move(name, points[name][0] + step * way[0], points[name][1] + step * way[1]);
    };
    buttons[name] = button;
    stage.append(button);
  }
  reset();
  offer(form.run, runs, (chosen) => {
    run = chosen;
    pick(panel.querySelector(".traits"), known([run]), "place");
    offerKnobs(panel.querySelector(".knobs"), run);
    if (!panel.hidden) draw();
  });
  // The first face is drawn when somebody comes to look.
  new MutationObserver(() => { if (!panel.hidden && !panel.querySelector("figure")) draw(); }).observe(panel, { attributeFilter: ["hidden"] });
  if (!panel.hidden) draw();
  form.onsubmit = (event) => event.preventDefault();
  form.seed.onchange = draw;
  panel.querySelector(".traits").addEventListener("click", () => setTimeout(draw));
  panel.querySelector(".knobs").onchange = draw;
  form.under.onchange = () => stage.classList.toggle("bare", !form.under.checked);
  panel.querySelector(".lot").onclick = () => {
    form.seed.value = seedByLot();
    draw();
  };
  panel.querySelector(".reset").onclick = () => {
    reset();
    draw();
  };
  form.file.onchange = load;
}

function reset() {
  points = structuredClone(template);
  show();
}

function show() {
  for (const [name, [x, y]] of Object.entries(points)) {
    buttons[name].style.left = `${100 * x}%`;
    buttons[name].style.top = `${100 * y}%`;
    buttons[name].setAttribute("aria-label", `${name.replaceAll("_", " ")}: ${Math.round(100 * x)} % across, ${Math.round(100 * y)} % down`);
  }
  svg.replaceChildren(...LINES.map((names) => {
    const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    line.setAttribute("points", names.map((name) => points[name].map((part) => 100 * part).join(",")).join(" "));
    return line;
  }));
  panel.querySelector(".points").href = file();
}

const file = () => `data:application/json,${encodeURIComponent(JSON.stringify(points))}`;

function twin(name) {
  if (name.includes("left")) return name.replace("left", "right");
  return name.includes("right") ? name.replace("right", "left") : null;
}

function move(name, x, y) {
  const inside = (part) => Math.round(1000 * Math.min(1, Math.max(0, part))) / 1000;
  points[name] = [inside(x), inside(y)];
  const other = form.both.checked && twin(name);
  if (other) points[other] = [inside(1 - x), inside(y)];
  show();
  draw();
}

function at(event) {
  const box = stage.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
}

stage.onpointerdown = (event) => {
  const [x, y] = at(event);
  const far = (name) => Math.hypot(points[name][0] - x, points[name][1] - y);
  const nearest = Object.keys(points).reduce((one, other) => (far(other) < far(one) ? other : one));
  if (far(nearest) > REACH) return;
  event.preventDefault();
  stage.setPointerCapture(event.pointerId);
  buttons[nearest].focus();
  stage.onpointermove = (moved) => move(nearest, ...at(moved));
};
stage.onpointerup = stage.onpointercancel = () => { stage.onpointermove = null; };

async function load() {
  const error = panel.querySelector(".error");
  const [chosen] = form.file.files;
  if (!chosen) return;
  try {
    const read = JSON.parse(await chosen.text());
    const found = Object.entries(read.landmarks || read).filter(([name, point]) => name in template && point.length === 2 && point.every((part) => part >= 0 && part <= 1));
    if (!found.length) throw new Error();
    points = { ...points, ...Object.fromEntries(found) };
    error.textContent = "";
    show();
    draw();
  } catch {
    error.textContent = `${chosen.name} holds no landmarks: give JSON such as {"nose": [0.5, 0.55]}, in shares of the picture.`;
  }
}

// One face is at work at a time; when it is there, the newest points are next. A hand that goes on sees every face.
function draw() {
  again = busy;
  if (busy) return;
  busy = true;
  const words = asked(panel.querySelector(".traits"));
  const seed = Number(form.seed.value);
  const settings = turned(panel.querySelector(".knobs"), run);
  const asking = { run: run.name, words, settings, seeds: [seed], landmarks: points };
  const told = { words, settings, title: run.title, files: { "landmarks.json": file() } };
  wish("place", asking, follow(panel, (event, status) => {
    if (event.event === "face") {
      stage.style.backgroundImage = `url(${picture(event.png)})`;
      panel.querySelector(".faces").replaceChildren(finished({ ...event, ...told }));
    }
    if (event.event !== "done" && event.event !== "error") return;
    if (event.event === "done") status.textContent = "The face is as the points are.";
    busy = false;
    if (again) draw();
  }));
}
