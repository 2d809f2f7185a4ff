// Puts it together: buttons, keys, pointer, theme.

const THEMES = { auto: "Theme: system", light: "Theme: light", dark: "Theme: dark" };

const repaintAll = () => {
  readColours();
  paintCrashes();
  repaint();
};

const nextTheme = () => {
  const names = Object.keys(THEMES);
  const root = document.documentElement;
  root.dataset.theme = names[(names.indexOf(root.dataset.theme) + 1) % names.length];
  byId("theme").textContent = THEMES[root.dataset.theme];
  repaintAll();
};

const step = (by) => {
  const index = neighbour(by);
  if (index >= 0) select(index);
};

const DEEDS = {
  decisive: showDecisive,
  whole: showWhole,
  violation: toViolation,
  in: () => zoom(1.6),
  out: () => zoom(1 / 1.6),
  left: () => pan(-0.2),
  right: () => pan(0.2),
  next: () => step(1),
  previous: () => step(-1),
};

/** Keys of the picture. */
const PICTURE_KEYS = {
  ArrowLeft: (event) => pan(event.shiftKey ? -0.9 : -0.1),
  ArrowRight: (event) => pan(event.shiftKey ? 0.9 : 0.1),
  ArrowUp: () => { SCROLL.scrollTop -= 40; },
  ArrowDown: () => { SCROLL.scrollTop += 40; },
  Home: showWhole,
  Enter: (event) => (event.shiftKey ? toEffect() : toCause()),
};

/** Keys of the page, unless something is being typed. */
const PAGE_KEYS = {
  "+": DEEDS.in,
  "=": DEEDS.in,
  "-": DEEDS.out,
  d: showDecisive,
  v: toViolation,
  n: DEEDS.next,
  p: DEEDS.previous,
  t: nextTheme,
  "/": () => byId("event-filter").focus(),
  "?": () => byId("help").showModal(),
  Escape: () => select(-1),
};

const onKey = (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  if (event.target instanceof HTMLInputElement && event.target.type !== "range") {
    if (event.key === "Escape" || event.key === "Enter") LANES_CANVAS.focus();
    return;
  }
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const onPicture = event.target === LANES_CANVAS || event.target === document.body;
  const deed = PAGE_KEYS[key] || (onPicture && PICTURE_KEYS[key]);
  if (!deed) return;
  event.preventDefault();
  deed(event);
};

const startPointer = () => {
  let grip = null;
  LANES_CANVAS.addEventListener("pointerdown", (event) => {
    grip = { x: event.offsetX, from: STATE.from, to: STATE.to, moved: false };
  });
  LANES_CANVAS.addEventListener("pointermove", (event) => {
    if (grip && event.buttons === 1) {
      const by = event.offsetX - grip.x;
      grip.moved = grip.moved || Math.abs(by) > 4;
      if (!grip.moved) return;
      LANES_CANVAS.setPointerCapture(event.pointerId);
      const room = LANES_CANVAS.clientWidth - leftColumn() - RIGHT;
      const away = (-by * (grip.to - grip.from)) / room;
      show(grip.from + away, grip.to + away);
      TIP.hidden = true;
    } else {
      tellTip(event.offsetX, event.offsetY);
    }
  });
  LANES_CANVAS.addEventListener("pointerup", (event) => {
    const { index } = under(event.offsetX, event.offsetY);
    if (grip && !grip.moved && index >= 0) select(index);
    grip = null;
  });
  LANES_CANVAS.addEventListener("pointerleave", () => { TIP.hidden = true; });
  LANES_CANVAS.addEventListener("dblclick", (event) => zoom(3, instantAt(event.offsetX)));
  LANES_CANVAS.addEventListener("wheel", (event) => {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      zoom(1.0018 ** -event.deltaY, instantAt(event.offsetX));
    } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      pan((event.deltaX || event.deltaY) / 1500);
    }
  }, { passive: false });
};

/** Say what the marks in this run mean. */
const tellLegend = () => {
  const kinds = new Set(LANES.flatMap((lane) => lane.tracks)
    .flatMap((track) => track.marks).map((group) => group.kind));
  const signs = { "|": "|", X: "✖", x: "×", o: "○", P: "✚", v: "▼", "^": "▲", "<": "◀", 1: "⅄" };
  const named = [...kinds].filter((kind) => DATA.markNames[kind] && signs[DATA.markShapes[kind]]);
  const said = named.map((kind) => `${signs[DATA.markShapes[kind]]} ${DATA.markNames[kind]}`);
  const some = DATA.violationsLeftOut ? ` (not marked: ${DATA.violationsLeftOut} later ones)` : "";
  const found = VIOLATED.length ? [`◆ violation${some}`] : [];
  byId("legend").textContent = [...found, ...said].join("   ");
};

const start = () => {
  readColours();
  refilter();
  showDecisive();
  tellLegend();
  startPointer();
  startOverview();
  startCrashes();
  byId("lane-filter").addEventListener("input", refilter);
  byId("event-filter").addEventListener("input", refilter);
  SCROLL.addEventListener("scroll", repaint);
  new ResizeObserver(repaintAll).observe(SCROLL);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaintAll);
  byId("theme").addEventListener("click", nextTheme);
  byId("print").addEventListener("click", () => window.print());
  byId("help-open").addEventListener("click", () => byId("help").showModal());
  window.addEventListener("beforeprint", drawForPrint);
  window.addEventListener("afterprint", afterPrint);
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.do) DEEDS[button.dataset.do]();
    if (button.dataset.event) {
      const index = Number(button.dataset.event);
      if (index >= 0 && index < EVENTS.count) select(index);
      if (!byId("event").contains(button)) byId("picture").scrollIntoView();
    }
  });
  document.documentElement.dataset.ready = "yes";
};

start();
