// Shows times in the reader's own zone, and puts in what the base pushes.
"use strict";
const live = document.getElementById("live");
const line = document.getElementById("line");

function ago(seconds) {
  if (seconds < 90) return Math.max(0, Math.round(seconds)) + " s ago";
  if (seconds < 5400) return Math.round(seconds / 60) + " min ago";
  if (seconds < 129600) return Math.round(seconds / 3600) + " h ago";
  return Math.round(seconds / 86400) + " days ago";
}

function showTimes() {
  for (const t of document.querySelectorAll("time[data-ms]")) {
    const ms = Number(t.dataset.ms);
    t.title = t.title || t.textContent;
    t.textContent = new Date(ms).toLocaleString() + " (" + ago((Date.now() - ms) / 1000) + ")";
  }
}

const source = new EventSource("/live");
source.onopen = () => { line.textContent = "live"; line.className = ""; };
source.onerror = () => { line.textContent = "no connection to the base; trying again"; line.className = "lost"; };
source.onmessage = (event) => { live.innerHTML = JSON.parse(event.data).html; showTimes(); };
setInterval(showTimes, 10000);
showTimes();
