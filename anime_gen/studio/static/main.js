// The page: its tabs, and the runs that are served.

import * as ask from "./ask.js";
import * as compare from "./compare.js";
import * as draw from "./draw.js";
import * as place from "./place.js";
import { wish } from "./talk.js";
import * as translate from "./translate.js";
import * as vote from "./vote.js";

const TABS = { ask, compare, vote, place, draw, translate };
const tabs = [...document.querySelectorAll("[role=tab]")];

function show(tab) {
  for (const one of tabs) {
    const chosen = one === tab;
    one.setAttribute("aria-selected", chosen);
    one.tabIndex = chosen ? 0 : -1;
    document.getElementById(one.getAttribute("aria-controls")).hidden = !chosen;
  }
  history.replaceState(null, "", `#${tab.getAttribute("aria-controls")}`);
}

for (const [place, tab] of tabs.entries()) {
  tab.onclick = () => show(tab);
  tab.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(place + step + tabs.length) % tabs.length];
    show(next);
    next.focus();
  };
}
show(tabs.find((tab) => location.hash === `#${tab.getAttribute("aria-controls")}`) || tabs[0]);

// The shortest end of each name that tells the runs apart.
function titled(runs) {
  const ends = runs.map((run) => run.name.replace(/\/$/, "").split("/").slice(-2).join("/"));
  return runs.map((run, place) => ({ ...run, title: ends.filter((end) => end === ends[place]).length > 1 ? run.name : ends[place] }));
}

const runs = [];
const status = document.querySelector("#ask .status");
wish("runs", {}, (event) => {
  if (event.event === "step") status.textContent = `${event.text} …`;
  if (event.event === "waiting") status.textContent = `Waiting in line: ${event.ahead} before you`;
  if (event.event === "error") document.querySelector("#ask .error").textContent = event.text;
  if (event.event === "run") runs.push(event);
  if (event.event === "broken") document.querySelector("#ask .error").textContent = event.text;
  if (event.event === "done") {
    status.textContent = "";
    const all = titled(runs);
    for (const tab of Object.values(TABS)) tab.start(all);
    document.querySelectorAll("form").forEach((form) => { form.inert = false; });
    document.body.dataset.ready = "yes";
  }
});
