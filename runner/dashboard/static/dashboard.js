// What pages do beyond HTML: clocks that go on, curves to zoom into, names beside marks.
// Everything is there without it.
"use strict";
(() => {
  const live = document.querySelector("[sse-connect]");
  const connection = document.getElementById("connection");

  connection.textContent = live ? "Connecting" : "";

  // -- the events ----------------------------------------------------------------------------
  // A browser opens few connections to one server: a page that nobody sees gives its own back.
  let source = null;
  let hidden = 0;
  htmx.createEventSource = (url) => (source = new EventSource(url));
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hidden);
    if (!live) return;
    if (document.hidden) {
      hidden = setTimeout(() => source && source.close(), 5000);
    } else if (source && source.readyState === EventSource.CLOSED) {
      location.reload();
    }
  });
  document.addEventListener("htmx:sseOpen", () => { connection.textContent = "Live"; });
  document.addEventListener("htmx:sseError", () => {
    connection.textContent = "No connection: the dashboard may have ended, and comes back by itself.";
  });

  // -- clocks --------------------------------------------------------------------------------
  const started = new WeakMap();
  const words = (seconds) =>
    seconds >= 3600 ? `${(seconds / 3600).toFixed(1)} h`
    : seconds >= 60 ? `${(seconds / 60).toFixed(1)} min`
    : `${seconds.toFixed(0)} s`;
  setInterval(() => {
    for (const each of document.querySelectorAll("[data-elapsed]")) {
      if (!started.has(each)) started.set(each, performance.now() / 1000 - Number(each.dataset.elapsed));
      const seconds = performance.now() / 1000 - started.get(each);
      each.textContent = words(seconds);
      const bar = each.closest(".stage")?.querySelector("progress");
      if (bar) bar.value = Math.min(seconds, bar.max);
    }
  }, 500);

  // -- names beside marks --------------------------------------------------------------------
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.hidden = true;
  document.body.append(tip);
  const show = (event) => {
    const link = event.target.closest?.(".chart a");
    if (!link) { tip.hidden = true; return; }
    const title = link.querySelector("title");
    if (title) { link.dataset.said = title.textContent; title.remove(); }
    tip.textContent = link.dataset.said || "";
    tip.hidden = !tip.textContent;
    const at = link.getBoundingClientRect();
    const wide = document.documentElement.clientWidth;
    const left = Math.min(at.left + scrollX, wide - tip.offsetWidth - 12);
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${at.bottom + scrollY + 8}px`;
  };
  for (const name of ["mouseover", "focusin"]) document.addEventListener(name, show);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") tip.hidden = true;
    const search = document.getElementById("search");
    const writing = event.target.matches?.("input, textarea, select");
    if (event.key === "/" && search && !writing) { event.preventDefault(); search.focus(); }
  });

  // -- learning curves -----------------------------------------------------------------------
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const resolved = (name) => {
    const probe = document.createElement("i");
    probe.hidden = true;
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found || colour(name);
  };
  const draw = (figure) => {
    const given = JSON.parse(figure.dataset.curve);
    const series = [
      ...given.incumbent.map((points) => ["best before", points, "--reverted", [4, 4]]),
      ...given.candidate.map((points) => ["this", points, "--audit", undefined]),
    ];
    const steps = [...new Set(series.flatMap(([, points]) => points.map(([x]) => x)))].sort((a, b) => a - b);
    const place = new Map(steps.map((step, index) => [step, index]));
    const data = [steps, ...series.map(([, points]) => {
      const column = new Array(steps.length).fill(null);
      for (const [x, y] of points) column[place.get(x)] = y;
      return column;
    })];
    const holder = figure.querySelector(".drawn");
    const ink = resolved("--muted");
    const grid = { stroke: resolved("--grid"), width: 1 };
    const axis = { stroke: ink, grid, ticks: grid, font: "12px system-ui" };
    holder.replaceChildren();
    new uPlot({
      width: holder.clientWidth,
      height: 220,
      scales: { x: { time: false } },
      legend: { show: false },
      cursor: { drag: { x: true, y: true, uni: 20 } },
      axes: [axis, { ...axis, size: 60 }],
      series: [{}, ...series.map(([label, points, name, dash]) => ({
        label, dash, stroke: resolved(name), width: 1.6, spanGaps: true,
        points: { show: points.length === 1, size: 6 }, // a line of no length is not drawn
      }))],
    }, data, holder);
  };
  if (window.uPlot) {
    const figures = document.querySelectorAll("[data-curve]");
    figures.forEach(draw);
    let later = 0;
    const again = () => { clearTimeout(later); later = setTimeout(() => figures.forEach(draw), 150); };
    addEventListener("resize", again);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  }
})();
