// What scrolls has to be reached by keyboard; the theme does this for code, not for figures and tables.
addEventListener("load", () => {
  for (const box of document.querySelectorAll("div.cell_output, .pst-scrollable-table-container")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  }
  // The theme's label hides what the button shows: "Search Ctrl + K".
  for (const button of document.querySelectorAll(".search-button-field")) button.removeAttribute("aria-label");
});
