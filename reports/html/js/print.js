// On paper the picture is an image of all lanes at the instants that are in view, on white.

const PRINT_WIDTH = 1150;
const PRINT_HEIGHT_MAX = 6000;

const themed = (theme, draw) => {
  const root = document.documentElement;
  const before = root.dataset.theme;
  root.dataset.theme = theme;
  readColours();
  draw();
  root.dataset.theme = before;
  readColours();
};

const drawForPrint = () => {
  themed("light", () => {
    const canvas = document.createElement("canvas");
    const height = Math.min(STATE.height + HEAD + 6, PRINT_HEIGHT_MAX);
    canvas.width = PRINT_WIDTH * 2;
    canvas.height = height * 2;
    const pen = canvas.getContext("2d");
    pen.setTransform(2, 0, 0, 2, 0, 0);
    new Painter(pen, { ...STATE, width: PRINT_WIDTH, height, left: 220, top: 0 }).paint();
    byId("print-image").src = canvas.toDataURL("image/png");
    byId("print-image").alt = `Lanes from ${inUnits(Math.round(STATE.from))} to `
      + `${inUnits(Math.round(STATE.to))}`;
  });
  // Paper is white, even if the screen is dark.
  STATE.theme = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
};

const afterPrint = () => {
  document.documentElement.dataset.theme = STATE.theme;
  readColours();
  repaint();
};
