// Colours, hatchings and shapes; all of them mean the same as in the printed timing plot.

const LOOK = { colours: {}, patterns: new Map() };

const readColours = () => {
  const style = getComputedStyle(document.documentElement);
  const names = ["paper", "band", "ink", "faint", "line", "host", "forbidden", "select", "good",
    "bad", "open", "epoch-1", "epoch-2", "epoch-3", "epoch-4", "epoch-5"];
  for (const name of names) LOOK.colours[name] = style.getPropertyValue(`--${name}`).trim();
  LOOK.patterns.clear();
};

const epochColour = (epoch) =>
  epoch > 0 ? LOOK.colours[`epoch-${((epoch - 1) % 5) + 1}`] : LOOK.colours.host;

const STROKES = {
  "/": [[0, 8, 8, 0], [-2, 2, 2, -2], [6, 10, 10, 6]],
  "\\": [[0, 0, 8, 8], [-2, 6, 2, 10], [6, -2, 10, 2]],
  x: [[0, 8, 8, 0], [0, 0, 8, 8]],
  "-": [[0, 2, 8, 2], [0, 6, 8, 6]],
  "|": [[2, 0, 2, 8], [6, 0, 6, 8]],
  "+": [[0, 4, 8, 4], [4, 0, 4, 8]],
};

/** A hatching of one colour, or null for none. */
const hatching = (context, hatch, colour) => {
  if (!hatch) return null;
  const key = `${hatch[0]}${colour}`;
  if (!LOOK.patterns.has(key)) {
    const cell = document.createElement("canvas");
    cell.width = 8;
    cell.height = 8;
    const pen = cell.getContext("2d");
    pen.strokeStyle = colour;
    pen.lineWidth = 1;
    pen.beginPath();
    for (const [left, top, right, bottom] of STROKES[hatch[0]] || []) {
      pen.moveTo(left, top);
      pen.lineTo(right, bottom);
    }
    pen.stroke();
    LOOK.patterns.set(key, cell);
  }
  return context.createPattern(LOOK.patterns.get(key), "repeat");
};

const fillOf = (context, left, top, width, height, colour, share, hatch) => {
  context.fillStyle = colour;
  context.globalAlpha = share;
  context.fillRect(left, top, width, height);
  context.globalAlpha = 1;
  const pattern = width > 3 && hatching(context, hatch, colour);
  if (pattern) {
    context.globalAlpha = 0.7;
    context.fillStyle = pattern;
    context.fillRect(left, top, width, height);
    context.globalAlpha = 1;
  }
};

const line = (pen, ...places) => {
  pen.moveTo(places[0], places[1]);
  for (let at = 2; at < places.length; at += 2) pen.lineTo(places[at], places[at + 1]);
};

/** How each shape is drawn around a place; `r` is its half width. Keys are matplotlib's. */
const SHAPES = {
  "|": (pen, x, y, r) => line(pen, x, y - r - 2, x, y + r + 2),
  _: (pen, x, y, r) => line(pen, x - r, y, x + r, y),
  x: (pen, x, y, r) => { line(pen, x - r, y - r, x + r, y + r); line(pen, x - r, y + r, x + r, y - r); },
  X: (pen, x, y, r) => { line(pen, x - r, y - r, x + r, y + r); line(pen, x - r, y + r, x + r, y - r); },
  P: (pen, x, y, r) => { line(pen, x - r, y, x + r, y); line(pen, x, y - r, x, y + r); },
  o: (pen, x, y, r) => { pen.moveTo(x + r, y); pen.arc(x, y, r, 0, 7); },
  s: (pen, x, y, r) => pen.rect(x - r, y - r, 2 * r, 2 * r),
  d: (pen, x, y, r) => line(pen, x, y - r - 1, x + r, y, x, y + r + 1, x - r, y, x, y - r - 1),
  v: (pen, x, y, r) => line(pen, x - r, y - r, x + r, y - r, x, y + r, x - r, y - r),
  "^": (pen, x, y, r) => line(pen, x - r, y + r, x + r, y + r, x, y - r, x - r, y + r),
  "<": (pen, x, y, r) => line(pen, x + r, y - r, x - r, y, x + r, y + r, x + r, y - r),
  1: (pen, x, y, r) => { line(pen, x, y, x, y + r); line(pen, x - r, y - r, x, y, x + r, y - r); },
  4: (pen, x, y, r) => { line(pen, x - r, y, x, y); line(pen, x + r, y - r, x, y, x + r, y + r); },
};
const BOLD = new Set(["X", "P"]);
const FILLED = new Set(["s", "d", "v", "^", "<"]);

const drawShape = (pen, shape, x, y, r, colour) => {
  pen.strokeStyle = colour;
  pen.fillStyle = colour;
  pen.lineWidth = BOLD.has(shape) ? 2.6 : 1.4;
  pen.beginPath();
  (SHAPES[shape] || SHAPES["|"])(pen, x, y, r);
  if (FILLED.has(shape)) pen.fill();
  pen.stroke();
};
