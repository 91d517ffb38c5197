// A face: made before your eyes, looked at, kept, downloaded, drawn again.

import { inSeconds, make, picture } from "./ui.js";

const dialog = document.getElementById("face");
const SHELF = "anime_gen studio: kept";
const NO_ROOM = "This browser keeps no more: let another face go first.";
let shown = null;

document.addEventListener("kept", () => document.querySelectorAll(".star").forEach((star) => star.refresh()));

// What is kept; nothing where this browser keeps nothing.
export function kept() {
  try {
    return JSON.parse(localStorage.getItem(SHELF) || "[]");
  } catch {
    return [];
  }
}

// Keeps a face, or lets it go; false where this browser has no room.
export function keep(face) {
  const others = kept().filter((one) => one.png !== face.png);
  const rest = others.length < kept().length ? others : [face, ...others];
  try {
    localStorage.setItem(SHELF, JSON.stringify(rest));
  } catch {
    return false;
  }
  document.dispatchEvent(new Event("kept"));
  return true;
}

const isKept = (face) => kept().some((one) => one.png === face.png);

export function words(face) {
  const what = [[face.words, face.said].filter(Boolean).join("; ") || "a face", `seed ${face.seed}`];
  if (face.near !== undefined) what.push(`near ${face.near}`);
  return `${what.join(", ")}, by ${face.title}`;
}

function look(face) {
  shown = face;
  dialog.querySelector("h2").textContent = `Seed ${face.seed}${face.near === undefined ? "" : ` near ${face.near}`}`;
  const image = dialog.querySelector("img");
  image.src = picture(face.png);
  image.alt = words(face);
  dialog.querySelector(".told").textContent = `${[face.words, face.said].filter(Boolean).join("; ") || "nothing asked for"} · ${face.title}`;
  dialog.querySelector("textarea").value = face.command;
  const files = Object.entries(face.files || {});
  const beside = dialog.querySelector(".beside");
  beside.replaceChildren(...(files.length ? ["It reads "] : []), ...files.flatMap(([name, url], place) =>
    [place ? " and " : "", make("a", { href: url, download: name }, name)]));
  const link = dialog.querySelector(".download");
  link.href = picture(face.png);
  link.download = `${face.title.replaceAll("/", "_")}_${face.seed}.png`;
  showKept();
  dialog.showModal();
}

function showKept() {
  const button = dialog.querySelector(".keep");
  button.textContent = isKept(shown) ? "Let go" : "Keep";
}

dialog.querySelector(".close").onclick = () => dialog.close();
dialog.querySelector(".keep").onclick = () => {
  if (keep(shown)) showKept();
  else dialog.querySelector(".beside").textContent = NO_ROOM;
};
dialog.querySelector(".copy").onclick = async (event) => {
  const text = dialog.querySelector("textarea");
  text.select();
  // Without encryption a page may not write to the clipboard, but it may copy what is selected.
  if (navigator.clipboard) await navigator.clipboard.writeText(text.value);
  else document.execCommand("copy");
  event.target.textContent = "Copied";
  setTimeout(() => { event.target.textContent = "Copy command"; }, 1500);
};

// A place for a face that is being made: `preview`, then `done` with all that is known of it.
export function place(alt, more) {
  const image = make("img", { alt: `${alt}, being made`, src: "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=" });
  const button = make("button", { type: "button", className: "picture", disabled: true, "aria-label": `${alt}, being made` }, image);
  const bar = make("progress", { max: 1, value: 0, "aria-label": `${alt}: how far it is` });
  const caption = make("figcaption");
  const actions = make("div", { className: "row actions" });
  const figure = make("figure", {}, button, bar, caption, actions);
  return {
    figure,
    preview(event) {
      bar.value = event.done;
      if (event.png) image.src = picture(event.png);
    },
    done(face) {
      bar.remove();
      image.src = picture(face.png);
      image.alt = words(face);
      button.disabled = false;
      button.setAttribute("aria-label", `look at ${words(face)}`);
      button.onclick = () => look(face);
      caption.textContent = `seed ${face.seed}${face.near === undefined ? "" : ` near ${face.near}`} · ${inSeconds(face.seconds)}`;
      const star = make("button", { type: "button", className: "star" });
      const show = () => {
        star.textContent = isKept(face) ? "★ kept" : "☆ keep";
        star.setAttribute("aria-pressed", isKept(face));
        star.setAttribute("aria-label", `${isKept(face) ? "let go" : "keep"} seed ${face.seed}`);
      };
      star.onclick = () => { if (!keep(face)) caption.textContent = NO_ROOM; };
      star.refresh = show;
      show();
      actions.replaceChildren(star);
      if (more) {
        const again = make("button", { type: "button", "aria-label": `more like this, seed ${face.seed}`, title: "more like this" }, "more like this");
        again.onclick = () => more(face);
        actions.prepend(again);
      }
    },
  };
}

// One that was made before.
export function finished(face, more) {
  const here = place(words(face), more);
  here.done(face);
  return here.figure;
}
