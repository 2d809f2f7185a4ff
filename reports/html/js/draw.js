// Draws the visible part. What is dense costs as much as there are pixels, not events.

const HEAD = 64; // Axis and three lines of captions.
const RIGHT = 10;
const FONT = '12px system-ui, "DejaVu Sans", sans-serif';
const SMALL = '11px system-ui, "DejaVu Sans", sans-serif';
const MOMENTS_MAX = 40;
const CLOSE = 3; // Marks nearer than so many pixels become ticks.

/** What is on the canvas: times from `from` to `to`, rows from `top`, `left` pixels for names. */
class Painter {
  constructor(context, view) {
    this.pen = context;
    this.view = view;
    this.drawn = 0;
    this.scale = (view.width - view.left - RIGHT) / (view.to - view.from);
  }

  x(at) {
    return this.view.left + (at - this.view.from) * this.scale;
  }

  paint() {
    const { pen, view } = this;
    pen.fillStyle = LOOK.colours.paper;
    pen.fillRect(0, 0, view.width, view.height);
    pen.save();
    pen.beginPath();
    pen.rect(0, HEAD, view.width, view.height - HEAD);
    pen.clip();
    const visible = view.rows.filter(
      (row) => row.top + row.height > view.top && row.top < view.top + view.height - HEAD,
    );
    for (const row of visible) this.ground(row);
    this.clipped(() => this.grid());
    for (const row of visible) this.clipped(() => this.row(row));
    this.clipped(() => this.moments());
    for (const row of visible) this.clipped(() => this.violations(row));
    this.clipped(() => this.chain());
    for (const row of visible) this.name(row);
    pen.restore();
    this.head();
    return this.drawn;
  }

  /** Draw with the names' column kept free. */
  clipped(draw) {
    const { pen, view } = this;
    pen.save();
    pen.beginPath();
    pen.rect(view.left, HEAD, view.width - view.left, view.height - HEAD);
    pen.clip();
    draw();
    pen.restore();
  }

  y(row) {
    return HEAD + row.top - this.view.top;
  }

  ground(row) {
    if (!row.track) {
      this.pen.fillStyle = LOOK.colours.band;
      this.pen.fillRect(0, this.y(row), this.view.width, row.height);
    }
  }

  ticks() {
    const step = tickStep(1 / this.scale, 110);
    const ticks = [];
    for (let at = Math.ceil(this.view.from / step) * step; at <= this.view.to; at += step) {
      ticks.push(Math.round(at));
    }
    return ticks;
  }

  grid() {
    const { pen, view } = this;
    pen.strokeStyle = LOOK.colours.line;
    pen.lineWidth = 1;
    pen.beginPath();
    for (const at of this.ticks()) {
      const x = Math.round(this.x(at)) + 0.5;
      line(pen, x, HEAD, x, view.height);
    }
    pen.stroke();
  }

  row(row) {
    if (!row.track) {
      this.lane(row);
      return;
    }
    const track = row.track;
    if (track.zone) this.zone(row, track.zone);
    for (const level of track.levels) this.level(row, level);
    for (const group of track.bars) this.bars(row, group);
    for (const group of row.marks) this.marks(row, group);
  }

  /** The ticks of all events of a lane; the taller, the more share a pixel. */
  lane(row) {
    const { pen } = this;
    const middle = this.y(row) + row.height / 2;
    pen.strokeStyle = LOOK.colours.faint;
    pen.lineWidth = 1;
    pen.beginPath();
    this.eachPixel(row.at, (x, count) => {
      const half = Math.min(3 + Math.log2(count), row.height / 2 - 2);
      line(pen, x, middle - half, x, middle + half);
    });
    pen.stroke();
  }

  /** Call with the pixel, the count and the first place of every pixel that has a value. */
  eachPixel(values, draw) {
    const { view } = this;
    let place = lowerBound(values, view.from);
    while (place < values.length && values[place] <= view.to) {
      const x = Math.round(this.x(values[place]));
      const next = lowerBound(values, view.from + (x + 0.5 - view.left) / this.scale, place + 1);
      draw(x + 0.5, next - place, place);
      this.drawn += 1;
      place = next;
    }
  }

  zone(row, zone) {
    const { pen, view } = this;
    const first = Math.max(this.x(zone.first), view.left);
    if (first > view.width) return;
    const top = this.y(row);
    const colour = LOOK.colours.forbidden;
    fillOf(pen, first, top, view.width - first, row.height, colour, 0.1, "/");
    const words = zone.what;
    pen.font = SMALL;
    const width = pen.measureText(words).width;
    if (view.width - first < width + 20) return;
    pen.fillStyle = LOOK.colours.paper;
    pen.globalAlpha = 0.8;
    pen.fillRect(view.width - width - 14, top + 3, width + 6, row.height - 6);
    pen.globalAlpha = 1;
    pen.fillStyle = colour;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    pen.fillText(words, view.width - 11, top + row.height / 2);
  }

  level(row, level) {
    const { pen, view } = this;
    const most = Math.max(...level.count, 1);
    const bottom = this.y(row) + row.height - 2;
    const room = row.height - 6;
    const colour = epochColour(level.epoch);
    const hatch = DATA.epochHatches[level.epoch];
    let last = null;
    for (let at = 0; at < level.at.length; at += 1) {
      const until = at + 1 < level.at.length ? level.at[at + 1] : level.end;
      if (until < view.from || level.at[at] > view.to || !level.count[at]) continue;
      const left = Math.max(this.x(level.at[at]), view.left);
      const right = Math.min(this.x(until), view.width);
      if (last !== null && right - last < 0.4) continue;
      last = right;
      const height = Math.max((level.count[at] / most) * room, 1);
      fillOf(pen, left, bottom - height, right - left, height, colour, 0.3, hatch);
      this.drawn += 1;
    }
    const left = Math.max(this.x(level.at[0]), view.left) + 4;
    if (this.x(level.end) - left > 130) this.words(level.label, left, bottom - room / 2);
  }

  bars(row, group) {
    const { pen, view } = this;
    const [share, hatch, tall] = DATA.barStyles[group.kind];
    const height = row.height * tall;
    const top = this.y(row) + (row.height - height) / 2;
    const colour = epochColour(group.epoch);
    const pattern = hatch || DATA.epochHatches[group.epoch];
    let left = NaN;
    let right = NaN;
    const flush = () => {
      if (Number.isNaN(left)) return;
      fillOf(pen, left, top, Math.max(right - left, 1), height, colour, share, pattern);
      if (right - left > 2) {
        pen.strokeStyle = colour;
        pen.lineWidth = 1;
        pen.strokeRect(left + 0.5, top + 0.5, right - left - 1, height - 1);
      }
      this.drawn += 1;
    };
    let place = lowerBound(group.latest, view.from);
    for (; place < group.start.length && group.start[place] <= view.to; place += 1) {
      if (group.end[place] < view.from) continue;
      const begin = Math.max(this.x(group.start[place]), view.left - 4);
      const end = Math.min(this.x(group.end[place]), view.width + 4);
      if (begin - right < 0.7) {
        right = Math.max(right, end);
        continue;
      }
      flush();
      left = begin;
      right = end;
    }
    flush();
    this.barWords(row, group);
  }

  barWords(row, group) {
    for (const [place, label] of group.labels) {
      const left = Math.max(this.x(group.start[place]), this.view.left) + 4;
      const right = Math.min(this.x(group.end[place]), this.view.width) - 3;
      this.words(label, left, this.y(row) + row.height / 2, right - left);
    }
  }

  /** Words on a pale ground, if they have the room. */
  words(text, left, middle, room = Infinity) {
    const { pen } = this;
    pen.font = SMALL;
    const width = pen.measureText(text).width;
    if (width > room || left > this.view.width || left + width < this.view.left) return;
    pen.fillStyle = LOOK.colours.paper;
    pen.globalAlpha = 0.75;
    pen.fillRect(left - 2, middle - 7, width + 4, 14);
    pen.globalAlpha = 1;
    pen.fillStyle = LOOK.colours.ink;
    pen.textAlign = "left";
    pen.textBaseline = "middle";
    pen.fillText(text, left, middle);
  }

  marks(row, group) {
    const { pen } = this;
    const middle = this.y(row) + row.height / 2;
    const colour = epochColour(group.epoch);
    const shape = DATA.markShapes[group.kind] || "|";
    const found = [];
    this.eachPixel(group.at, (x, count, place) => found.push([x, count, place]));
    found.forEach(([x, count, place], at) => {
      const before = at > 0 ? x - found[at - 1][0] : Infinity;
      const after = at + 1 < found.length ? found[at + 1][0] - x : Infinity;
      const crowded = count > 1 || before < CLOSE || after < CLOSE;
      drawShape(pen, crowded ? "|" : shape, x, middle, crowded ? 3 : 4, colour);
      const label = count === 1 && group.labels.get(place);
      if (label && after > 30) this.words(label, x + 8, middle, after - 10);
    });
  }

  moments() {
    const { pen, view } = this;
    const inView = DATA.chart.moments.filter(
      (moment) => moment.at >= view.from && moment.at <= view.to);
    // Many lines would hide the rows, and so become short; they grow when one zooms in.
    const bottom = inView.length > MOMENTS_MAX ? HEAD + 6 : view.height;
    for (const moment of inView) {
      const x = this.x(moment.at);
      pen.strokeStyle = moment.kind === "teardown" ? LOOK.colours.forbidden : LOOK.colours.ink;
      pen.lineWidth = moment.kind === "teardown" ? 3 : 1.2;
      pen.setLineDash({ released: [7, 4], start: [2, 3], end: [] }[moment.kind] || []);
      pen.beginPath();
      line(pen, x, HEAD, x, bottom);
      pen.stroke();
      pen.setLineDash([]);
    }
    if (view.death === null) return;
    const x = this.x(view.death);
    pen.strokeStyle = LOOK.colours.select;
    pen.setLineDash([3, 3]);
    pen.lineWidth = 2;
    pen.beginPath();
    line(pen, x, HEAD, x, view.height);
    pen.stroke();
    pen.setLineDash([]);
  }

  violations(row) {
    for (const [index, at] of row.violated || []) {
      if (at < this.view.from || at > this.view.to) continue;
      this.diamond(this.x(at), this.y(row) + row.height / 2, index === this.view.selected);
    }
  }

  diamond(x, y, strong) {
    const { pen } = this;
    const r = strong ? 7 : 5.5;
    pen.fillStyle = LOOK.colours.forbidden;
    pen.strokeStyle = LOOK.colours.paper;
    pen.lineWidth = 1.5;
    pen.beginPath();
    line(pen, x, y - r, x + r, y, x, y + r, x - r, y, x, y - r);
    pen.fill();
    pen.stroke();
    this.drawn += 1;
  }

  /** The selected event and the way its causes lead to it. */
  chain() {
    const { pen, view } = this;
    if (view.selected < 0) return;
    const way = [view.selected, ...EVENTS.causesOf(view.selected, 200)];
    const places = way.map((index) => {
      const row = view.home(index);
      return row && [this.x(EVENTS.at[index]), this.y(row) + row.height / 2];
    }).filter((place) => place);
    pen.strokeStyle = LOOK.colours.select;
    pen.fillStyle = LOOK.colours.select;
    pen.lineWidth = 1.8;
    pen.beginPath();
    if (places.length) line(pen, ...places.flat());
    pen.stroke();
    for (const [x, y] of places.slice(1)) {
      pen.beginPath();
      pen.arc(x, y, 3, 0, 7);
      pen.fill();
    }
    if (!places.length || !view.home(view.selected)) return;
    pen.beginPath();
    pen.arc(places[0][0], places[0][1], 6.5, 0, 7);
    pen.lineWidth = 2.5;
    pen.stroke();
  }

  name(row) {
    const { pen, view } = this;
    const middle = this.y(row) + row.height / 2;
    pen.fillStyle = row.track ? LOOK.colours.paper : LOOK.colours.band;
    pen.fillRect(0, this.y(row), view.left - 4, row.height);
    pen.textBaseline = "middle";
    pen.textAlign = "left";
    pen.font = row.track ? SMALL : `bold ${FONT}`;
    pen.fillStyle = row.track ? LOOK.colours.faint : LOOK.colours.ink;
    const name = row.track ? row.track.name : row.lane.name;
    pen.fillText(this.cut(name, view.left - (row.track ? 26 : 12)), row.track ? 18 : 6, middle);
  }

  cut(text, room) {
    const { pen } = this;
    if (pen.measureText(text).width <= room) return text;
    let [low, high] = [0, text.length];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (pen.measureText(`…${text.slice(-middle)}`).width <= room) low = middle;
      else high = middle - 1;
    }
    return `…${low ? text.slice(-low) : ""}`;
  }

  head() {
    const { pen, view } = this;
    pen.font = SMALL;
    pen.textBaseline = "alphabetic";
    pen.textAlign = "center";
    pen.fillStyle = LOOK.colours.faint;
    for (const at of this.ticks()) {
      const x = this.x(at);
      if (x > view.left + 20 && x < view.width - 24) pen.fillText(inUnits(at), x, HEAD - 5);
    }
    pen.strokeStyle = LOOK.colours.faint;
    pen.lineWidth = 1;
    pen.beginPath();
    line(pen, view.left, HEAD - 0.5, view.width, HEAD - 0.5);
    pen.stroke();
    this.captions();
  }

  captions() {
    const { view } = this;
    const [first, ...others] = DATA.findings.map(
      (each) => [EVENTS.at[each.index], `◆ ${each.label}`, "bad"]);
    const momentsOf = (kinds, colour) => DATA.chart.moments
      .filter((each) => kinds.includes(each.kind))
      .map((each) => [each.at, each.label, colour]);
    const wanted = [
      ...(view.death === null ? [] : [[view.death, "end tried here", "select"]]),
      ...(first ? [first] : []), ...momentsOf(["teardown"], "bad"), ...momentsOf(["end"], "ink"),
      ...others, ...momentsOf(["released", "start"], "ink"),
    ].filter(([at]) => at >= view.from && at <= view.to);
    this.pen.textAlign = "left";
    this.pen.font = SMALL;
    const taken = [[], [], []];
    const placed = wanted.map(([at, text, colour]) => this.place(taken, this.x(at), text, colour))
      .filter((caption) => caption);
    for (const { x, y, colour } of placed) this.thread(x, y, LOOK.colours[colour]);
    for (const caption of placed) this.caption(caption);
  }

  /** The caption with its place on the first line that has room, or null. */
  place(taken, x, text, colour) {
    const { pen, view } = this;
    const width = pen.measureText(text).width;
    const left = Math.max(Math.min(x + 4, view.width - width - 2), 2);
    const free = taken.findIndex((lineOf) =>
      lineOf.every(([begin, end]) => left > end || left + width + 8 < begin));
    if (free < 0) return null;
    taken[free].push([left, left + width + 8]);
    return { x, y: 13 + 14 * free, left, width, text, colour };
  }

  thread(x, y, colour) {
    this.pen.strokeStyle = colour;
    this.pen.lineWidth = 1;
    this.pen.beginPath();
    line(this.pen, x, y - 9, x, HEAD);
    this.pen.stroke();
  }

  caption({ y, left, width, text, colour }) {
    this.pen.fillStyle = LOOK.colours.paper;
    this.pen.fillRect(left - 1, y - 10, width + 2, 13);
    this.pen.fillStyle = LOOK.colours[colour];
    this.pen.fillText(text, left, y);
  }
}

/** Note in each row which of its events are violations, once. */
const noteViolations = (rows) => {
  for (const row of rows) {
    const of = row.track ? row.marks.flatMap((group) => [...group.index]) : row.index;
    row.violated = of.filter((index) => VIOLATIONS.has(index))
      .map((index) => [index, EVENTS.at[index]]);
  }
};
