// A help, never needed: the phone's time as a hint, and a picture that renews itself.
"use strict";
document.addEventListener("submit", (event) => {
  const field = event.target.querySelector("[name=phone_ms]");
  if (field) field.value = Date.now();
});
const look = document.getElementById("look");
if (look) {
  const again = () => setTimeout(() => { look.src = "/look.jpg?" + Date.now(); }, 700);
  look.addEventListener("load", again);
  look.addEventListener("error", () => setTimeout(again, 2000));
}
