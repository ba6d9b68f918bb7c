// Filters the cards while somebody types; without it the form asks the server.
const form = document.getElementById("find-projects");
if (form && !new URLSearchParams(location.search).get("find")) {
  const field = form.querySelector("input");
  const found = document.getElementById("found");
  const filter = () => {
    const wanted = field.value.trim().toLowerCase();
    const cards = document.querySelectorAll("[data-title]");
    let shown = 0;
    for (const card of cards) {
      card.hidden = !card.dataset.title.includes(wanted);
      shown += card.hidden ? 0 : 1;
    }
    found.textContent = wanted ? `${shown} of ${cards.length} projects` : "";
  };
  field.addEventListener("input", filter);
  form.addEventListener("submit", (event) => { event.preventDefault(); filter(); });
  document.addEventListener("refreshed", filter); // the cards are new ones
  form.querySelector("button").hidden = true;
  filter();
}
