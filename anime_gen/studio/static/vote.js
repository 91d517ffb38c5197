// Vote: which of two is better, without names; and what all votes say.

import { wish } from "./talk.js";
import { follow, make, picture } from "./ui.js";

const panel = document.getElementById("vote");
const [left, right] = panel.querySelectorAll(".sides .faces");
const choices = panel.querySelector(".choices");
const names = panel.querySelector(".names");
const next = panel.querySelector(".next");
let ticket;
let titles = {};

export function start(runs) {
  const drawing = runs.filter((run) => run.draws);
  titles = Object.fromEntries(runs.map((run) => [run.name, run.title]));
  choices.hidden = true;
  if (drawing.length < 2) {
    next.hidden = true;
    names.textContent = "A vote needs two runs that draw faces: start the studio with more.";
    return;
  }
  next.onclick = show;
  choices.onclick = (event) => event.target.value && cast(event.target.value);
  wish("ranking", {}, (event) => event.event === "ranking" && rank(event));
}

function show() {
  names.textContent = "";
  choices.hidden = next.hidden = true;
  for (const side of [left, right]) side.replaceChildren();
  wish("pair", {}, follow(panel, (event, status) => {
    if (event.event === "pair") {
      ticket = event.ticket;
      panel.querySelector(".wished").textContent = event.words ? `Wished for: ${event.words.replace(/\w+=/g, "")}` : "Any face";
      for (const side of [left, right]) {
        side.replaceChildren(...Array.from({ length: event.count }, () => make("div", { className: "empty" })));
      }
    }
    if (event.event === "face") {
      const side = event.side === "left" ? left : right;
      side.children[event.place].replaceWith(make("img", { src: picture(event.png), alt: `face ${event.place + 1} on the ${event.side}` }));
    }
    if (event.event === "done") {
      status.textContent = "Which is better?";
      choices.hidden = false;
      choices.querySelector("button").focus();
    }
    if (event.event === "error") next.hidden = false;
  }));
}

function cast(chosen) {
  choices.hidden = true;
  wish("vote", { ticket, chosen }, follow(panel, (event, status) => {
    if (event.event === "names") names.textContent = `Left was ${titles[event.left]}, right was ${titles[event.right]}.`;
    if (event.event === "ranking") rank(event);
    if (event.event === "done" || event.event === "error") {
      if (event.event === "done") status.textContent = "";
      next.textContent = "Next pair";
      next.hidden = false;
      next.focus();
    }
  }));
}

function rank({ votes, places }) {
  const percent = (share) => `${Math.round(100 * share)} %`;
  const rows = places.map((one) => {
    const bar = make("div", { className: "interval", role: "img", "aria-label": `from ${percent(one.low)} to ${percent(one.high)}` }, make("span"), make("i"));
    const [range, point] = bar.children;
    range.style.left = percent(one.low).replace(" ", "");
    range.style.width = `${100 * (one.high - one.low)}%`;
    point.style.left = `${100 * one.preferred}%`;
    return make("tr", {}, make("th", { scope: "row" }, titles[one.run] || one.run.split("/").slice(-2).join("/")), make("td", {}, percent(one.preferred)),
      make("td", {}, bar), make("td", {}, String(one.votes)));
  });
  const head = make("tr", {}, ...["run", "preferred", "95 % interval", "votes"].map((name) => make("th", { scope: "col" }, name)));
  panel.querySelector(".ranking").replaceChildren(
    make("div", { className: "wide", tabIndex: 0, role: "region", "aria-label": "ranking" },
      make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows))),
    make("p", { className: "hint" }, `${votes} ${votes === 1 ? "vote" : "votes"} so far. `, make("span", {}, "anime-gen votes FILE exports them.")));
}
