// Words to click: one of each exclusive group, and tags that must be there, must not be, or are open.

import { make } from "./ui.js";

const COLOURS = {
  aqua: "#4fd6d6", black: "#22222a", blonde: "#f0d27a", blue: "#3f6fd8", brown: "#7b4a2b", green: "#3e9e57",
  grey: "#8d8d98", orange: "#ef8a35", pink: "#f79ac0", purple: "#8a55c7", red: "#cf3a3a", silver: "#cfd3dc",
  white: "#ffffff", yellow: "#f2d13c",
};
const NEXT = { open: "with", with: "without", without: "open" };
const SAID = { open: "open", with: "must be there", without: "must not be there" };
const MARK = { open: "", with: "+ ", without: "− " };

// Words that some runs know: {groups: {hair: [...]}, tags: [...]}, each once.
export function known(runs) {
  const groups = {};
  const tags = new Set();
  for (const run of runs) {
    for (const [group, words] of Object.entries(run.groups)) {
      groups[group] = [...new Set([...(groups[group] || []), ...words])];
    }
    for (const tag of run.tags) tags.add(tag);
  }
  return { groups, tags: [...tags] };
}

function swatch(word) {
  const colour = COLOURS[word.split(/[ =]/)[0]];
  if (!colour || !/ (hair|eyes)$/.test(word)) return "";
  const dot = make("span", { className: "swatch" });
  dot.style.background = colour;
  return dot;
}

function group(name, title, words, chosen) {
  const chips = ["", ...words].map((word) => {
    const radio = make("input", { type: "radio", name, value: word, checked: word === chosen });
    const shown = word.includes("=") ? word.split("=")[1] : word.replace(/ (hair|eyes)$/, "");
    return make("label", { className: "chip" }, radio, swatch(word), word ? shown : "any");
  });
  return make("fieldset", {}, make("legend", {}, title), make("div", { className: "chips" }, ...chips));
}

function tag(word, state) {
  const chip = make("button", { type: "button", className: "chip", value: word });
  const show = (now) => {
    chip.dataset.state = now;
    chip.textContent = MARK[now] + word;
    chip.setAttribute("aria-label", `${word}: ${SAID[now]}`);
  };
  chip.onclick = () => show(NEXT[chip.dataset.state]);
  show(state);
  return chip;
}

// Shows a picker in `place`; what was chosen before stays where it is known. `id` keeps its radio buttons apart.
export function pick(place, words, id) {
  const before = new Set(asked(place).split(", "));
  const groups = Object.entries(words.groups).map(([name, some]) =>
    group(`${id}-${name}`, name.replaceAll("_", " "), some, some.find((word) => before.has(word)) || ""));
  const state = (word) => (before.has(word) ? "with" : before.has(`-${word}`) ? "without" : "open");
  const chips = words.tags.map((word) => tag(word, state(word)));
  const title = "tags: press once for “must be there”, twice for “must not”";
  const rest = make("details", {}, make("summary", {}, title), make("div", { className: "chips" }, ...chips));
  rest.open = chips.length <= 60 && matchMedia("(min-width: 641px)").matches;
  place.replaceChildren(...groups, ...(chips.length ? [rest] : []));
}

// What is chosen, in the words of `anime-gen sample --tags`.
export function asked(place) {
  const classes = [...place.querySelectorAll("input:checked")].map((radio) => radio.value).filter(Boolean);
  const tags = [...place.querySelectorAll("button[data-state]")];
  const present = tags.filter((chip) => chip.dataset.state === "with").map((chip) => chip.value);
  const absent = tags.filter((chip) => chip.dataset.state === "without").map((chip) => `-${chip.value}`);
  return [...classes, ...present, ...absent].join(", ");
}
