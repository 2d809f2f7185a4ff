// What is seen and selected, and how the reader changes it.

const STATE = {
  from: 0, to: 1, top: 0, rows: [], height: 0, home: () => undefined, flags: null,
  selected: -1, came: [], death: null, waiting: false,
};
const LANES_CANVAS = byId("lanes");
const OVERVIEW = byId("overview");
const SCROLL = byId("scroll");
const TIP = byId("tip");
const SPAN_MIN = 20; // Nanoseconds: the closest view.

const RUN = (() => {
  const start = Number(whole(DATA.chart.start));
  const end = Math.max(Number(whole(DATA.chart.end)), start + SPAN_MIN);
  const margin = Math.max((end - start) * 0.01, 1);
  return { from: start - margin, to: end + margin };
})();

const leftColumn = () => (LANES_CANVAS.clientWidth < 700 ? 118 : 220);

/** Show these instants; what lies outside the run is not shown. */
const show = (from, to) => {
  const span = Math.min(Math.max(to - from, SPAN_MIN), RUN.to - RUN.from);
  const middle = (from + to) / 2;
  const begin = Math.min(Math.max(middle - span / 2, RUN.from), RUN.to - span);
  STATE.from = begin;
  STATE.to = begin + span;
  repaint();
};

const showDecisive = () => {
  const [from, to] = DATA.focus.map((each) => Number(whole(each)));
  const margin = Math.max((to - from) * 0.03, 1);
  show(from - margin, to + margin);
};

const showWhole = () => show(RUN.from, RUN.to);

/** Zoom by a factor, above 1 closer, around an instant. */
const zoom = (factor, around) => {
  const selected = STATE.selected >= 0 ? EVENTS.at[STATE.selected] : NaN;
  const middle = (STATE.from + STATE.to) / 2;
  const inside = selected >= STATE.from && selected <= STATE.to;
  const fixed = around ?? (inside ? selected : middle);
  show(fixed - (fixed - STATE.from) / factor, fixed + (STATE.to - fixed) / factor);
};

const pan = (share) => {
  const by = (STATE.to - STATE.from) * share;
  show(STATE.from + by, STATE.to + by);
};

/** Bring an event into sight, with as little movement as possible. */
const reveal = (index) => {
  const at = EVENTS.at[index];
  const span = STATE.to - STATE.from;
  if (at < STATE.from + span * 0.04 || at > STATE.to - span * 0.04) {
    show(at - span / 2, at + span / 2);
  }
  const row = STATE.home(index);
  const room = SCROLL.clientHeight - HEAD;
  if (row && (row.top < STATE.top || row.top + row.height > STATE.top + room)) {
    SCROLL.scrollTop = row.top - room / 2;
  }
};

const fitted = (canvas, width, height) => {
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
};

const repaint = () => {
  if (STATE.waiting) return;
  STATE.waiting = true;
  requestAnimationFrame(() => {
    STATE.waiting = false;
    paint();
  });
};

const paint = () => {
  const began = performance.now();
  const width = LANES_CANVAS.clientWidth;
  const height = Math.min(SCROLL.clientHeight, STATE.height + HEAD + 6);
  LANES_CANVAS.style.height = `${height}px`;
  const view = { ...STATE, width, height, left: leftColumn(), top: SCROLL.scrollTop };
  STATE.top = view.top;
  const painter = new Painter(fitted(LANES_CANVAS, width, height), view);
  const drawn = painter.paint();
  paintOverview();
  const shownState = { from: Math.round(STATE.from), to: Math.round(STATE.to), selected: STATE.selected,
    drawn, rows: STATE.rows.length, ms: Math.round(performance.now() - began) };
  for (const [name, value] of Object.entries(shownState)) LANES_CANVAS.dataset[name] = value;
};

// The run as a whole, with what is seen of it marked.

const paintOverview = () => {
  const width = OVERVIEW.clientWidth;
  const height = OVERVIEW.clientHeight;
  const pen = fitted(OVERVIEW, width, height);
  const x = (at) => ((at - RUN.from) / (RUN.to - RUN.from)) * width;
  pen.clearRect(0, 0, width, height);
  pen.fillStyle = LOOK.colours.band;
  pen.fillRect(0, 0, width, height);
  pen.fillStyle = LOOK.colours.faint;
  for (let column = 0; column < width; column += 2) {
    const from = RUN.from + (column / width) * (RUN.to - RUN.from);
    const to = RUN.from + ((column + 2) / width) * (RUN.to - RUN.from);
    const count = lowerBound(EVENTS.at, to) - lowerBound(EVENTS.at, from);
    const tall = count ? Math.min(4 + 3 * Math.log2(count), height - 6) : 0;
    pen.fillRect(column, height - tall, 1.5, tall);
  }
  pen.fillStyle = LOOK.colours.forbidden;
  for (const index of VIOLATED) pen.fillRect(x(EVENTS.at[index]) - 1, 0, 2, 8);
  pen.strokeStyle = LOOK.colours.select;
  pen.lineWidth = 2;
  pen.strokeRect(x(STATE.from) + 1, 1, Math.max(x(STATE.to) - x(STATE.from) - 2, 2), height - 2);
};

const startOverview = () => {
  const move = (event) => {
    if (event.buttons !== 1 && event.type !== "pointerdown") return;
    const share = event.offsetX / OVERVIEW.clientWidth;
    const at = RUN.from + share * (RUN.to - RUN.from);
    const half = (STATE.to - STATE.from) / 2;
    show(at - half, at + half);
  };
  OVERVIEW.addEventListener("pointerdown", move);
  OVERVIEW.addEventListener("pointermove", move);
};

// Filters.

const refilter = () => {
  STATE.flags = EVENTS.matching(byId("event-filter").value);
  const { rows, height } = rowsFor(byId("lane-filter").value, STATE.flags);
  noteViolations(rows);
  STATE.rows = rows;
  STATE.height = height;
  STATE.home = homesOf(rows);
  byId("spacer").style.height = `${height + HEAD + 6}px`;
  let count = EVENTS.count;
  if (STATE.flags) count = STATE.flags.reduce((sum, flag) => sum + flag, 0);
  byId("matches").textContent = STATE.flags ? `${count} of ${EVENTS.count} events` : "";
  repaint();
};

/** The event after, or before, the selected one (or the view) that the filter shows. */
const neighbour = (step) => {
  let index = STATE.selected;
  if (index < 0) {
    index = lowerBound(EVENTS.at, STATE.from) - (step > 0 ? 1 : 0);
  }
  for (index += step; index >= 0 && index < EVENTS.count; index += step) {
    if ((!STATE.flags || STATE.flags[index]) && STATE.home(index)) return index;
  }
  return -1;
};

// What lies under the pointer.

const instantAt = (x) => {
  const left = leftColumn();
  const share = (x - left) / (LANES_CANVAS.clientWidth - left - RIGHT);
  return STATE.from + share * (STATE.to - STATE.from);
};

/** The row, the nearest event, how many more share its pixel, and the bar under a point. */
const under = (x, y) => {
  const row = STATE.rows.find((each) => {
    const top = HEAD + each.top - STATE.top;
    return y >= Math.max(top, HEAD) && y < top + each.height;
  });
  if (!row || x < leftColumn()) return { row: undefined, index: -1, more: 0, bar: null };
  const at = instantAt(x);
  const perPixel = (STATE.to - STATE.from) / (LANES_CANVAS.clientWidth - leftColumn() - RIGHT);
  let index = -1;
  let more = 0;
  let best = 7 * perPixel;
  for (const group of row.track ? row.marks : [row]) {
    const place = nearest(group.at, at);
    if (place < 0 || Math.abs(group.at[place] - at) > best) continue;
    best = Math.abs(group.at[place] - at);
    index = group.index[place];
    const half = perPixel / 2;
    more = lowerBound(group.at, group.at[place] + half) - lowerBound(group.at, group.at[place] - half);
  }
  return { row, index, more: Math.max(more - 1, 0), bar: row.track ? barAt(row.track, at) : null };
};

const barAt = (track, at) => {
  for (const group of track.bars) {
    for (let place = lowerBound(group.latest, at); place < group.start.length; place += 1) {
      if (group.start[place] > at) break;
      if (group.end[place] >= at) {
        return { kind: group.kind, epoch: group.epoch, from: group.start[place],
          to: group.end[place], label: group.labels.get(place), open: group.open.has(place) };
      }
    }
  }
  return null;
};
