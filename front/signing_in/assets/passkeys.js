// Passkeys need a script by their nature: a form asks the server for a question, the authenticator for its answer, and
// sends that. The browser itself reads and writes the JSON (Web Authentication, level 3, 5.1.8 to 5.1.10).

async function post(path, body, token) {
  const answer = await fetch(path, {
    method: "POST", body: JSON.stringify(body),
    headers: { "Content-Type": "application/json", "X-Form-Token": token },
  });
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error("refused"), { told: told.problem });
  return told;
}

for (const form of document.querySelectorAll("form[data-question]")) {
  const outcome = form.querySelector(".outcome"), words = outcome.dataset;
  const say = (text, kind) => { outcome.textContent = text; outcome.className = `outcome notice ${kind}`; outcome.hidden = !text; };
  const button = form.querySelector("button");
  const supported = globalThis.PublicKeyCredential?.parseRequestOptionsFromJSON;
  if (!supported) { say(words.unsupported, "bad"); button.disabled = true; }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    const typed = Object.fromEntries([...new FormData(form)].filter(([name]) => name !== "form_token"));
    const token = form.elements.form_token.value;
    button.disabled = true;
    say(words.waiting, "");
    try {
      const { ceremony, options } = await post(form.dataset.question, typed.code ? { code: typed.code } : {}, token);
      const credential = form.dataset.kind === "get"
        ? await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) })
        : await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) });
      const { next } = await post(form.action, { ...typed, ceremony, credential: credential.toJSON() }, token);
      location.assign(next);
    } catch (error) {
      const known = { InvalidStateError: words.there, SecurityError: words.elsewhere };
      say(error.told ?? known[error.name] ?? (error instanceof DOMException ? words.cancelled : words.failed), "bad");
      button.disabled = false;
      (error.told && form.elements.code ? form.elements.code : button).focus();
    }
  });
}
