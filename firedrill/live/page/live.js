"use strict";
// Draws what /state answers, once a second, and goes to the report when the runs have ended.
const runs = [];
let latest = 0;

const make = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);
const svg = (name, attributes) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};
const digits = (value) => Number(value.toPrecision(3)).toString();
const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

function shown(value, unit) {
  if (value === undefined) return "–";
  if (unit === "percentunit") return `${digits(value * 100)} %`;
  if (unit === "reqps") return `${digits(value)}/s`;
  if (unit !== "s") return digits(value);
  return value < 1 ? `${digits(value * 1000)} ms` : `${digits(value)} s`;
}

class Chart {
  constructor(parent, first) {
    this.figure = make("chart");
    this.lines = new Map();
    this.cursor = null;
    this.scale = first.scale;
    this.unit = first.unit;
    this.figure.querySelector("h3").textContent = first.title;
    this.figure.title = first.description;
    this.svg = this.figure.querySelector("svg");
    this.svg.setAttribute("aria-label", first.title);
    this.svg.addEventListener("pointermove", (event) => this.point(event.offsetX / this.svg.clientWidth));
    this.svg.addEventListener("pointerleave", () => this.move(null));
    this.figure.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (event.key === "Escape") this.move(null);
      else if (by) { event.preventDefault(); this.move(Math.min(this.end, Math.max(this.begin, (this.cursor ?? this.end) + by))); }
    });
    parent.append(this.figure);
  }

  add(lines) {
    for (const line of lines) {
      const known = this.lines.get(line.legend);
      if (known) known.points.push(...line.points);
      else this.lines.set(line.legend, line);
    }
    const times = [...this.lines.values()].flatMap((line) => (line.points.length ? [line.points[0][0], line.points.at(-1)[0]] : []));
    this.begin = times.length ? Math.min(...times) : 0;
    this.end = Math.max(...times, this.begin + 10);
    this.draw();
  }

  point(share) { this.move(Math.round(this.begin + ((share * this.width - 48) / (this.width - 56)) * (this.end - this.begin))); }

  move(to) { this.cursor = Number.isFinite(to) ? to : null; this.draw(); }

  draw() {
    this.width = this.svg.clientWidth || 600;
    const height = this.svg.clientHeight || 190;
    const [left, right, top, bottom] = [48, this.width - 8, 8, height - 20];
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${height}`);
    this.svg.replaceChildren();
    const values = [...this.lines.values()].flatMap((line) => line.points.map((point) => point[1]));
    const logarithmic = this.scale === "log";
    const positive = values.filter((value) => value > 0);
    const low = logarithmic ? 10 ** Math.floor(Math.log10(Math.min(...positive, 1))) : 0;
    let high = Math.max(...values, this.scale === "full" ? 1 : 0) || 1;
    if (logarithmic) high = 10 ** Math.ceil(Math.log10(Math.max(high, low * 10)));
    const x = (time) => left + ((time - this.begin) / (this.end - this.begin)) * (right - left);
    const share = (value) => (logarithmic ? Math.log10(Math.max(value, low) / low) / Math.log10(high / low) : value / high);
    const y = (value) => bottom - share(value) * (bottom - top);
    for (const tick of logarithmic ? decades(low, high) : [0, high / 2, high]) {
      this.svg.append(svg("line", { class: "axis", x1: left, x2: right, y1: y(tick), y2: y(tick) }));
      const text = svg("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" });
      text.textContent = shown(tick, this.unit);
      this.svg.append(text);
    }
    for (const [at, anchor] of [[this.begin, "start"], [this.end, "end"]]) {
      const text = svg("text", { x: x(at), y: height - 4, "text-anchor": anchor });
      text.textContent = clock(at - this.begin);
      this.svg.append(text);
    }
    for (const line of this.lines.values()) {
      const path = line.points.map(([time, value], at) => `${at && time - line.points[at - 1][0] < 6 ? "L" : "M"}${x(time).toFixed(1)} ${y(value).toFixed(1)}`);
      const dash = line.legend === "SLO" || line.legend === "offered" ? "6 5" : "none";
      this.svg.append(svg("path", { d: path.join(""), fill: "none", stroke: line.color, "stroke-width": 2, "stroke-dasharray": dash }));
    }
    if (this.cursor !== null) this.svg.append(svg("line", { class: "cursor", x1: x(this.cursor), x2: x(this.cursor), y1: top, y2: bottom }));
    this.keys();
  }

  keys() {
    const list = this.figure.querySelector(".keys");
    list.replaceChildren(...[...this.lines.values()].map((line) => {
      const item = document.createElement("li");
      const swatch = document.createElement("i");
      swatch.style.background = line.color;
      const at = this.cursor === null ? line.points.at(-1) : line.points.find((point) => point[0] === this.cursor);
      const unit = line.legend.endsWith("(seconds)") ? "s" : this.unit;
      item.append(swatch, `${line.legend.replace(" (seconds)", "")} ${shown(at?.[1], unit)}`);
      return item;
    }));
    if (!this.lines.size) list.textContent = "no data yet";
  }
}

function decades(low, high) {
  const ticks = [];
  for (let tick = low; tick <= high * 1.001; tick *= 10) ticks.push(tick);
  return ticks;
}

function facts(run) {
  const names = (fact, label) => (run.facts[fact] ?? []).map((sample) => sample.labels[label]);
  const number = (fact) => run.facts[fact]?.at(-1)?.value;
  const broken = (run.facts.slo ?? []).filter((sample) => sample.value === 0).map((sample) => sample.labels.objective);
  const kept = run.facts.slo?.length ? (broken.length ? `BROKEN: ${broken.join(", ")}` : "kept") : "not judged";
  const invalid = names("invalid", "reason");
  const alerts = alertNames(run);
  const firing = alerts.firing;
  const left = run.duration_seconds === null ? "–" : clock(Math.max(0, run.duration_seconds - run.elapsed_seconds));
  const tiles = [
    ["SLO now", kept, broken.length ? "bad" : run.facts.slo?.length ? "good" : ""],
    ["test valid?", invalid.length ? `INVALID: ${invalid.join(", ")}` : run.facts.users?.length ? "valid so far" : "no load", invalid.length ? "bad" : ""],
    ["bottleneck", names("bottleneck", "resource").join(", ") || "none seen", names("bottleneck", "resource").length ? "bad" : ""],
    ["users / starved", `${number("users") ?? "–"} / ${number("starved") ?? "–"}`, number("starved") > 0 ? "bad" : ""],
    ["step", number("step") ?? "–", ""],
    ["time left", left, ""],
    ["faults", names("fault", "fault").join(", ") || "none", ""],
    ["alerts", counted(alerts) || "none", firing.length ? "bad" : ""],
  ];
  return run.verdict ? [["verdict", run.verdict, run.verdict === "PASSED" ? "good" : "bad"]] : tiles;
}

function alertNames(run) {
  const named = { firing: new Set(), pending: new Set() };
  for (const sample of run.facts.alert ?? []) named[sample.labels.alertstate]?.add(sample.labels.alertname);
  return { firing: [...named.firing], pending: [...named.pending].filter((name) => !named.firing.has(name)) };
}

const counted = (alerts) => ["firing", "pending"].filter((state) => alerts[state].length).map((state) => `${alerts[state].length} ${state}`).join(", ");

function tile([name, value, kind]) {
  const box = document.createElement("div");
  if (kind) box.className = kind;
  const [title, text] = [document.createElement("dt"), document.createElement("dd")];
  title.textContent = name;
  text.textContent = value;
  box.append(title, text);
  return box;
}

function show(run, at) {
  if (!runs[at]) {
    const section = make("run");
    section.querySelector("h2").textContent = run.title;
    document.getElementById("runs").append(section);
    runs[at] = { section, charts: run.charts.map((chart) => new Chart(section.querySelector(".grid"), chart)) };
  }
  const { section, charts } = runs[at];
  section.querySelector(".phase").textContent = run.verdict ? "ended" : run.phase;
  const bar = section.querySelector("progress");
  bar.hidden = run.duration_seconds === null || run.verdict !== null;
  if (!bar.hidden) bar.value = Math.min(1, run.elapsed_seconds / run.duration_seconds);
  section.querySelector(".strip").replaceChildren(...facts(run).map(tile));
  const alerts = alertNames(run);
  const named = ["firing", "pending"].filter((state) => alerts[state].length && !run.verdict).map((state) => `${state}: ${alerts[state].join(", ")}`);
  section.querySelector(".alerts").textContent = named.join("; ");
  section.querySelector(".notifications").replaceChildren(...run.notifications.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  run.charts.forEach((chart, index) => {
    for (const line of chart.lines) for (const point of line.points) latest = Math.max(latest, point[0]);
    charts[index].add(chart.lines);
  });
}

async function update() {
  const note = document.getElementById("note");
  try {
    const state = await (await fetch(`/state?after=${latest}`, { cache: "no-store" })).json();
    state.runs.forEach(show);
    note.textContent = state.has_ended ? "The runs have ended." : "Live: read every second.";
    if (state.has_ended && state.has_report) { location.replace("/report"); return; }
    if (state.has_ended) return;
  } catch {
    note.textContent = "Firedrill has ended. The report is in the folder that it printed.";
    return;
  }
  setTimeout(update, 1000);
}

addEventListener("resize", () => runs.forEach((run) => run.charts.forEach((chart) => chart.draw())));
update();
