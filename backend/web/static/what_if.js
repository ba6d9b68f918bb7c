// The policy page: moving a value replays the history. Without this script the form does the same.
"use strict";

(() => {
  const form = document.getElementById("what-if");
  if (!form) return;
  const figures = document.getElementById("figures");
  const status = document.getElementById("what-if-status");
  const numbers = [...form.querySelectorAll("input[type=number]")];
  const WAIT_MS = 150;
  let timer = null;
  let underWay = null;

  const rangeOf = (number) => form.querySelector(`input[type=range][data-for="${number.id}"]`);
  const resetOf = (number) => form.querySelector(`button[data-for="${number.id}"]`);
  const unitOf = (number) => number.parentElement.querySelector(".unit").textContent.trim();

  // A slider has its number's value; it stands at its end where the number is further out.
  const tie = (number) => {
    const range = rangeOf(number);
    if (number.value !== "") range.value = number.value;
    range.setAttribute("aria-valuetext", `${number.value || "nothing"} ${unitOf(number)}`.trim());
    resetOf(number).hidden = number.value === number.dataset.policy;
  };

  const query = () => {
    const asked = new URLSearchParams();
    for (const field of form.elements) {
      if (!field.name || field.type === "range") continue;
      if (field.type === "number" && field.validity.badInput) asked.set(field.name, "no number");
      else if (field.type !== "number" || field.value !== field.dataset.policy) asked.set(field.name, field.value);
    }
    return asked;
  };

  const say = (words) => { status.textContent = words; };

  const mark = () => {
    const told = new Set([...figures.querySelectorAll("a[href^='#value-']")].map((each) => each.hash.slice(1)));
    for (const number of numbers) {
      if (told.has(number.id)) number.setAttribute("aria-invalid", "true");
      else number.removeAttribute("aria-invalid");
    }
    for (const each of form.querySelectorAll("[id^=wrong-]")) each.remove();
  };

  const fail = (words) => {
    const told = document.createElement("p");
    told.className = "failed";
    told.textContent = `The figures could not be fetched: ${words}. Press Replay to try again.`;
    figures.replaceChildren(told);
    say(told.textContent);
  };

  // What the server says of an error, in its words; pages of errors are JSON or HTML.
  const wordsOf = async (response) => {
    try {
      return (await response.json()).error.message;
    } catch {
      return `the server answered ${response.status}`;
    }
  };

  const replay = async () => {
    if (underWay) underWay.abort();
    const mine = new AbortController();
    underWay = mine;
    figures.setAttribute("aria-busy", "true");
    const asked = query();
    const open = figures.querySelector("details")?.open;
    try {
      const response = await fetch(`${form.dataset.figures}?${asked}`, { signal: mine.signal, headers: { Accept: "text/html" } });
      const isHtml = (response.headers.get("Content-Type") || "").startsWith("text/html");
      if (!isHtml || !(response.ok || response.status === 422)) {
        fail(await wordsOf(response));
      } else {
        const made = new DOMParser().parseFromString(await response.text(), "text/html");
        if (mine.signal.aborted) return;
        figures.replaceChildren(...made.body.childNodes);
        const details = figures.querySelector("details");
        if (details && open) details.open = true;
        mark();
        const told = figures.querySelector(".what-if-summary") || figures.querySelector("[role=alert]");
        say(told ? told.textContent.replace(/\s+/g, " ").trim() : "");
        const words = asked.toString();
        history.replaceState(null, "", words ? `?${words}${location.hash}` : `${location.pathname}${location.hash}`);
      }
    } catch (error) {
      if (error.name !== "AbortError") fail("the server does not answer");
    } finally {
      if (underWay === mine) {
        underWay = null;
        figures.removeAttribute("aria-busy");
      }
    }
  };

  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(replay, WAIT_MS);
  };

  for (const number of numbers) {
    const range = rangeOf(number);
    range.hidden = false;
    tie(number);
    number.addEventListener("input", () => { tie(number); soon(); });
    range.addEventListener("input", () => { number.value = range.value; tie(number); soon(); });
    resetOf(number).addEventListener("click", () => {
      number.value = number.dataset.policy;
      tie(number);
      if (number.value === "") range.value = range.min;
      number.focus();
      soon();
    });
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    replay();
  });
  document.getElementById("reset-all").addEventListener("click", (event) => {
    event.preventDefault();
    for (const number of numbers) {
      number.value = number.dataset.policy;
      tie(number);
    }
    soon();
  });
  if (figures.dataset.asked === "no") {
    say("The history is being replayed.");
    replay();
  }
})();
