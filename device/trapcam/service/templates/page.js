// A help, never needed: the phone's time as a hint, clocks in its time zone, pages and a picture that renew themselves,
// and what was typed outlives a reload.
"use strict";
document.addEventListener("submit", (event) => {
  const field = event.target.querySelector("[name=phone_ms]");
  if (field) field.value = Date.now();
});

// The trap's clock in the phone's time zone, and which that is, where the trap does not know its station's.
function clocks() {
  for (const time of document.querySelectorAll("time[data-ms]")) clock(time);
}
function clock(time) {
  const at = new Date(Number(time.dataset.ms)), east = -at.getTimezoneOffset(), two = (n) => String(n).padStart(2, "0");
  const there = new Date(at.getTime() + east * 60000).toISOString();
  const zone = `${east < 0 ? "−" : "+"}${Math.floor(Math.abs(east) / 60)}${east % 60 ? ":" + two(Math.abs(east) % 60) : ""}`;
  const utc = at.toISOString(), same = utc.slice(0, 10) === there.slice(0, 10);
  time.textContent = `${there.slice(0, 10)} ${there.slice(11, 16)} UTC${zone} (${same ? "" : utc.slice(0, 10) + " "}${utc.slice(11, 16)} UTC)`;
}
clocks();

// A page that changes fetches itself and puts in what is new: a page that loads swallows the tap that meets it. Nothing
// changes under a finger, nor while a tap's own page is on its way. Without a script the page loads itself, more rarely.
const GOING_MS = 20000, CLICK_MS = 500; // a page that does not come by then was lost; a click follows its finger
let held = false, going = -GOING_MS;
addEventListener("pointerdown", () => { held = true; }, true);
for (const up of ["pointerup", "pointercancel"])
  addEventListener(up, () => setTimeout(() => { held = false; }, CLICK_MS), true);
addEventListener("submit", () => { going = performance.now(); });
addEventListener("click", (event) => { if (event.target.closest("a[href]:not([download])")) going = performance.now(); });
addEventListener("pageshow", () => { held = false; going = -GOING_MS; });
const still = () => held || performance.now() - going < GOING_MS;

function put(main, next) {
  const old = main.querySelectorAll("[data-live]"), live = next.querySelectorAll("[data-live]");
  if (main.dataset.state !== next.dataset.state || old.length !== live.length) main.replaceWith(next);
  else old.forEach((part, i) => { if (part.innerHTML !== live[i].innerHTML) part.replaceChildren(...live[i].childNodes); });
  clocks();
}
async function renew() {
  const main = document.querySelector("main"), every_s = Number(main.dataset.renew);
  if (!every_s) return;
  if (!still()) try {
    const answer = await fetch(location.pathname, { cache: "no-store", headers: { "x-renewed": "1" } });
    const next = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
    if (answer.redirected && !still()) location.reload(); // this phone is no longer in
    else if (answer.ok && next && !still()) put(main, next);
  } catch { /* the trap is out of reach for a moment: asked again */ }
  setTimeout(renew, (document.querySelector("main").dataset.renew ?? 1) * 1000);
}
setTimeout(renew, (document.querySelector("main").dataset.renew ?? 1) * 1000);

const look = document.getElementById("look");
if (look) {
  let timer;
  const again = (wait_ms) => { clearTimeout(timer); timer = setTimeout(() => { look.src = "/look.jpg?" + Date.now(); }, wait_ms); };
  look.addEventListener("load", () => again(700));
  look.addEventListener("error", () => again(2700));
  if (look.complete) again(700); // it came before this script
}

// In this tab's own memory, by page; gone when a form was taken or somebody goes out, for a position may be in it.
const form = document.querySelector("form.tall"), key = "typed " + location.pathname;
if (document.querySelector("[data-taken], #pin")) sessionStorage.clear();
else if (form) {
  const fields = [...form.elements].filter((e) => e.name && e.type !== "hidden" && e.tagName !== "BUTTON");
  const ticked = (e) => e.type === "radio" || e.type === "checkbox";
  const keep = () => sessionStorage.setItem(key, JSON.stringify(
    Object.fromEntries(fields.filter((e) => !ticked(e) || e.checked).map((e) => [e.name, e.value]))));
  const typed = JSON.parse(sessionStorage.getItem(key) ?? "null");
  if ("said" in form.dataset) keep(); // this page is the trap's answer to what was typed
  else for (const e of typed ? fields : [])
    if (ticked(e)) e.checked = typed[e.name] === e.value; else e.value = typed[e.name] ?? e.value;
  form.addEventListener("input", keep);
}
