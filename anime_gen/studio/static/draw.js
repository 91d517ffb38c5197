// Draw: a stroke at a time, each answered by a face.

import { finished } from "./faces.js";
import { offerKnobs, turned } from "./knobs.js";
import { wish } from "./talk.js";
import { asked, known, pick } from "./traits.js";
import { follow, make, offer, picture, seedByLot } from "./ui.js";

const panel = document.getElementById("draw");
const form = panel.querySelector("form");
const canvas = panel.querySelector("canvas");
const paper = canvas.getContext("2d");
const strip = panel.querySelector(".strip");
// Thumbnails that are shown, and waits whose median is.
const SHOWN = 40;
const INK = { pen: "#000", eraser: "#fff" };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const STEP = 8; // of an arrow key, in pixels of the paper

let run;
let strokes = [];
let at = null; // the stroke that is being drawn
let pen = [256, 256]; // of the keyboard
const waits = [];

export function start(all) {
  const runs = all.filter((one) => one.options.includes("sketch") && one.draws);
  if (!runs.length) {
    form.replaceChildren(make("p", {}, "None of these runs is told sketches: train one with --model.sketch=true, and start the studio with it."));
    return;
  }
  offer(form.run, runs, (chosen) => {
    run = chosen;
    pick(panel.querySelector(".traits"), known([run]), "draw");
    offerKnobs(panel.querySelector(".knobs"), run);
    draw();
  });
  form.onsubmit = (event) => event.preventDefault();
  form.seed.onchange = draw;
  panel.querySelector(".traits").addEventListener("click", () => setTimeout(draw));
  panel.querySelector(".knobs").onchange = draw;
  panel.querySelector(".lot").onclick = () => {
    form.seed.value = seedByLot();
    draw();
  };
  panel.querySelector(".undo").onclick = () => {
    strokes.pop();
    show();
    draw();
  };
  panel.querySelector(".empty-paper").onclick = () => {
    strokes = [];
    strip.replaceChildren();
    show();
    draw();
  };
  show();
}

function begin(x, y, share) {
  at = { tool: form.tool.value, width: Number(form.width.value), points: [[x, y, share]] };
  strokes.push(at);
  show();
}

function go(x, y, share) {
  at.points.push([x, y, share]);
  show();
}

function end() {
  at = null;
  draw();
}

// Paints all strokes; what the keyboard's pen is over is marked on the page, not on the paper.
function show() {
  paper.fillStyle = "#fff";
  paper.fillRect(0, 0, canvas.width, canvas.height);
  paper.lineCap = paper.lineJoin = "round";
  for (const { tool, width, points } of strokes) {
    paper.strokeStyle = INK[tool];
    const [first, ...rest] = points;
    let before = first;
    for (const point of rest.length ? rest : [first]) {
      paper.lineWidth = width * point[2];
      paper.beginPath();
      paper.moveTo(before[0], before[1]);
      paper.lineTo(point[0], point[1]);
      paper.stroke();
      before = point;
    }
  }
  panel.querySelector(".undo").disabled = !strokes.length;
  panel.querySelector(".paper").href = canvas.toDataURL("image/png");
}

// Where on the paper, and how hard: only a pen knows.
function place(event) {
  const box = canvas.getBoundingClientRect();
  const share = event.pointerType === "pen" ? 0.4 + 1.2 * event.pressure : 1;
  return [((event.clientX - box.left) / box.width) * canvas.width, ((event.clientY - box.top) / box.height) * canvas.height, share];
}

canvas.onpointerdown = (event) => {
  if (!event.isPrimary || event.button !== 0) return;
  event.preventDefault();
  canvas.setPointerCapture(event.pointerId);
  begin(...place(event));
};
canvas.onpointermove = (event) => {
  if (!at || !event.isPrimary || !canvas.hasPointerCapture(event.pointerId)) return;
  for (const one of event.getCoalescedEvents().concat(event)) at.points.push(place(one));
  show();
};
canvas.onpointerup = canvas.onpointercancel = (event) => { if (at && event.isPrimary) end(); };

canvas.onkeydown = (event) => {
  const way = ARROWS[event.key];
  if (event.key === " ") {
    event.preventDefault();
    if (at) end();
    else begin(...pen, 1);
  } else if (way) {
    event.preventDefault();
    pen = pen.map((part, axis) => Math.min(512, Math.max(0, part + STEP * way[axis])));
    if (at) go(...pen, 1);
    else say(`Pen at ${Math.round(pen[0] / 5.12)} % across, ${Math.round(pen[1] / 5.12)} % down`);
  } else if (event.key === "z" && (event.ctrlKey || event.metaKey)) panel.querySelector(".undo").click();
};
canvas.onblur = () => { if (at) end(); };

const say = (text) => { panel.querySelector(".status").textContent = text; };

function median(numbers) {
  const sorted = [...numbers].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)];
}

// A newer stroke replaces a wish that is still waiting or at work.
function draw() {
  if (!strokes.length) {
    panel.querySelector(".faces").replaceChildren();
    strip.hidden = document.getElementById("strokes-title").hidden = true;
    say("The paper is empty.");
    return;
  }
  const began = performance.now();
  const sketch = canvas.toDataURL("image/png");
  const words = asked(panel.querySelector(".traits"));
  const count = strokes.length;
  const settings = turned(panel.querySelector(".knobs"), run);
  const told = { words, settings, title: run.title, files: { "sketch.png": sketch } };
  const asking = { run: run.name, words, settings, seeds: [Number(form.seed.value)], sketch: sketch.split(",")[1] };
  wish("draw", asking, follow(panel, (event, status) => {
    if (event.event === "face") {
      waits.unshift(performance.now() - began);
      waits.length = Math.min(waits.length, SHOWN);
      panel.querySelector(".faces").replaceChildren(finished({ ...event, ...told }));
      const thumbnail = make("img", { src: picture(event.png), alt: `after ${count} ${count === 1 ? "stroke" : "strokes"}` });
      strip.prepend(thumbnail);
      while (strip.children.length > SHOWN) strip.lastChild.remove();
      strip.hidden = document.getElementById("strokes-title").hidden = false;
    }
    if (event.event === "done") {
      status.textContent = `${count} ${count === 1 ? "stroke" : "strokes"}; this one was answered in ${Math.round(waits[0])} ms, the median is ${Math.round(median(waits))} ms`;
    }
  }));
}
