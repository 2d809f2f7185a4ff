// What the page holds, unpacked; the forms are those of event_table.py and lane_table.py.

const byId = (id) => document.getElementById(id);

/** A number too great for JavaScript stands as its digits in a list. */
const whole = (value) => {
  if (!Array.isArray(value)) return value;
  if (value.length === 1 && typeof value[0] === "string") return BigInt(value[0]);
  return value.map(whole);
};

const summed = (steps) => {
  const values = new Float64Array(steps.length);
  let value = 0;
  for (let at = 0; at < steps.length; at += 1) {
    value += Number(whole(steps[at]));
    values[at] = value;
  }
  return values;
};

const fieldOf = (column, row) => {
  if (Array.isArray(column)) return whole(column[row]);
  if ("same" in column) return whole(column.same);
  return column.words[column.at[row]];
};

const isAddress = (name) => name.includes("addr") || name === "first_frame";

const hex = (value) => `0x${value.toString(16)}`;

/** Writes a value as the trace file does. */
const asJson = (value) => {
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return `[${value.map(asJson).join(",")}]`;
  return JSON.stringify(value);
};

class Events {
  constructor(table) {
    this.count = table.at.length;
    this.at = summed(table.at);
    this.sources = table.sources;
    this.source = table.source;
    this.kind = table.kind;
    this.types = table.types;
    this.cause = new Int32Array(this.count);
    this.row = new Int32Array(this.count);
    const taken = new Int32Array(table.types.length);
    for (let index = 0; index < this.count; index += 1) {
      const back = table.cause[index];
      this.cause[index] = back ? index - back : -1;
      this.row[index] = taken[table.kind[index]]++;
    }
    this.firstEffect = null;
    this.texts = null;
  }

  typeOf(index) {
    return this.types[this.kind[index]].type;
  }

  sourceOf(index) {
    return this.sources[this.source[index]];
  }

  fields(index) {
    const type = this.types[this.kind[index]];
    return type.fields.map((name, at) => [name, fieldOf(type.columns[at], this.row[index])]);
  }

  /** The record as it stands in the trace file, byte for byte. */
  line(index) {
    const fields = this.fields(index).map(([name, value]) => `,"${name}":${asJson(value)}`);
    const event = `{"type":${JSON.stringify(this.typeOf(index))}${fields.join("")}}`;
    const source = JSON.stringify(this.sourceOf(index));
    const head = `{"at_ns":${this.at[index]},"source":${source},"cause":${this.cause[index]}`;
    return `${head},"event":${event}}`;
  }

  /** The causes of an event, the nearest first, and no more than so many. */
  causesOf(index, most = Infinity) {
    const chain = [];
    for (let at = this.cause[index]; at >= 0 && chain.length < most; at = this.cause[at]) {
      chain.push(at);
    }
    return chain;
  }

  effectsOf(index) {
    if (!this.firstEffect) this.linkEffects();
    const found = [];
    for (let at = this.firstEffect[index]; at >= 0; at = this.nextEffect[at]) found.push(at);
    return found;
  }

  linkEffects() {
    this.firstEffect = new Int32Array(this.count).fill(-1);
    this.nextEffect = new Int32Array(this.count).fill(-1);
    for (let index = this.count - 1; index >= 0; index -= 1) {
      const cause = this.cause[index];
      if (cause >= 0) {
        this.nextEffect[index] = this.firstEffect[cause];
        this.firstEffect[cause] = index;
      }
    }
  }

  /** What a filter looks at. */
  textOf(index) {
    if (!this.texts) this.texts = new Array(this.count);
    if (this.texts[index] === undefined) {
      const words = [this.typeOf(index), this.sourceOf(index)];
      for (const [name, value] of this.fields(index)) {
        words.push(String(value));
        if (isAddress(name)) words.push(hex(value));
      }
      this.texts[index] = words.join(" ").toLowerCase();
    }
    return this.texts[index];
  }

  /** One flag for each event: whether every word occurs in it; null if there is no word. */
  matching(query) {
    const words = query.toLowerCase().split(/\s+/).filter((word) => word);
    if (!words.length) return null;
    const flags = new Uint8Array(this.count);
    for (let index = 0; index < this.count; index += 1) {
      const text = this.textOf(index);
      flags[index] = words.every((word) => text.includes(word)) ? 1 : 0;
    }
    return flags;
  }
}

const DATA = JSON.parse(byId("quiesce-data").textContent);
const EVENTS = new Events(DATA.events);
const VIOLATIONS = new Map();
for (const [index, property, severity, message] of DATA.violations) {
  if (!VIOLATIONS.has(index)) VIOLATIONS.set(index, []);
  VIOLATIONS.get(index).push({ property, severity, message });
}
const VIOLATED = [...VIOLATIONS.keys()].sort((one, other) => one - other);
