// What pages do beyond HTML: each works without it too, but for passkeys, which need a script by their nature.

// One press sends a form once.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "yes";
  for (const button of form.querySelectorAll("button:not([type=button])")) setTimeout(() => { button.disabled = true; });
});
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("button")) button.disabled = false;
  }
});

// A file that is too large is said before it is sent: the server would refuse the whole form, and what was typed were gone.
for (const input of document.querySelectorAll("input[type=file][data-largest]")) {
  input.addEventListener("change", () => {
    const fits = [...input.files].every((file) => file.size <= Number(input.dataset.largest));
    input.setCustomValidity(fits ? "" : input.dataset.tooLarge);
    document.getElementById(`${input.id}-problem`).textContent = fits ? "" : input.dataset.tooLarge;
  });
  input.form.addEventListener("submit", (event) => {
    if (input.validity.customError) { event.preventDefault(); event.stopPropagation(); input.focus(); }
  });
}

// Fields are checked while somebody types: the server answers with the same words that it would refuse the form with.
for (const form of document.querySelectorAll("form[data-check]")) {
  const touched = new Set();
  let timer = 0, asked = 0;
  const check = async () => {
    const turn = ++asked;
    const response = await fetch(form.dataset.check, {
      method: "POST", body: new URLSearchParams([...new FormData(form)].filter(([, value]) => typeof value === "string")),
      headers: { "X-Form-Token": form.elements.form_token.value },
    });
    if (!response.ok || turn !== asked) return;
    const { problems } = await response.json();
    for (const name of touched) {
      const place = document.getElementById(`${name}-problem`);
      if (!place || form.querySelector(`[name="${name}"][data-largest]`)?.validity.customError) continue;
      place.textContent = problems[name] ?? "";
      place.closest(".field").classList.toggle("wrong", name in problems);
      for (const input of form.querySelectorAll(`[name="${name}"]`)) input.toggleAttribute("aria-invalid", name in problems);
    }
  };
  const soon = (event) => { if (!event.target.name) return; touched.add(event.target.name); clearTimeout(timer); timer = setTimeout(check, 250); };
  form.addEventListener("input", soon);
  form.addEventListener("focusout", soon);
}

// Keys: / for the search, g and a letter for a page, ? is left to the browser. Never while somebody types.
let before = "";
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
  const search = document.querySelector("input[type=search]");
  if (event.key === "/" && search) { event.preventDefault(); search.focus(); return; }
  const door = before === "g" && document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`);
  before = event.key;
  if (door) { event.preventDefault(); door.click(); }
});

// A form that was refused is read from its first problem on.
document.querySelector(".wrong input, .wrong textarea, .wrong select")?.focus();
