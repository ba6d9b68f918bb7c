// Brings the parts marked data-live up to date while somebody looks: the same page is fetched again,
// and parts that changed are put in the place of the old ones. Nothing happens while the page is
// hidden, and a part in which the keyboard's focus is stays as it is until the next time.
const pause = 1000 * Number(document.currentScript.dataset.every || 15);
let timer;

const refresh = async () => {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) return; // an error, or the way to sign in: what is shown stays
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (next && !part.contains(document.activeElement) && next.innerHTML !== part.innerHTML) {
      part.replaceChildren(...next.childNodes);
    }
  }
  document.dispatchEvent(new Event("refreshed"));
};

const wait = () => {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(() => refresh().catch(() => {}).finally(wait), pause);
};

document.addEventListener("visibilitychange", () => {
  if (document.hidden) wait();
  else refresh().catch(() => {}).finally(wait);
});
wait();
