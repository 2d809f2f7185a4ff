// Instants as words and as places; an instant is a whole number of nanoseconds.

const UNITS = [["s", 1e9], ["ms", 1e6], ["us", 1e3], ["ns", 1]];

/** The instant in its largest unit, exactly. */
const inUnits = (value) => {
  const size = Math.abs(value);
  const [unit, scale] = UNITS.find(([, least]) => size >= least) || UNITS[3];
  const digits = Math.round(Math.log10(scale));
  const rest = String(size % scale).padStart(digits, "0").replace(/0+$/, "");
  const number = Math.floor(size / scale) + (digits && rest ? `.${rest}` : "");
  return `${value < 0 ? "-" : ""}${number}${unit}`;
};

/** The distance between ticks that stand at least so many pixels apart: 1, 2 or 5 of a power. */
const tickStep = (perPixel, apart) => {
  const wanted = Math.max(perPixel * apart, 1);
  const power = 10 ** Math.floor(Math.log10(wanted));
  return [1, 2, 5, 10].map((each) => each * power).find((step) => step >= wanted * 0.999999);
};

/** The first place in a rising list whose value is not less. */
const lowerBound = (values, wanted, from = 0) => {
  let low = from;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
};

/** The place in a rising list whose value is nearest; -1 in an empty one. */
const nearest = (values, wanted) => {
  const after = lowerBound(values, wanted);
  if (after === 0) return values.length ? 0 : -1;
  if (after === values.length) return after - 1;
  return wanted - values[after - 1] <= values[after] - wanted ? after - 1 : after;
};
