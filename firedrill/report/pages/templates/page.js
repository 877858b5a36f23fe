"use strict";
(() => {
  const content = () => JSON.parse(document.getElementById("data").textContent);
  const quoted = (value) => value === null ? "" : /[",\n\r]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value);
  // A spreadsheet would run a name that looks like a formula.
  const inert = (name) => /^[=+\-@\t\r]/.test(name) ? `'${name}` : name;

  function csv(series) {
    const names = [...new Set(series.flatMap((run) => Object.keys(run.columns)))];
    const rows = [["run", ...names].map((name) => quoted(inert(name)))];
    for (const run of series) {
      run.columns.seconds.forEach((_, at) => rows.push([quoted(inert(run.run)), ...names.map((name) => quoted(run.columns[name]?.[at] ?? null))]));
    }
    return rows.map((row) => row.join(",")).join("\r\n") + "\r\n";
  }

  for (const link of document.querySelectorAll("a[data-as]")) {
    link.addEventListener("click", () => {
      const isTable = link.dataset.as === "csv";
      const text = isTable ? csv(content().series) : JSON.stringify(content(), null, 1);
      link.href = URL.createObjectURL(new Blob([text], {type: isTable ? "text/csv" : "application/json"}));
    });
  }

  // A canvas knows no style sheet, so charts get the page's colours from here, again in dark mode and in print.
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  function paint(ink = color("--muted"), grid = color("--rule")) {
    const font = color("--font");
    for (const drawn of globalThis.Bokeh?.documents ?? []) {
      for (const model of drawn._all_models.values()) {
        if (/Axis$/.test(model.type)) model.setv({major_label_text_color: ink, major_label_text_font_size: "11px", major_label_text_font: font});
        if (model.type === "Text") model.setv({text_font: font});
        if (model.tags?.includes("ink")) model.setv({text_color: ink});
        if (model.type === "Grid") model.setv({grid_line_color: grid});
      }
    }
  }
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", () => paint());

  // A printed page is laid out at once, so the charts are repainted at once, and zoomed to the width of A4.
  const PAPER_PIXELS = 690;
  const figures = () => document.querySelectorAll(".chart .bk-Plot");
  addEventListener("beforeprint", () => {
    paint("#4a4f57", "#dfe2e6");
    for (const view of globalThis.Bokeh?.index ?? []) view.repaint?.();
    for (const figure of figures()) figure.style.zoom = Math.min(1, PAPER_PIXELS / figure.offsetWidth);
  });
  addEventListener("afterprint", () => {
    paint();
    for (const figure of figures()) figure.style.zoom = "";
  });

  // A narrow chart has room for fewer times along its axis, and none for the names of faults.
  const NARROW_PIXELS = 600;
  function mark() {
    for (const drawn of globalThis.Bokeh?.documents ?? []) {
      for (const model of drawn._all_models.values()) {
        if (model.type === "AdaptiveTicker") model.desired_num_ticks = innerWidth < NARROW_PIXELS ? 3 : 7;
        if (model.type === "GlyphRenderer" && model.name === "faults") model.visible = innerWidth >= NARROW_PIXELS;
      }
    }
  }
  addEventListener("resize", mark);

  // On a touch screen dragging scrolls the page instead of zooming.
  function letScroll() {
    for (const drawn of globalThis.Bokeh?.documents ?? []) {
      for (const model of drawn._all_models.values()) {
        if (model.type === "BoxZoomTool") model.active = false;
      }
    }
  }
  addEventListener("DOMContentLoaded", () => {
    const wait = setInterval(() => {
      if (globalThis.Bokeh && !globalThis.Bokeh.documents.length) return;
      clearInterval(wait);
      paint();
      mark();
      if (matchMedia("(pointer: coarse)").matches) letScroll();
      document.documentElement.dataset.drawn = "yes";
    }, 30);
  });
})();
