// A help, never needed: the phone's time as a hint, clocks in its time zone, a picture that renews itself, and what was
// typed outlives a reload.
"use strict";
document.addEventListener("submit", (event) => {
  const field = event.target.querySelector("[name=phone_ms]");
  if (field) field.value = Date.now();
});

// The trap's clock in the phone's time zone, and which that is.
for (const time of document.querySelectorAll("time[data-ms]")) {
  const at = new Date(Number(time.dataset.ms)), east = -at.getTimezoneOffset(), two = (n) => String(n).padStart(2, "0");
  const there = new Date(at.getTime() + east * 60000).toISOString();
  const zone = `${east < 0 ? "−" : "+"}${Math.floor(Math.abs(east) / 60)}${east % 60 ? ":" + two(Math.abs(east) % 60) : ""}`;
  time.textContent = `${there.slice(0, 10)} ${there.slice(11, 16)} UTC${zone}`;
}

const look = document.getElementById("look");
if (look) {
  const again = () => setTimeout(() => { look.src = "/look.jpg?" + Date.now(); }, 700);
  look.addEventListener("load", again);
  look.addEventListener("error", () => setTimeout(again, 2000));
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
