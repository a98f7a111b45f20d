"use strict";
(() => {
  const source = document.getElementById("gallery-data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const COLOURS = ["#00e5ff", "#ff9f1c", "#f15bb5", "#9ef01a", "#fee440", "#b388ff"];
  const DASHES = ["", "6 3", "2 2.5", "9 3 2 3"];
  const GROUPS = [["rater", "Raters"], ["reference", "References"], ["ensemble", "Ensembles"], ["model", "Models"]];
  const MOST_RATERS = 8; // whose outlines are on at first
  const MOST_LETTERS = 80;
  const FIRST_ROWS = 100;
  const PRINTED = 6;
  const SVG = "http://www.w3.org/2000/svg";
  const by = (id) => document.getElementById("gallery-" + id);

  const make = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
  const draw = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
  function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) if (value !== null) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }

  // Polygons of one annotator, from the text of segassay.report.gallery.outlines.
  function polygons(text) {
    const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let place = 0;
    const read = () => {
      let number = 0, shift = 0, digit;
      do {
        digit = letters.indexOf(text[place++]);
        number += (digit & 31) * 2 ** shift;
        shift += 5;
      } while (digit > 31);
      return number % 2 ? -(number - 1) / 2 : number / 2;
    };
    const found = [];
    let left = 0, top = 0;
    while (place < text.length) {
      const n = read();
      left += read();
      top += read();
      const points = [[left, top]];
      for (let i = 1; i < n; i++) {
        const [x, y] = points[i - 1];
        points.push([x + read(), y + read()]);
      }
      found.push(points);
    }
    return found;
  }
  const pathOf = (loops) => loops.map((points) => "M" + points.map((point) => point.join(" ")).join("L") + "Z").join("");

  const annotators = data.annotators.map((one, index) => ({
    ...one,
    index,
    letter: (index < 26 ? "" : String.fromCharCode(64 + Math.floor(index / 26))) + String.fromCharCode(65 + (index % 26)),
    colour: COLOURS[index % COLOURS.length],
    dash: DASHES[(index + Math.floor(index / 12)) % DASHES.length],
  }));
  const byName = new Map(annotators.map((one) => [one.name, one]));
  const valuesOf = new Map(data.cases);
  const listed = data.cases.map(([name]) => name);
  const pictures = new Map(data.pictures.map((one, index) => [one.case, { ...one, index }]));
  const raters = annotators.filter((one) => one.kind === "rater");
  const shown = new Set(raters.length <= MOST_RATERS ? raters.map((one) => one.name) : []);
  const state = { case: null, layer: raters.length <= MOST_RATERS ? "image" : "votes", order: 0, reverse: false, box: null, marked: null, view: 0 };

  const words = (value, measure) => value === null || value === undefined ? "–" : value.toFixed(measure.n_digits);
  function sorted(names) {
    const measure = data.measures[state.order];
    if (!measure) return names;
    const way = (measure.low_first ? 1 : -1) * (state.reverse ? -1 : 1);
    const value = (name) => valuesOf.get(name)[state.order];
    return [...names].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === null || y === null) return (x === null) - (y === null);
      return way * (x - y);
    });
  }
  const order = () => sorted(listed.filter((name) => pictures.has(name)));

  // ---- the image with its layers
  function swatch(one) {
    const line = { x1: 2, x2: 32, y1: 10, y2: 10, stroke: one.colour, "stroke-width": 2.5, "stroke-dasharray": one.dash || null };
    const letter = { x: 41, y: 14, fill: one.colour, "text-anchor": "middle", "font-size": 12, "font-weight": "bold" };
    return draw("svg", { class: "gallery-swatch", viewBox: "0 0 50 20", "aria-hidden": "true" },
      draw("rect", { width: 50, height: 20, fill: "#222" }), draw("line", line), draw("text", letter, one.letter));
  }
  const loopsOf = new Map();
  function outlines(picture, name) {
    const key = `${picture.case}\n${picture.view || 0}\n${name}`;
    if (!loopsOf.has(key)) loopsOf.set(key, polygons(picture.outlines[name]));
    return loopsOf.get(key);
  }
  function outlined(picture, one) {
    const path = pathOf(outlines(picture, one.name));
    const group = draw("g", { "data-annotator": one.index },
      draw("path", { class: "gallery-edge", d: path }),
      draw("path", { class: "gallery-line", d: path, stroke: one.colour, "stroke-dasharray": one.dash || null }));
    group.append(draw("title", {}, `${one.letter} ${one.name}`));
    return group;
  }
  function layered(picture, layer, names) {
    const [width, height] = picture.size;
    const whole = { width, height, preserveAspectRatio: "none" };
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" }, draw("rect", { width, height, fill: layer === "image" ? "#777" : "#111" }));
    if (picture.image) svg.append(draw("image", { ...whole, href: picture.image, opacity: layer === "image" ? 1 : 0.45 }));
    if (layer !== "image" && picture[layer]) svg.append(draw("image", { ...whole, href: picture[layer], class: "gallery-pixels", opacity: 0.9 }));
    for (const one of annotators) if (names.has(one.name) && one.name in picture.outlines) svg.append(outlined(picture, one));
    return svg;
  }
  function map(picture, layer) {
    const [width, height] = picture.size;
    return draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" },
      draw("rect", { width, height, fill: "#111" }),
      draw("image", { width, height, preserveAspectRatio: "none", href: picture[layer], class: "gallery-pixels" }));
  }
  function letters(svg, picture) {
    svg.querySelectorAll(".gallery-letter").forEach((node) => node.remove());
    const [x, y, width, height] = view(picture);
    const seen = [];
    for (const one of annotators) {
      if (!shown.has(one.name) || !(one.name in picture.outlines)) continue;
      for (const points of outlines(picture, one.name)) {
        // each annotator at another corner of the object, so that letters of one object do not hide each other
        const turn = one.index * 2.4;
        const at = points.reduce((best, point) => point[0] * Math.cos(turn) + point[1] * Math.sin(turn) > best[0] * Math.cos(turn) + best[1] * Math.sin(turn) ? point : best);
        if (at[0] >= x && at[0] <= x + width && at[1] >= y && at[1] <= y + height) seen.push([one, at, turn]);
      }
    }
    if (!seen.length || seen.length > MOST_LETTERS) return;
    const size = (13 * width) / (svg.clientWidth || 600);
    for (const [one, at, turn] of seen) {
      const attributes = { x: at[0] + 0.7 * size * Math.cos(turn), y: at[1] + 0.7 * size * Math.sin(turn) + size / 3, fill: one.colour, class: "gallery-letter", "text-anchor": "middle", "stroke-width": size / 5 };
      const letter = draw("text", attributes, one.letter);
      letter.style.fontSize = size + "px";
      svg.append(letter);
    }
  }
  // the picture that is shown; of a volume one of its slices, or the projection through all
  const current = () => {
    const picture = pictures.get(state.case);
    return state.view ? { ...picture, ...picture.views[state.view - 1], view: state.view } : picture;
  };
  const view = (picture) => state.box || [0, 0, ...picture.size];

  function showStage() {
    const picture = current();
    const stage = by("stage");
    const svg = layered(picture, state.layer, shown);
    const on = annotators.filter((one) => shown.has(one.name) && one.name in picture.outlines);
    const which = on.length ? `outlines of ${on.map((one) => `${one.letter} ${one.name}`).join(", ")}` : "no outlines";
    svg.setAttribute("aria-label", `${state.layer === "image" ? "Image" : layerWords(state.layer)} ${picture.case} with ${which}`);
    if (state.marked) {
      const [x, y, width, height] = state.marked;
      svg.append(draw("rect", { class: "gallery-box", x: x - 3, y: y - 3, width: width + 6, height: height + 6 }));
    }
    stage.replaceChildren(svg);
    applyView();
  }
  function applyView() {
    const picture = current();
    const box = view(picture).join(" ");
    by("stage").classList.toggle("is-zoomed", state.box !== null);
    for (const svg of document.querySelectorAll("#gallery-stage svg, #gallery-maps figure > svg")) svg.setAttribute("viewBox", box);
    const svg = by("stage").querySelector("svg");
    letters(svg, picture);
    bar(svg, picture);
    by("out").disabled = by("fit").disabled = state.box === null;
  }
  // a bar of 1, 2 or 5 times a power of ten, about a fifth of what is seen
  function bar(svg, picture) {
    svg.querySelectorAll(".gallery-bar-length").forEach((node) => node.remove());
    if (!picture.um_per_unit) return;
    const [x, y, width, height] = view(picture);
    const wanted = 0.25 * width * picture.um_per_unit;
    const power = 10 ** Math.floor(Math.log10(wanted));
    const um = power * (wanted >= 5 * power ? 5 : wanted >= 2 * power ? 2 : 1);
    const length = um / picture.um_per_unit;
    const em = (13 * width) / (svg.clientWidth || 600);
    const [left, bottom] = [x + em, y + height - em];
    const text = draw("text", { x: left, y: bottom - 0.5 * em, fill: "#fff", class: "gallery-letter", "stroke-width": em / 5 }, um >= 1000 ? `${um / 1000} mm` : `${um} µm`);
    text.style.fontSize = em + "px";
    svg.append(draw("g", { class: "gallery-bar-length" },
      draw("rect", { x: left, y: bottom - 0.3 * em, width: length, height: 0.3 * em, fill: "#fff", stroke: "#000", "stroke-width": em / 12 }), text));
  }
  function zoom(factor, centre) {
    const picture = current();
    const [width, height] = picture.size;
    const [x, y, w, h] = view(picture);
    const [cx, cy] = centre || [x + w / 2, y + h / 2];
    const newWidth = Math.min(width, Math.max(8, w / factor));
    const scale = newWidth / w;
    state.box = newWidth >= width ? null : inside([cx - (cx - x) * scale, cy - (cy - y) * scale, newWidth, (newWidth * height) / width], picture);
    applyView();
  }
  function inside([x, y, w, h], picture) {
    const [width, height] = picture.size;
    return [Math.min(Math.max(0, x), Math.max(0, width - w)), Math.min(Math.max(0, y), Math.max(0, height - h)), w, h];
  }
  function zoomTo([x, y, w, h]) {
    const picture = current();
    const [width, height] = picture.size;
    const wide = Math.min(width, Math.max(width / 12, 24, 5 * w, (5 * h * width) / height));
    state.box = wide >= width ? null : inside([x + w / 2 - wide / 2, y + h / 2 - (wide * height) / width / 2, wide, (wide * height) / width], picture);
    state.marked = [x, y, w, h];
    showStage();
  }

  // ---- what stands around it
  const layerWords = (layer) => layer === "image" ? "image" : layer === "votes" ? "map of raters" : "uncertainty";
  function scale(colours, first, last) {
    const bar = make("i", { "aria-hidden": "true" });
    for (const colour of colours) {
      const step = make("b");
      step.style.background = colour;
      bar.append(step);
    }
    return make("div", { class: "gallery-scale" }, make("span", {}, first), bar, make("span", {}, last));
  }
  function showMaps() {
    const picture = current();
    const figures = [];
    for (const layer of ["votes", "uncertainty"]) {
      if (!picture[layer]) continue;
      const svg = map(picture, layer);
      const text = layer === "votes" ? `How many of ${picture.n_raters} raters marked each pixel` : `Uncertainty of ${data.uncertain}, from 0 to 1`;
      svg.setAttribute("aria-label", text);
      svg.addEventListener("click", () => setLayer(state.layer === layer ? "image" : layer));
      const colours = layer === "votes" ? data.colours.votes[picture.n_raters] : data.colours.uncertainty;
      const [first, last] = layer === "votes" ? ["1", String(picture.n_raters)] : ["0", "1"];
      figures.push(make("figure", {}, svg, make("figcaption", {}, text, scale(colours, first, picture.n_raters === 1 && layer === "votes" ? "" : last))));
    }
    by("maps").replaceChildren(...figures);
  }
  function setLayer(layer) {
    state.layer = layer;
    showLayers();
    showStage();
  }
  function showLayers() {
    const picture = current();
    const layers = ["image", "votes", "uncertainty"].filter((layer) => layer === "image" || picture[layer]);
    if (!layers.includes(state.layer)) state.layer = "image";
    const focused = document.activeElement && document.activeElement.name === "gallery-layer";
    by("layers").replaceChildren(by("layers").querySelector("legend"), ...layers.map((layer) => {
      const radio = make("input", { type: "radio", name: "gallery-layer", value: layer });
      radio.checked = layer === state.layer;
      radio.addEventListener("change", () => setLayer(layer));
      return make("label", {}, radio, " ", layer === "image" && !picture.image ? "none (no image)" : layerWords(layer));
    }));
    if (focused) by("layers").querySelector("input:checked").focus();
  }
  function showAnnotators() {
    const picture = current();
    const groups = [];
    for (const [kind, title] of GROUPS) {
      const of = annotators.filter((one) => one.kind === kind);
      if (!of.length) continue;
      groups.push(make("fieldset", {}, make("legend", {}, title), ...of.map((one) => {
        const box = make("input", { type: "checkbox", "data-annotator": one.index });
        const has = one.name in picture.outlines;
        box.checked = has && shown.has(one.name);
        box.disabled = !has;
        box.addEventListener("change", () => toggle(one, box.checked));
        const label = make("label", {}, box, swatch(one), make("span", { class: "gallery-name" }, one.name), make("span", { class: "gallery-quiet" }, counted(picture, one)));
        label.addEventListener("pointerenter", () => strong(one, true));
        label.addEventListener("pointerleave", () => strong(one, false));
        return label;
      })));
    }
    by("annotators").replaceChildren(...groups);
  }
  function counted(picture, one) {
    const n = one.n_objects[picture.index];
    const cut = picture.left_out[one.name];
    if (cut) return cut[0] ? `${cut[0]} of ${cut[1]} drawn` : `${cut[1]}, too many to draw`;
    if (!(one.name in picture.outlines)) return "no mask";
    return n === null ? "" : `${n} object${n === 1 ? "" : "s"}`;
  }
  const strong = (one, on) => by("stage").querySelectorAll(`g[data-annotator="${one.index}"]`).forEach((group) => group.classList.toggle("is-strong", on));
  function toggle(one, on) {
    shown[on ? "add" : "delete"](one.name);
    const box = by("annotators").querySelector(`input[data-annotator="${one.index}"]`);
    if (box && !box.disabled) box.checked = on;
    showStage();
  }
  function choose(names) {
    shown.clear();
    for (const name of names) shown.add(name);
    showAnnotators();
    showStage();
  }
  function showSingle() {
    const picture = pictures.get(state.case);
    const counts = Object.entries(picture.n_single);
    const total = counts.reduce((sum, [, n]) => sum + n, 0);
    if (picture.n_raters < 2) return by("single").replaceChildren();
    const each = counts.filter(([, n]) => n).map(([name, n]) => `${name} ${n}`).join(", ");
    const title = make("summary", {}, `Objects that only one rater drew: ${total}`);
    const rows = picture.single.map(([name, size, x, y, w, h, first, last, visible]) => {
      const one = byName.get(name);
      const deep = first ? `, plane${first === last ? "" : "s"} ${first}${first === last ? "" : "–" + last}` : "";
      const [perColumn, perRow] = [picture.shape[1] / picture.size[0], picture.shape[0] / picture.size[1]];
      const where = `column ${Math.floor((x + w / 2) * perColumn) + 1}, row ${Math.floor((y + h / 2) * perRow) + 1}${deep}`;
      const button = make("button", { type: "button" }, `${one ? one.letter + " " : ""}${name}: ${size} ${first ? "voxels" : "pixels"} at ${where}${visible ? "" : " (not in the plane shown)"}`);
      button.addEventListener("click", () => {
        if (state.view) cut(0); // its place is that in the first slice
        if (one && one.name in picture.outlines && !shown.has(name)) toggle(one, true);
        zoomTo([x, y, w, h]);
      });
      return make("li", {}, button);
    });
    const more = total > rows.length ? `The ${rows.length} largest of ${total}.` : "";
    const open = by("single").querySelector("details");
    const details = make("details", {}, title, make("p", { class: "gallery-quiet" }, total ? `${each}. A click shows the place. ${more}` : "Every object was drawn by at least two raters."));
    if (rows.length) details.append(make("ul", { class: "gallery-objects" }, ...rows));
    details.open = open ? open.open : false;
    return by("single").replaceChildren(details);
  }
  function showValues() {
    by("values").replaceChildren(...data.measures.map((measure, index) =>
      make("div", { title: measure.explained }, make("dt", {}, measure.words), make("dd", {}, words(valuesOf.get(state.case)[index], measure)))));
  }
  function showHead() {
    const picture = current();
    const names = order();
    const size = `${picture.shape[1]} × ${picture.shape[0]} pixels`;
    const whole = pictures.get(state.case);
    by("slices").hidden = !whole.views;
    if (whole.views) {
      by("slice").replaceChildren(...[whole, ...whole.views].map((one, index) => make("option", { value: String(index) }, one.why ? `${one.plane}: ${one.why}` : one.plane)));
      by("slice").value = String(state.view);
      by("way-up").textContent = picture.way_up;
    }
    by("case").textContent = `${picture.case}: image ${names.indexOf(picture.case) + 1} of ${names.length}, ${picture.plane ? picture.plane + ", " : ""}${size}`;
  }
  function showStrip() {
    const measure = data.measures[state.order];
    by("explained").textContent = measure ? measure.explained : "";
    by("strip").replaceChildren(...order().map((name) => {
      const picture = pictures.get(name);
      const face = picture.image || picture.votes;
      const value = measure ? `${words(valuesOf.get(name)[state.order], measure)} ${measure.words}` : "";
      const button = make("button", { type: "button", "data-case": name, "aria-current": String(name === state.case) },
        face ? make("img", { src: face, alt: "", loading: "lazy" }) : make("span", { class: "gallery-blank" }),
        make("span", {}, name), make("span", { class: "gallery-quiet" }, value));
      button.title = `${name}: ${value}`;
      button.addEventListener("click", () => show(name));
      return make("li", {}, button);
    }));
  }
  function show(name) {
    state.case = name;
    state.view = 0;
    state.box = state.marked = null;
    for (const button of by("strip").querySelectorAll("button")) {
      const is = button.dataset.case === name;
      button.setAttribute("aria-current", String(is));
      if (is) by("strip").scrollLeft = button.parentElement.offsetLeft - by("strip").offsetLeft - by("strip").clientWidth / 2 + button.clientWidth / 2;
    }
    showHead();
    showLayers();
    showMaps();
    showAnnotators();
    showStage();
    showValues();
    showSingle();
  }
  function cut(index) {
    state.view = index;
    state.box = state.marked = null;
    showHead();
    showLayers();
    showMaps();
    showAnnotators();
    showStage();
    showSingle();
  }
  function step(by) {
    const names = order();
    show(names[(names.indexOf(state.case) + by + names.length) % names.length]);
  }

  // ---- the list of all cases
  function showList(all) {
    const names = sorted(listed);
    const head = data.measures.map((measure, index) => {
      const button = make("button", { type: "button" }, measure.words);
      button.title = measure.explained;
      button.addEventListener("click", () => {
        state.reverse = index === state.order && !state.reverse;
        state.order = index;
        reordered();
        by("list").querySelectorAll("thead button")[index].focus();
      });
      const descending = (!measure.low_first) !== state.reverse;
      return make("th", { scope: "col", "aria-sort": index === state.order ? (descending ? "descending" : "ascending") : null }, button);
    });
    const rows = names.slice(0, all ? names.length : FIRST_ROWS).map((name) => {
      let first = name;
      if (pictures.has(name)) {
        first = make("button", { type: "button" }, name);
        first.addEventListener("click", () => {
          show(name);
          by("view").scrollIntoView({ block: "nearest" });
          by("stage").focus({ preventScroll: true });
        });
      }
      return make("tr", {}, make("th", { scope: "row" }, first), ...data.measures.map((measure, index) => make("td", {}, words(valuesOf.get(name)[index], measure))));
    });
    const table = make("table", {}, make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "image"), ...head)), make("tbody", {}, ...rows));
    const parts = [make("div", { class: "gallery-table", tabindex: "0", role: "region", "aria-label": "Measures of all images" }, table)];
    if (rows.length < names.length) {
      const more = make("button", { type: "button" }, `Show all ${names.length}`);
      more.addEventListener("click", () => showList(true));
      parts.push(more);
    }
    by("list").replaceChildren(by("list").querySelector("summary"), ...parts);
  }
  function reordered() {
    by("order").value = String(state.order);
    by("reverse").checked = state.reverse;
    showStrip();
    if (state.case) show(state.case);
    if (by("list").open) showList(false);
  }

  // ---- keys, mouse, enlarged view
  function onKey(event) {
    const target = event.target;
    if (event.ctrlKey || event.altKey || event.metaKey || target.matches("select, input[type=text], input[type=search]")) return;
    const arrows = !target.matches("input[type=radio]");
    if (arrows && event.key === "ArrowLeft") step(-1);
    else if (arrows && event.key === "ArrowRight") step(1);
    else if (/^[0-9]$/.test(event.key)) {
      const one = annotators[(Number(event.key) + 9) % 10];
      if (one && one.name in current().outlines) toggle(one, !shown.has(one.name));
    } else if (event.key === "+" || event.key === "=") zoom(1.6);
    else if (event.key === "-") zoom(1 / 1.6);
    else return;
    event.preventDefault();
  }
  function enlarge() {
    const dialog = by("dialog");
    if (dialog.open) return;
    dialog.append(by("view"));
    dialog.showModal();
    by("stage").focus();
    applyView();
  }
  function shrunk() {
    by("home").append(by("view"));
    applyView();
    by("enlarge").focus();
  }
  function placed(event) {
    const svg = by("stage").querySelector("svg");
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    return [at.x, at.y];
  }
  function drag() {
    const stage = by("stage");
    let start = null, moved = false;
    stage.addEventListener("pointerdown", (event) => {
      start = event.button === 0 ? { at: placed(event), x: event.clientX, y: event.clientY } : null;
      moved = false;
    });
    stage.addEventListener("pointermove", (event) => {
      if (!start || !(event.buttons & 1)) return;
      if (Math.hypot(event.clientX - start.x, event.clientY - start.y) > 4) {
        moved = true;
        if (!stage.hasPointerCapture(event.pointerId)) stage.setPointerCapture(event.pointerId);
      }
      if (!moved || !state.box) return;
      const at = placed(event);
      state.box = inside([state.box[0] + start.at[0] - at[0], state.box[1] + start.at[1] - at[1], state.box[2], state.box[3]], current());
      applyView();
    });
    stage.addEventListener("click", (event) => {
      if (moved) return;
      if (by("dialog").open) zoom(2, placed(event));
      else enlarge();
    });
    stage.addEventListener("wheel", (event) => {
      if (!by("dialog").open && !event.ctrlKey) return;
      event.preventDefault();
      zoom(event.deltaY < 0 ? 1.25 : 0.8, placed(event));
    }, { passive: false });
  }

  // ---- on paper: the first images with the outlines of the raters
  function forPrint() {
    const place = by("print");
    if (place.childElementCount) return;
    const names = new Set((raters.length ? raters : annotators).slice(0, MOST_RATERS).map((one) => one.name));
    for (const picture of data.pictures.slice(0, PRINTED)) {
      const measure = data.measures[0];
      const value = measure ? `, ${measure.words} ${words(valuesOf.get(picture.case)[0], measure)}` : "";
      place.append(make("figure", {}, layered(picture, "image", names), make("figcaption", {}, `${picture.case}${picture.plane ? ", " + picture.plane : ""}${value}`)));
    }
    const key = make("div", { class: "gallery-key" });
    for (const one of annotators) if (names.has(one.name)) key.append(make("span", {}, swatch(one), one.name));
    place.append(key);
  }

  function start() {
    by("app").hidden = false;
    data.measures.forEach((measure, index) => by("order").append(make("option", { value: String(index) }, measure.words)));
    by("order").addEventListener("change", () => { state.order = Number(by("order").value); state.reverse = false; reordered(); });
    by("reverse").addEventListener("change", () => { state.reverse = by("reverse").checked; reordered(); });
    by("list").addEventListener("toggle", () => { if (by("list").open && !by("list").querySelector("table")) showList(false); });
    by("view").hidden = !data.pictures.length;
    by("strip").hidden = !data.pictures.length;
    if (!data.pictures.length) return;
    by("slice").addEventListener("change", () => cut(Number(by("slice").value)));
    by("previous").addEventListener("click", () => step(-1));
    by("next").addEventListener("click", () => step(1));
    by("in").addEventListener("click", () => zoom(1.6));
    by("out").addEventListener("click", () => zoom(1 / 1.6));
    by("fit").addEventListener("click", () => { state.box = state.marked = null; showStage(); });
    by("none").addEventListener("click", () => choose([]));
    by("raters").addEventListener("click", () => choose(raters.map((one) => one.name)));
    by("raters").hidden = !raters.length || raters.length === annotators.length;
    by("all").addEventListener("click", () => choose(annotators.map((one) => one.name)));
    by("enlarge").addEventListener("click", enlarge);
    by("close").addEventListener("click", () => by("dialog").close());
    by("dialog").addEventListener("close", shrunk);
    by("view").addEventListener("keydown", onKey);
    drag();
    window.addEventListener("beforeprint", forPrint);
    window.addEventListener("resize", applyView);
    showStrip();
    show(order()[0]);
  }
  start();
})();
