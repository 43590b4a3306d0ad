// Shows times in the reader's own zone beside the station's, and puts in what the base pushes.
"use strict";
const live = document.getElementById("live");
const line = document.getElementById("line");
const served = new WeakMap(); // element -> the HTML that the base sent for it, before times were filled in

function ago(seconds) {
  if (seconds < 90) return Math.max(0, Math.round(seconds)) + " s ago";
  if (seconds < 5400) return Math.round(seconds / 60) + " min ago";
  if (seconds < 129600) return Math.round(seconds / 3600) + " h ago";
  return Math.round(seconds / 86400) + " days ago";
}

function showTimes() {
  for (const t of document.querySelectorAll("time[data-ms]")) {
    const when = new Date(Number(t.dataset.ms));
    const sameZone = -when.getTimezoneOffset() === Number(t.dataset.offset);
    t.querySelector(".ago").textContent = ago((Date.now() - when) / 1000);
    t.querySelector(".here").textContent = when.toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
    t.querySelector(".there").hidden = sameZone;
  }
}

function remember(parent) {
  for (const e of parent.children) {
    served.set(e, e.outerHTML);
    if ("list" in e.dataset) remember(e);
  }
}

// What did not change stays in the page: pictures do not flicker and nothing jumps under a finger.
function patch(parent, fresh) {
  const kept = new Map([...parent.children].map((e) => [e.id, e]));
  let place = parent.firstElementChild;
  for (const e of [...fresh.children]) {
    const html = e.outerHTML;
    let put = kept.get(e.id);
    if (put && served.get(put) !== html) {
      if ("list" in e.dataset && "list" in put.dataset) patch(put, e);
      else { const old = put; put = e; remember(e); if ("open" in old) e.open = old.open; if (old === place) place = old.nextElementSibling; old.remove(); }
    } else if (!put) { put = e; remember(e); }
    kept.delete(e.id);
    served.set(put, html);
    if (put === place) place = place.nextElementSibling;
    else parent.insertBefore(put, place);
  }
  for (const old of kept.values()) old.remove();
}

remember(live);
let source, heardAt;

function connect() {
  heardAt = Date.now();
  source = new EventSource("/live" + location.search);
  source.onopen = () => { heardAt = Date.now(); line.textContent = "live"; line.className = "live"; };
  source.onerror = lost;
  source.addEventListener("alive", () => { heardAt = Date.now(); });
  source.onmessage = (event) => {
    heardAt = Date.now();
    const fresh = document.createElement("template");
    fresh.innerHTML = JSON.parse(event.data).html;
    patch(live, fresh.content);
    showTimes();
  };
}

function lost() { line.textContent = "no connection to the base; trying again"; line.className = "lost"; }

// A base without power says no goodbye, and a browser gives up for good after an error answer: so we look ourselves.
function watch() {
  if (source.readyState === EventSource.CLOSED || Date.now() - heardAt > 40000) { source.close(); lost(); connect(); }
}

connect();
setInterval(watch, 10000);
setInterval(showTimes, 10000);
showTimes();
