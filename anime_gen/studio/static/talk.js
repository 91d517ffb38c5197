// The conversation with the studio: see anime_gen/studio/talk.py.

let socket;
let number = 0;
let patience = 500;
const wishes = new Map(); // id -> {verb, hear}
const unsent = [];

function connect() {
  const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/talk`;
  socket = new WebSocket(address);
  socket.onopen = () => {
    patience = 500;
    gone("");
    while (unsent.length) socket.send(unsent.shift());
  };
  socket.onmessage = (message) => {
    const event = JSON.parse(message.data);
    const wished = wishes.get(event.id);
    if (!wished) return;
    if (event.event === "done" || event.event === "error") wishes.delete(event.id);
    wished.hear(event);
  };
  socket.onclose = (closed) => {
    const text = closed.code === 1009 ? "That is too large to be sent." : "The studio does not answer; trying again.";
    if (closed.code !== 1009) gone(text);
    const lost = [...wishes.values()];
    wishes.clear();
    unsent.length = 0;
    for (const one of lost) one.hear({ event: "error", text });
    setTimeout(connect, patience);
    patience = Math.min(2 * patience, 10000);
  };
}

function gone(text) {
  const line = document.getElementById("gone");
  line.textContent = text;
  line.hidden = !text;
}

function send(message) {
  const text = JSON.stringify(message);
  if (socket.readyState === WebSocket.OPEN) socket.send(text);
  else unsent.push(text);
}

// Asks for something; `hear` gets every event of it. A former wish of the same verb ends.
export function wish(verb, content, hear) {
  forget(verb);
  number += 1;
  wishes.set(number, { verb, hear });
  send({ ...content, id: number, verb });
}

export function cancel(verb) {
  forget(verb);
  number += 1;
  send({ id: number, verb: "cancel", of: verb });
}

function forget(verb) {
  for (const [id, one] of wishes) if (one.verb === verb) wishes.delete(id);
}

connect();
