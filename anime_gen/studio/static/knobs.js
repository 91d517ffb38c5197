// The numbers of a run's sampler that can be turned.

import { make } from "./ui.js";

// Shows them in a <details>.
export function offerKnobs(place, run) {
  place.hidden = !run.knobs.length;
  place.querySelector("div").replaceChildren(...run.knobs.map((knob, number) => {
    const yes = typeof knob.value === "boolean";
    const input = make("input", { type: yes ? "checkbox" : "number", step: knob.whole ? 1 : "any", title: knob.help });
    if (yes) input.checked = knob.value;
    else input.value = knob.value;
    input.dataset.knob = number;
    return make("label", { className: yes ? "check" : "", title: knob.help }, ...(yes ? [input, knob.name] : [knob.name, input]));
  }));
}

// Those that are not as the run itself has them.
export function turned(place, run) {
  const settings = {};
  for (const input of place.querySelectorAll("[data-knob]")) {
    const knob = run.knobs[input.dataset.knob];
    const value = input.type === "checkbox" ? input.checked : Number(input.value);
    if (value !== knob.value) settings[knob.name] = value;
  }
  return settings;
}
