// The event that is selected: what it is, what led to it, and what it led to.

const LISTED_MAX = 60;

/** An event's type in words. */
const inWords = (type) => {
  const words = type.replace(/([a-z])([A-Z])/g, "$1 $2").split(" ");
  return words.map((word, at) => {
    if (/^(Dma|Irq|Cpu)$/.test(word)) return word === "Irq" ? "IRQ" : word.toUpperCase();
    if (word === "Iommu") return "IOMMU";
    return at ? word.toLowerCase() : word;
  }).join(" ");
};

const saidOf = (index) => DATA.words[index] || inWords(EVENTS.typeOf(index));

const fieldInWords = (name, value) => {
  if (isAddress(name)) return hex(value);
  if (name === "length") return `${value} bytes`;
  if (name.endsWith("_ns")) return inUnits(Number(value));
  return Array.isArray(value) ? asJson(value) : String(value);
};

/** The bytes that an event is about, or an empty string. */
const bytesOf = (fields) => {
  const known = new Map(fields);
  const address = known.get("host_addr") ?? known.get("addr");
  const length = known.get("length");
  if (address === undefined || !length) return "";
  const last = BigInt(address) + BigInt(length) - 1n;
  const frame = BigInt(address) >> 12n;
  return `${hex(BigInt(address))} to ${hex(last)}, frame ${hex(frame)}`;
};

const element = (name, text, className) => {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
};

const listOf = (pairs) => {
  const list = element("dl");
  for (const [name, value] of pairs) list.append(element("dt", name), element("dd", value));
  return list;
};

const pairsOf = (index) => {
  const fields = EVENTS.fields(index);
  const bytes = bytesOf(fields);
  const pairs = fields.map(([name, value]) => [name.replaceAll("_", " "), fieldInWords(name, value)]);
  return bytes ? [...pairs, ["its bytes", bytes]] : pairs;
};

const toEvent = (index) => {
  const text = `${inUnits(EVENTS.at[index])} ${EVENTS.sourceOf(index)}: ${saidOf(index)}`;
  const button = element("button", text, "link");
  button.type = "button";
  button.dataset.event = index;
  return button;
};

const chainOf = (indices, title, more) => {
  const part = document.createDocumentFragment();
  if (!indices.length) return part;
  part.append(element("h3", title));
  const list = element("ol");
  for (const index of indices) {
    const item = element("li");
    item.append(toEvent(index));
    list.append(item);
  }
  part.append(list);
  if (more) part.append(element("p", `and ${more} more`, "faint"));
  return part;
};

const tellEvent = () => {
  const body = byId("event-body");
  body.replaceChildren();
  const index = STATE.selected;
  if (index < 0) {
    byId("event-title").textContent = "Event";
    body.append(element("p", "Click an event, or press N for the next and V for a violation.", "faint"));
    return;
  }
  byId("event-title").textContent = `Event ${index}: ${EVENTS.typeOf(index)}`;
  body.append(element("p", saidOf(index)));
  for (const each of VIOLATIONS.get(index) || []) {
    body.append(element("p", `◆ ${each.property} (${each.severity}): ${each.message}`, "why"));
  }
  body.append(listOf([["at", inUnits(EVENTS.at[index])], ["component", EVENTS.sourceOf(index)],
    ...pairsOf(index)]));
  const causes = EVENTS.causesOf(index);
  const effects = EVENTS.effectsOf(index);
  body.append(
    chainOf(causes.slice(0, LISTED_MAX), "Because of, nearest first", causes.length - LISTED_MAX > 0
      ? causes.length - LISTED_MAX : 0),
    chainOf(effects.slice(0, LISTED_MAX), "Led to", Math.max(effects.length - LISTED_MAX, 0)),
  );
  if (!causes.length) body.append(element("p", "Nothing in the run brought it about.", "faint"));
  body.append(element("h3", "Its line in trace.jsonl"), element("pre", EVENTS.line(index), "mono"));
};

/** Select an event; `way` says how one came to it, for the way back. */
const select = (index, way = "jump") => {
  if (way === "cause") STATE.came.push(STATE.selected);
  else if (way === "jump") STATE.came = [];
  STATE.selected = index;
  tellEvent();
  if (index >= 0) reveal(index);
  repaint();
};

const toCause = () => {
  if (STATE.selected < 0) {
    select(VIOLATED.length ? VIOLATED[0] : neighbour(1));
  } else if (EVENTS.cause[STATE.selected] >= 0) {
    select(EVENTS.cause[STATE.selected], "cause");
  }
};

const toEffect = () => {
  if (STATE.selected < 0) return;
  const back = STATE.came.pop();
  const index = back ?? EVENTS.effectsOf(STATE.selected)[0];
  if (index !== undefined) select(index, "back");
};

/** The next violation after the selected event; after the last one the first again. */
const toViolation = () => {
  if (!VIOLATED.length) return;
  const worst = DATA.findings.length ? DATA.findings[0].index : VIOLATED[0];
  if (STATE.selected < 0) select(worst);
  else select(VIOLATED.find((index) => index > STATE.selected) ?? VIOLATED[0]);
};

// What lies under the pointer.

const tellTip = (x, y) => {
  const { row, index, more, bar } = under(x, y);
  TIP.hidden = index < 0 && !bar;
  if (TIP.hidden) return;
  TIP.replaceChildren();
  if (index >= 0) {
    const violated = VIOLATIONS.has(index) ? "◆ " : "";
    TIP.append(element("b", `${violated}${saidOf(index)}`));
    TIP.append(element("span", `${inUnits(EVENTS.at[index])}, ${EVENTS.sourceOf(index)}`, "faint"));
    TIP.append(listOf(pairsOf(index)));
    for (const each of VIOLATIONS.get(index) || []) TIP.append(element("p", each.message));
    if (more) TIP.append(element("p", `${more} more in this pixel: zoom in`, "faint"));
  } else {
    const name = `${row.lane.name}, ${row.track.name}: ${bar.label || bar.kind.replaceAll("_", " ")}`;
    TIP.append(element("b", name));
    const until = bar.open ? "the end of the trace" : inUnits(bar.to);
    TIP.append(element("span", `${inUnits(bar.from)} to ${until}, ${inUnits(bar.to - bar.from)}`));
    TIP.append(element("p", bar.epoch ? `epoch ${bar.epoch}` : "for the host", "faint"));
  }
  const stage = TIP.parentElement;
  const left = Math.min(x + 16, stage.clientWidth - TIP.offsetWidth - 4);
  TIP.style.left = `${Math.max(left, 0)}px`;
  TIP.style.top = `${y + 18}px`;
};
