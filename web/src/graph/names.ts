// The names in the picture: the most important first, and none over another.
import { count, percent, signature } from "../format";
import { Space } from "./labels";
import type { Cluster, Edge, Node } from "./model";
import { at, isChosen, stepsBack, type Scene } from "./scene";

const FONT = "500 12px system-ui, sans-serif";
const SMALL = "11px system-ui, sans-serif";

export function paintNames(ctx: CanvasRenderingContext2D, scene: Scene, shown: readonly Node[]): void {
  const space = new Space();
  ctx.textAlign = "center";
  ctx.textBaseline = "top";
  ctx.lineJoin = "round";
  ctx.font = FONT;
  for (const node of important(scene, shown)) name(ctx, scene, space, node);
  ctx.font = SMALL;
  for (const cluster of scene.graph.clusters) zoneName(ctx, scene, space, cluster);
  for (const edge of scene.graph.edges) similarity(ctx, scene, space, edge);
}

const NAMES_FROM_PX = 5.5;
const MOST_NAMES = 220;
const MOST_FAR_NAMES = 24;

/** Nodes whose names matter now, most important first. */
function important(scene: Scene, shown: readonly Node[]): Node[] {
  const { selected, pointed, matches, answered } = scene;
  const rank = (node: Node): number => {
    if (node.name === pointed || node.name === selected || answered.has(node.name)) return 1e9;
    if (matches) return matches.has(node.name) ? 1e6 + node.descendants : -1;
    if (isFar(scene, node) && node.descendants < 3) return -1;
    return node.descendants + node.radius / 100;
  };
  const ranked = shown.map((node) => [rank(node), node] as const).filter(([r]) => r >= 0);
  const most = shown.length > 400 && !matches ? MOST_FAR_NAMES : MOST_NAMES;
  return ranked
    .sort(([a], [b]) => b - a)
    .slice(0, most)
    .map(([, node]) => node);
}

/** Too small for a name of its own; it may stand for those learned from it. */
const isFar = (scene: Scene, node: Node): boolean => node.radius * scene.view.k < NAMES_FROM_PX;

function name(ctx: CanvasRenderingContext2D, scene: Scene, space: Space, node: Node): void {
  const weight = scene.answered.get(node.name);
  const stands = isFar(scene, node) && node.descendants >= 3 ? ` +${count(node.descendants)}` : "";
  const text = weight === undefined ? node.name + stands : `${node.name} ${percent(weight)}`;
  const apart = Math.max(1, node.radius * scene.view.k) + (weight === undefined ? 5 : 9);
  const [x, middle] = at(scene, node), y = node.above ? middle - apart - 12 : middle + apart;
  if (space.place({ text, x, y, width: ctx.measureText(text).width + 8, height: 14 }))
    write(ctx, scene, text, x, y, scene.theme.text, stepsBack(scene, node) ? 0.3 : 1);
}

function zoneName(ctx: CanvasRenderingContext2D, scene: Scene, space: Space, cluster: Cluster): void {
  const tasks = cluster.trees.reduce((sum, tree) => sum + tree.length, 0);
  const text = `${signature(cluster.signature)} · ${count(tasks)}`;
  const [middle, centre] = at(scene, cluster), reach = cluster.radius * scene.view.k;
  if (centre - reach > scene.height || centre + reach < 0 || middle - reach > scene.width || middle + reach < 0) return;
  const width = ctx.measureText(text).width + 8;
  // Beside the rim, but in the picture while any of the zone is.
  const x = Math.max(width / 2, Math.min(middle, scene.width - width / 2));
  const y = Math.max(4, centre - reach - 16);
  if (space.place({ text, x, y, width, height: 13 })) write(ctx, scene, text, x, y, scene.theme.soft, 1);
}

function similarity(ctx: CanvasRenderingContext2D, scene: Scene, space: Space, edge: Edge): void {
  const { view } = scene;
  const room = Math.hypot(edge.target.x - edge.source.x, edge.target.y - edge.source.y) * view.k;
  if (!edge.links || room < 90 || isFar(scene, edge.target) || (scene.matches && !isChosen(scene, edge))) return;
  const text = `${edge.similarity.toFixed(2)} · ${edge.links}`;
  const [x0, y0] = at(scene, edge.source), [x1, y1] = at(scene, edge.target);
  const bend = Math.min(0.07 * room, 15) + 2;
  const x = (x0 + x1) / 2 - ((y1 - y0) / room) * bend, y = (y0 + y1) / 2 + ((x1 - x0) / room) * bend - 6;
  if (space.place({ text, x, y, width: ctx.measureText(text).width + 6, height: 12 }))
    write(ctx, scene, text, x, y, scene.theme.soft, 1);
}

/** Text with a rim of paper, so that it can be read over lines. */
function write(
  ctx: CanvasRenderingContext2D, scene: Scene, text: string, x: number, y: number, colour: string, alpha: number,
): void {
  ctx.globalAlpha = alpha;
  ctx.lineWidth = 3.5;
  ctx.strokeStyle = scene.theme.paper;
  ctx.strokeText(text, x, y);
  ctx.fillStyle = colour;
  ctx.fillText(text, x, y);
  ctx.globalAlpha = 1;
}
