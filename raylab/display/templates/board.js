// Asks for what is new, every second while somebody looks, and puts it in place. Says since when nobody answers, and goes
// on asking. What somebody has selected, opened or moved stays as it is.
"use strict";
const live = document.getElementById("live"), note = document.getElementById("note");
let mark = live.dataset.mark, answered = new Date(), asking = false, timer;

function show(html) {
  const open = [...live.querySelectorAll("details")].map(each => each.open);
  const moved = [...live.querySelectorAll(".wide")].map(each => each.scrollLeft);
  live.innerHTML = html;
  live.querySelectorAll("details").forEach((each, at) => { each.open = open[at] ?? each.open; });
  live.querySelectorAll(".wide").forEach((each, at) => { each.scrollLeft = moved[at] ?? 0; });
}

async function ask() {
  if (asking) return;
  asking = true;
  clearTimeout(timer);
  try {
    const answer = await fetch(location.pathname + "?part", {
      headers: {"If-None-Match": mark}, cache: "no-store", signal: AbortSignal.timeout(20000)});
    if (answer.status === 200) {
      const html = await answer.text();
      if (getSelection().isCollapsed) {
        show(html);
        mark = answer.headers.get("ETag");
        document.title = decodeURIComponent(answer.headers.get("X-Title"));
      }
    } else if (answer.status !== 304) throw new Error(answer.status);
    answered = new Date();
    note.textContent = "";
  } catch {
    const since = answered.toLocaleTimeString();
    note.textContent = `no connection to the board since ${since}; what is shown is of that time`;
  }
  asking = false;
  timer = setTimeout(ask, document.hidden ? 10000 : 1000);
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
timer = setTimeout(ask, 1000);
