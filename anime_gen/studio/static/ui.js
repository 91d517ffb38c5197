// What every tab shows: elements, where a wish stands, files.

// make("p", {className: "hint"}, "text", child) -> an element.
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

export const picture = (png) => `data:image/png;base64,${png}`;

// Says where a wish stands in a panel's lines, and shows its cancel button while there is something to cancel.
export function follow(panel, hear) {
  const status = panel.querySelector(".status");
  const error = panel.querySelector(".error");
  const cancel = panel.querySelector(".cancel");
  error.textContent = "";
  status.textContent = "Asking …";
  if (cancel) cancel.hidden = false;
  return (event) => {
    if (event.event === "waiting") {
      status.textContent = `Waiting in line: ${event.ahead} ${event.ahead === 1 ? "wish" : "wishes"} before yours`;
    } else if (event.event === "begun") status.textContent = "Working …";
    else if (event.event === "step") status.textContent = `${event.text} …`;
    else if (event.event === "error") {
      status.textContent = "";
      error.textContent = event.text[0].toUpperCase() + event.text.slice(1);
    }
    if (cancel && (event.event === "done" || event.event === "error")) cancel.hidden = true;
    hear(event, status);
  };
}

export function stopped(panel) {
  panel.querySelector(".status").textContent = "Cancelled.";
  panel.querySelector(".cancel").hidden = true;
}

export const seedByLot = () => Math.floor(Math.random() * 1e6);

// A number for people: 0.4 s, 12 s.
export const inSeconds = (seconds) => `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;

// Fills a <select> with runs, and calls `chosen` with the one that is.
export function offer(select, runs, chosen) {
  select.replaceChildren(...runs.map((run) => make("option", { value: run.name }, run.title)));
  const tell = () => chosen(runs.find((run) => run.name === select.value));
  select.onchange = tell;
  tell();
}
