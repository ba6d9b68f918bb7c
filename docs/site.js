// The theme's search is a dialog without a name; readers of the screen need one.
for (const search of document.querySelectorAll(".md-search[role=dialog]")) {
  search.setAttribute("aria-label", "Search");
}
