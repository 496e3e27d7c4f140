// Numbers as people read them.

export function count(n: number): string {
  if (n < 10_000) return n.toLocaleString("en");
  const [divisor, unit] = n < 1e6 ? [1e3, "k"] : n < 1e9 ? [1e6, "M"] : [1e9, "G"];
  return `${(n / divisor).toPrecision(3).replace(/\.0+$/, "")} ${unit}`;
}

export function percent(share: number | null, digits = 0): string {
  if (share === null) return "–";
  const shown = (share * 100).toFixed(share > 0 && share < 0.01 ? 2 : digits);
  return `${shown.startsWith("100") ? "100" : shown}\u00a0%`;
}

export const rate = (perSecond: number): string =>
  perSecond === 0 ? "0" : perSecond < 10 ? perSecond.toFixed(1) : Math.round(perSecond).toLocaleString("en");

/** "image 28×28", "audio 8 kHz, 1 s": a signature in words. */
export function signature(key: string): string {
  const image = /^image-(\d+)x(\d+)x(\d+)$/.exec(key);
  if (image) return `images ${image[1]}×${image[2]}${image[3] === "3" ? " colour" : ""}`;
  const audio = /^audio-(\d+)hz-(\d+)$/.exec(key);
  if (audio) return `sounds ${+audio[1]! / 1000} kHz, ${(+audio[2]! / +audio[1]!).toFixed(1)} s`;
  const table = /^table-(\d+)$/.exec(key);
  if (table) return `rows of ${table[1]} columns`;
  const text = /^text-(\d+)-of-(\d+)$/.exec(key);
  if (text) return `texts of ${text[1]} tokens`;
  return key;
}

/** "87 % right", or of a number "R² 0.83": what held-out examples told of a task. */
export function goodness(of: { held_out_accuracy: number | null; held_out_r2: number | null }, digits = 0): string {
  return of.held_out_r2 === null ? `${percent(of.held_out_accuracy, digits)} right` : `R² ${of.held_out_r2.toFixed(2)}`;
}

/** "10 classes" or "the number price": what a task answers with. */
export const answers = (task: { output: string; labels: string[] }): string =>
  task.output === "number" ? `the number ${task.labels[0]}` : `${task.labels.length} classes`;

export const measured = (value: number): string => value.toLocaleString("en", { maximumSignificantDigits: 5 });

export const modality = (key: string): string => key.split("-")[0]!;

export function when(iso: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.valueOf()) ? iso : date.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}
