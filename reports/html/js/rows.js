// The rows of the picture: for each lane one with the ticks of all its events, then its tracks.

const LANE_HEIGHT = 20;
const TRACK_HEIGHT = 20;
const LEVEL_HEIGHT = 30;
const LANE_GAP = 7;

const barGroup = (packed) => {
  const start = summed(packed.start);
  const end = Float64Array.from(packed.length, (length, at) => start[at] + Number(whole(length)));
  const latest = new Float64Array(end.length); // The latest end so far: it rises, so it can be halved.
  let so_far = -Infinity;
  end.forEach((value, at) => { latest[at] = so_far = Math.max(so_far, value); });
  const labels = new Map(packed.labels.map(([at, word]) => [at, packed.words[word]]));
  return { ...packed, start, end, latest, labels, open: new Set(packed.open) };
};

const markGroup = (packed) => {
  const index = Int32Array.from(summed(packed.index));
  const at = Float64Array.from(index, (each) => EVENTS.at[each]);
  const labels = new Map(packed.labels.map(([place, word]) => [place, packed.words[word]]));
  return { ...packed, index, at, labels };
};

const levelOf = (packed) => ({ ...packed, at: summed(packed.at), end: Number(whole(packed.end)) });

const trackOf = (packed) => ({
  name: packed.name,
  zone: packed.zone && { ...packed.zone, first: Number(whole(packed.zone.first)),
    last: Number(whole(packed.zone.last)) },
  bars: packed.bars.map(barGroup),
  marks: packed.marks.map(markGroup),
  levels: packed.levels.map(levelOf),
});

/** Every lane with its tracks and events; a source that has no lane gets one. */
const allLanes = () => {
  const lanes = DATA.chart.lanes.map((lane) => ({
    name: lane.name, kind: lane.kind, tracks: lane.tracks.map(trackOf), events: [],
  }));
  const home = new Map();
  for (const lane of lanes) if (!home.has(lane.name)) home.set(lane.name, lane);
  for (const name of EVENTS.sources) {
    if (home.has(name)) continue;
    const lane = { name, kind: "", tracks: [], events: [] };
    home.set(name, lane);
    lanes.push(lane);
  }
  const bySource = EVENTS.sources.map((name) => home.get(name));
  for (let index = 0; index < EVENTS.count; index += 1) {
    bySource[EVENTS.source[index]].events.push(index);
  }
  return lanes.filter((lane) => lane.tracks.length || lane.events.length);
};

const LANES = allLanes();

/** The marks of a group that a filter shows. */
const shown = (group, flags) => {
  const places = [...group.index.keys()].filter((place) => flags[group.index[place]]);
  const labels = new Map(places.map((place, at) => [at, group.labels.get(place)]));
  return {
    ...group,
    index: Int32Array.from(places, (place) => group.index[place]),
    at: Float64Array.from(places, (place) => group.at[place]),
    labels,
  };
};

/** The rows of the lanes whose names contain one of the words; each word is a part of a name. */
const rowsFor = (query, flags) => {
  const words = query.toLowerCase().split(/[\s,]+/).filter((word) => word);
  const rows = [];
  let top = 0;
  for (const lane of LANES) {
    const name = `${lane.name} ${lane.kind}`.toLowerCase();
    if (words.length && !words.some((word) => name.includes(word))) continue;
    const index = flags ? lane.events.filter((each) => flags[each]) : lane.events;
    const at = Float64Array.from(index, (each) => EVENTS.at[each]);
    rows.push({ lane, track: null, index, at, top, height: LANE_HEIGHT });
    top += LANE_HEIGHT;
    for (const track of lane.tracks) {
      const height = track.levels.length ? LEVEL_HEIGHT : TRACK_HEIGHT;
      const marks = flags ? track.marks.map((group) => shown(group, flags)) : track.marks;
      rows.push({ lane, track, marks, top, height });
      top += height;
    }
    top += LANE_GAP;
  }
  return { rows, height: top };
};

/** For each event of the rows its row of ticks. */
const homesOf = (rows) => {
  const bySource = new Map();
  for (const row of rows) {
    if (!row.track && !bySource.has(row.lane.name)) bySource.set(row.lane.name, row);
  }
  return (index) => bySource.get(EVENTS.sourceOf(index));
};
