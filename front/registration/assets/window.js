// Substitute flags: a toggle for each character of the text beside them. Without this the digits are typed.

// As front/registration/window_items.py writes a text: compatibility ideographs stay, blanks become one full-width space.
const written = (text) =>
  text.replace(/[^\uf900-\ufaff\u{2f800}-\u{2fa1f}]+/gu, (part) => part.normalize("NFC")).trim().replace(/\s+/gu, "\u3000");

for (const field of document.querySelectorAll("[data-flags-of]")) {
  const source = document.getElementById(field.dataset.flagsOf);
  const digits = field.querySelector("input");
  const toggles = field.querySelector(".toggles");
  let shown = [];
  const flags = () => [...digits.value].map((digit) => digit === "1");
  const draw = () => {
    const text = [...written(source.value)];
    if (text.length === shown.length && text.every((character, place) => character === shown[place])) return;
    // What stands before and behind the change keeps its flags.
    const old = flags();
    let front = 0, back = 0;
    const most = Math.min(text.length, shown.length);
    while (front < most && text[front] === shown[front]) front++;
    while (back < most - front && text.at(-1 - back) === shown.at(-1 - back)) back++;
    const kept = text.map((_, place) =>
      place < front ? old[place] : place >= text.length - back ? old[old.length - (text.length - place)] : false);
    if (shown.length === 0 && old.length === text.length) kept.splice(0, kept.length, ...old);
    shown = text;
    digits.value = kept.map((on) => (on ? "1" : "0")).join("");
    toggles.replaceChildren(...text.map((character, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "toggle";
      // A mark that joins the letter before it is shown on a circle, so that it can be seen and pressed.
      button.textContent = /^\p{M}$/u.test(character) ? `\u25cc${character}` : character === "\u3000" ? "\u2423" : character;
      button.setAttribute("aria-pressed", String(Boolean(kept[place])));
      button.setAttribute("aria-label", `${place + 1}: ${button.textContent} (${toggles.dataset.on})`);
      // One stop of the Tab key for them all; the arrows go from one to the next.
      button.tabIndex = place === 0 ? 0 : -1;
      button.addEventListener("click", () => {
        const now = [...digits.value];
        now[place] = now[place] === "1" ? "0" : "1";
        digits.value = now.join("");
        button.setAttribute("aria-pressed", String(now[place] === "1"));
      });
      return button;
    }));
    toggles.hidden = text.length === 0;
  };
  toggles.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const next = step && [...toggles.children].at([...toggles.children].indexOf(document.activeElement) + step);
    if (!next) return;
    event.preventDefault();
    for (const each of toggles.children) each.tabIndex = each === next ? 0 : -1;
    next.focus();
  });
  digits.classList.add("behind");
  digits.tabIndex = -1;
  digits.setAttribute("aria-hidden", "true");
  field.querySelector("label").removeAttribute("for");
  source.addEventListener("input", draw);
  draw();
}
