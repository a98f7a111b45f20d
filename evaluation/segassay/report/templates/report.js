"use strict";
(function () {
  var root = document.documentElement;

  // light or dark: as the system says, until the button is pressed
  var theme = document.getElementById("theme");
  var system = window.matchMedia("(prefers-color-scheme: dark)");
  function isDark() { return root.dataset.theme ? root.dataset.theme === "dark" : system.matches; }
  function nameTheme() { theme.textContent = isDark() ? "Light colours" : "Dark colours"; }
  theme.hidden = false;
  nameTheme();
  system.addEventListener("change", nameTheme);
  theme.addEventListener("click", function () { root.dataset.theme = isDark() ? "light" : "dark"; nameTheme(); });

  // tables: a click on a header sorts, a box above long tables filters
  function valueOf(text) {
    var plain = text.replace(/\u2212/g, "-").replace(/(\d),(?=\d{3})/g, "$1").trim();
    var found = /^(?:[A-Za-z]\s*)?[=<>]?\s*([+-]?\d*\.?\d+(?:e[+-]?\d+)?)/.exec(plain);
    return found ? parseFloat(found[1]) : NaN;
  }
  function compare(one, other) {
    var a = valueOf(one), b = valueOf(other);
    if (isNaN(a) !== isNaN(b)) { return isNaN(a) ? 1 : -1; }
    return isNaN(a) ? one.localeCompare(other, "en", { numeric: true }) : a - b;
  }
  function sortBy(table, column, header) {
    var down = header.getAttribute("aria-sort") === "ascending";
    table.querySelectorAll("thead th").forEach(function (one) { one.removeAttribute("aria-sort"); });
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    var rows = Array.prototype.map.call(table.tBodies[0].rows, function (row, place) { return [row.cells[column].textContent, place, row]; });
    rows.sort(function (a, b) {
      var known = isNaN(valueOf(a[0])) === isNaN(valueOf(b[0]));  // what has no number stays last
      return (known && down ? -1 : 1) * compare(a[0], b[0]) || a[1] - b[1];
    });
    rows.forEach(function (row) { table.tBodies[0].appendChild(row[2]); });
  }
  function makeSortable(table) {
    table.querySelectorAll("thead th").forEach(function (header, column) {
      var button = document.createElement("button");
      button.type = "button";
      var link = header.querySelector("a");
      if (link) { button.title = link.title; }
      button.textContent = header.textContent;
      header.textContent = "";
      header.appendChild(button);
      button.addEventListener("click", function () { sortBy(table, column, header); });
    });
  }
  function makeFilter(table) {
    var place = table.parentNode, line = document.createElement("div"), label = document.createElement("label");
    var box = document.createElement("input"), count = document.createElement("span"), rows = Array.prototype.slice.call(table.tBodies[0].rows);
    line.className = "find";
    label.append("Filter rows ", box);
    box.type = "search";
    count.setAttribute("role", "status");
    line.append(label, count);
    place.parentNode.insertBefore(line, place);
    box.addEventListener("input", function () {
      var words = box.value.toLowerCase().split(/\s+/), n = 0;
      rows.forEach(function (row) {
        var text = row.textContent.toLowerCase();
        row.hidden = !words.every(function (word) { return text.indexOf(word) >= 0; });
        n += row.hidden ? 0 : 1;
      });
      count.textContent = box.value.trim() ? n + " of " + rows.length + " rows" : "";
    });
  }
  document.querySelectorAll("table.data").forEach(function (table) {
    var n = table.tBodies[0].rows.length;
    if (n > 1) { makeSortable(table); }
    if (n > 8) { makeFilter(table); }
  });

  // a link into a folded part opens it; printing opens all
  function open() {
    var target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (var place = target; place; place = place.parentElement) { if (place.tagName === "DETAILS") { place.open = true; } }
    if (target && target.tagName === "DT") { target.focus(); }
  }
  window.addEventListener("hashchange", open);
  open();
  var closed = [];
  window.addEventListener("beforeprint", function () {
    closed = Array.prototype.slice.call(document.querySelectorAll("details:not([open])"));
    closed.forEach(function (one) { one.open = true; });
  });
  window.addEventListener("afterprint", function () { closed.forEach(function (one) { one.open = false; }); });

  // the contents show where one is
  var links = {};
  document.querySelectorAll("nav a").forEach(function (link) { links[link.hash.slice(1)] = link; });
  var parts = Object.keys(links).map(function (id) { return document.getElementById(id); }).filter(Boolean);
  function mark() {
    var here = parts[0];
    parts.forEach(function (part) { if (part.getBoundingClientRect().top < 120) { here = part; } });
    parts.forEach(function (part) {
      if (part === here) { links[part.id].setAttribute("aria-current", "true"); } else { links[part.id].removeAttribute("aria-current"); }
    });
  }
  window.addEventListener("scroll", mark, { passive: true });
  mark();
})();
