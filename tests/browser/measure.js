// What is wrong with a page as a phone shows it: a list of complaints, empty where nothing is.
([wide, target]) => {
  const complaints = [];
  const shown = (e) => { const s = getComputedStyle(e), b = e.getBoundingClientRect();
    return s.visibility !== "hidden" && s.display !== "none" && b.width > 0 && b.height > 0; };
  const name = (e) => `<${e.tagName.toLowerCase()}> ${(e.innerText || e.value || e.id || "").trim().slice(0, 40)}`;
  const root = document.documentElement;
  if (root.scrollWidth > wide) complaints.push(`scrolls sideways: ${root.scrollWidth} of ${wide} px`);

  // What a finger hits: a radio button or a tick is hit by its label.
  for (const e of document.querySelectorAll("a[href], button, select, input:not([type=hidden])")) {
    if (!shown(e)) continue;
    const hit = (e.type === "radio" || e.type === "checkbox") ? e.closest("label") : e;
    const box = hit.getBoundingClientRect();
    if (box.width < target || box.height < target)
      complaints.push(`small: ${name(hit)} ${box.width.toFixed(0)} × ${box.height.toFixed(0)} px`);
  }
  for (const e of document.body.querySelectorAll("*")) {
    if (!shown(e)) continue;
    const box = e.getBoundingClientRect();
    if (box.left < -0.5 || box.right > wide + 0.5) complaints.push(`outside: ${name(e)}`);
    const style = getComputedStyle(e);
    if (e.tagName !== "INPUT" && style.overflow !== "visible" && e.tagName !== "IMG" && e.tagName !== "SELECT"
        && (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1))
      complaints.push(`clipped: ${name(e)}`);
  }

  // Letters without a shape are all drawn alike: as the box that stands for a letter that nobody has defined.
  const pen = Object.assign(document.createElement("canvas"), { width: 48, height: 48 }).getContext("2d",
    { willReadFrequently: true });
  const drawn = (letter, style) => {
    pen.clearRect(0, 0, 48, 48);
    pen.font = `${style.fontWeight} 30px ${style.fontFamily}`;
    pen.fillText(letter, 4, 36);
    return pen.getImageData(0, 0, 48, 48).data.join();
  };
  const seen = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!shown(parent) || !node.data.trim()) continue;
    const style = getComputedStyle(parent);
    const bold = Number(style.fontWeight) >= 600 ? "b" : "r";
    pen.canvas.lang = parent.closest("[lang]")?.lang ?? "";
    let box;
    for (const letter of new Set(node.data.replace(/\s/g, ""))) {
      if (seen.has(bold + letter)) continue;
      seen.add(bold + letter);
      box ??= drawn("\u0378", style);
      if (drawn(letter, style) === box)
        complaints.push(`no shape for ${letter} (U+${letter.codePointAt(0).toString(16)})`);
    }
    // A word that is broken in its middle: Chinese has no words to break, others have.
    const text = node.data, range = document.createRange();
    for (const word of text.matchAll(/[\p{L}\p{N}]+/gu)) {
      if (/\p{Script=Han}/u.test(word[0])) continue;
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].map((r) => Math.round(r.top)));
      if (lines.size > 1) complaints.push(`broken word: ${word[0]}`);
    }
  }
  return complaints;
}
