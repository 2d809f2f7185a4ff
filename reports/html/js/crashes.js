// The slider over the instant of the end. All verdicts are in the page already.

const CRASHES = DATA.crashes;

const SAFE_HEIGHT = 12;
const BELOW = 26; // The pointer and the instants.

/** How tall a severity stands, so that it shows without colour. */
const tallness = (severity, height) => {
  const at = DATA.severities.indexOf(severity);
  return SAFE_HEIGHT + ((height - SAFE_HEIGHT - BELOW - 2) * at) / (DATA.severities.length - 1);
};

const crashColour = (point) => {
  if (point.verdict === "violated") return LOOK.colours.bad;
  return point.verdict === "holds" ? LOOK.colours.good : LOOK.colours.open;
};

/** Name the instants of some bars, at the left edge of each. */
const crashScale = (pen, width, height, step) => {
  pen.font = SMALL;
  pen.textAlign = "left";
  pen.fillStyle = LOOK.colours.faint;
  for (let left = 0; left + 90 < width; left += Math.max(width / 6, 110)) {
    const point = CRASHES.points[Math.floor(left / step)];
    pen.fillText(inUnits(Number(whole(point.at))), left + 1, height - 4);
  }
};

/** Points stand at equal distances: instants crowd where much happens. */
const paintCrashes = () => {
  const canvas = byId("crash-strip");
  if (!CRASHES || !canvas) return;
  const { clientWidth: width, clientHeight: height } = canvas;
  const pen = fitted(canvas, width, height);
  pen.clearRect(0, 0, width, height);
  const chosen = Number(byId("crash-slider").value);
  const step = width / CRASHES.points.length;
  CRASHES.points.forEach((point, at) => {
    const colour = crashColour(point);
    const tall = tallness(point.severity, height);
    const hatch = point.verdict === "violated" ? "x" : "";
    const wide = Math.max(step - (step > 4 ? 1 : 0), 1);
    fillOf(pen, at * step, height - BELOW - tall, wide, tall, colour, hatch ? 0.85 : 0.45, hatch);
  });
  pen.fillStyle = LOOK.colours.ink;
  pen.beginPath();
  const x = (chosen + 0.5) * step;
  line(pen, x, height - BELOW, x - 5, height - BELOW + 8, x + 5, height - BELOW + 8);
  pen.fill();
  crashScale(pen, width, height, step);
};

const tellCrash = () => {
  const point = CRASHES.points[Number(byId("crash-slider").value)];
  const gap = `between ${inUnits(Number(whole(point.from)))} and ${inUnits(Number(whole(point.to)))}`;
  const at = inUnits(Number(whole(point.at)));
  let said = `End at ${at} (${gap}): ${point.verdict}.`;
  if (point.verdict === "violated") {
    const first = inUnits(Number(whole(point.firstAt)));
    said = `✘ End at ${at} (${gap}): violates ${point.properties.join(", ")} (${point.severity}). `
      + `First at ${first}: ${point.first}.`;
  } else if (point.verdict === "holds") {
    said = `✔ ${said}`;
  }
  byId("crash-say").textContent = said;
  byId("crash-slider").setAttribute("aria-valuetext", `${at}, ${point.verdict}`);
};

const startCrashes = () => {
  const slider = byId("crash-slider");
  if (!CRASHES || !slider) return;
  const ended = DATA.chart.moments.find((moment) => moment.kind === "end");
  const at = CRASHES.points.map((point) => Number(whole(point.at)));
  slider.value = String(Math.max(nearest(at, ended ? Number(whole(ended.at)) : 0), 0));
  tellCrash();
  paintCrashes();
  slider.addEventListener("input", () => {
    STATE.death = at[Number(slider.value)];
    tellCrash();
    paintCrashes();
    repaint();
  });
  const strip = byId("crash-strip");
  const jump = (event) => {
    if (event.buttons !== 1) return;
    const place = Math.floor((event.offsetX / strip.clientWidth) * at.length);
    slider.value = String(Math.min(Math.max(place, 0), at.length - 1));
    slider.dispatchEvent(new Event("input"));
  };
  strip.addEventListener("pointerdown", jump);
  strip.addEventListener("pointermove", jump);
};
