// A drawn character as MNIST has them: light ink on black, scaled to a box of 20 pixels, its
// centre of mass in the middle of 28×28.

export type Stroke = { x: number; y: number }[];
/** Rows of ink, 0..255. */
export type Pixels = number[][];

export const SIDE = 28;
const BOX = 20;
const PEN = 2.4; // pixels of the 28; what pens leave in MNIST
const FINE = 8; // drawn so many times larger, then averaged: soft edges in every browser
const FARTHEST = 2 * FINE; // a move for the centre of mass: ink stays clear of the edge
const LEAST = 0.22; // of the pad: a dot stays a dot

/** Strokes on a pad of side 1 as pixels; null if there is no ink. */
export function fromStrokes(strokes: readonly Stroke[]): Pixels | null {
  const points = strokes.flat();
  if (!points.length) return null;
  const [xs, ys] = [points.map((p) => p.x), points.map((p) => p.y)];
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const scale = ((BOX - PEN) * FINE) / Math.max(right - left, bottom - top, LEAST);
  return centred((ctx) => {
    ctx.scale(scale, scale);
    ctx.translate(-(left + right) / 2, -(top + bottom) / 2);
    ctx.lineWidth = (PEN * FINE) / scale;
    drawStrokes(ctx, strokes);
  });
}

/** Paths as a pen leaves them, in the context's colour and width. */
export function drawStrokes(ctx: CanvasRenderingContext2D, strokes: readonly Stroke[]): void {
  ctx.lineCap = ctx.lineJoin = "round";
  for (const [first, ...rest] of strokes) {
    if (!first) continue;
    ctx.beginPath();
    ctx.moveTo(first.x, first.y);
    let from = first;
    for (const to of rest) {
      ctx.quadraticCurveTo(from.x, from.y, (from.x + to.x) / 2, (from.y + to.y) / 2);
      from = to;
    }
    ctx.lineTo(from.x, from.y);
    ctx.stroke();
  }
}

/** A picture of one character, on paper of any shade, as pixels; null if it is all of one shade. */
export function fromPicture(picture: ImageBitmap | HTMLCanvasElement): Pixels | null {
  const reach = 256 / Math.max(picture.width, picture.height);
  const canvas = sheet(Math.max(1, picture.width * reach), Math.max(1, picture.height * reach));
  const ctx = canvas.getContext("2d")!;
  ctx.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const ink = inkOf(ctx.getImageData(0, 0, canvas.width, canvas.height));
  if (!ink) return null;
  ctx.putImageData(ink.image, 0, 0);
  const { left, top, width, height } = ink;
  const scale = (BOX * FINE) / Math.max(width, height);
  return centred((to) => {
    to.scale(scale, scale);
    to.drawImage(canvas, left, top, width, height, -width / 2, -height / 2, width, height);
  });
}

/** The ink of a picture as white of that opacity, and the box it lies in. Its rim is paper. */
function inkOf(image: ImageData) {
  const { data, width, height } = image;
  const grey = (i: number): number => {
    const alpha = data[i * 4 + 3]! / 255;
    return (0.299 * data[i * 4]! + 0.587 * data[i * 4 + 1]! + 0.114 * data[i * 4 + 2]!) * alpha;
  };
  const shades = Array.from({ length: width * height }, (_, i) => grey(i));
  const rim = shades.filter((_, i) => i < width || i >= width * (height - 1) || i % width === 0 || i % width === width - 1);
  const paper = rim.sort((a, b) => a - b)[rim.length >> 1]!;
  const far = shades.reduce((most, shade) => Math.max(most, Math.abs(shade - paper)), 0);
  if (far < 24) return null;
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (const [i, shade] of shades.entries()) {
    // Paper is never of one shade: only what stands out clearly is ink.
    const ink = Math.max(0, Math.abs(shade - paper) / far - 0.25) / 0.75;
    data.set([255, 255, 255, Math.min(255, ink * 330)], i * 4);
    if (ink < 0.2) continue;
    const [x, y] = [i % width, Math.floor(i / width)];
    [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
  }
  return { image, left, top, width: right - left + 1, height: bottom - top + 1 };
}

/** What `draw` draws around the origin, moved so that its mass is in the middle or nearly so. */
function centred(draw: (ctx: CanvasRenderingContext2D) => void): Pixels | null {
  const drawn = (dx: number, dy: number): Uint8ClampedArray => {
    const ctx = sheet(SIDE * FINE, SIDE * FINE).getContext("2d")!;
    ctx.strokeStyle = "white";
    ctx.translate((SIDE * FINE) / 2 + dx, (SIDE * FINE) / 2 + dy);
    draw(ctx);
    return ctx.getImageData(0, 0, SIDE * FINE, SIDE * FINE).data;
  };
  const mass = centreOf(drawn(0, 0));
  const by = (off: number): number => Math.max(-FARTHEST, Math.min(FARTHEST, (SIDE * FINE) / 2 - off));
  return mass && averaged(drawn(by(mass.x), by(mass.y)));
}

function centreOf(rgba: Uint8ClampedArray): { x: number; y: number } | null {
  let [sum, x, y] = [0, 0, 0];
  for (let i = 0; i < rgba.length / 4; i++) {
    const ink = rgba[i * 4 + 3]!;
    sum += ink;
    x += ink * ((i % (SIDE * FINE)) + 0.5);
    y += ink * (Math.floor(i / (SIDE * FINE)) + 0.5);
  }
  return sum ? { x: x / sum, y: y / sum } : null;
}

function averaged(rgba: Uint8ClampedArray): Pixels {
  return Array.from({ length: SIDE }, (_, row) =>
    Array.from({ length: SIDE }, (_, column) => {
      let sum = 0;
      for (let dy = 0; dy < FINE; dy++)
        for (let dx = 0; dx < FINE; dx++)
          sum += rgba[((row * FINE + dy) * SIDE * FINE + column * FINE + dx) * 4 + 3]!;
      return Math.round(sum / FINE ** 2);
    }),
  );
}

function sheet(width: number, height: number): HTMLCanvasElement {
  return Object.assign(document.createElement("canvas"), { width: Math.round(width), height: Math.round(height) });
}
