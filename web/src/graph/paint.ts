// The picture of one moment, on a canvas. Sizes are in pixels of the screen: what is far away is
// drawn with less detail, so that thousands of tasks cost little.
import type { TaskInfo } from "../api";
import { modality } from "../format";
import type { Cluster, Edge, Node } from "./model";
import { paintNames } from "./names";
import { Pulses } from "./pulses";
import { at, isChosen, isInView, stepsBack, type Scene } from "./scene";

const TURN = 2 * Math.PI;
const HOLLOW_FROM_PX = 5; // smaller marks have no rim: dormant ones are dim instead of hollow

export function paint(ctx: CanvasRenderingContext2D, scene: Scene): void {
  const { width, height, graph } = scene;
  ctx.clearRect(0, 0, width, height);
  for (const cluster of graph.clusters) paintZone(ctx, scene, cluster);
  const shown = graph.nodes.filter((node) => isInView(scene, node));
  for (const edge of graph.edges) paintEdge(ctx, scene, edge);
  for (const node of shown) paintNode(ctx, scene, node);
  paintRings(ctx, scene);
  paintNames(ctx, scene, shown);
}

function paintZone(ctx: CanvasRenderingContext2D, scene: Scene, cluster: Cluster): void {
  const [x, y] = at(scene, cluster);
  ctx.beginPath();
  ctx.arc(x, y, cluster.radius * scene.view.k, 0, TURN);
  ctx.fillStyle = scene.theme.zone;
  ctx.fill();
}

/** A line that bends a little and ends at the target's rim. */
function paintEdge(ctx: CanvasRenderingContext2D, scene: Scene, edge: Edge): void {
  const { theme, view } = scene;
  const [x0, y0] = at(scene, edge.source), [x1, y1] = at(scene, edge.target);
  const length = Math.hypot(x1 - x0, y1 - y0);
  const outside =
    Math.max(x0, x1) < 0 || Math.max(y0, y1) < 0 || Math.min(x0, x1) > scene.width || Math.min(y0, y1) > scene.height;
  if (length < 3 || outside) return;
  const chosen = isChosen(scene, edge);
  const faint = scene.matches !== null && !chosen;
  const running = !faint && (scene.answered.has(edge.target.name) || glowOf(scene, edge.target.name) > 0.1);
  const near = Math.min(1, (edge.target.radius * view.k) / 6);
  ctx.globalAlpha = faint ? 0.06 : chosen || running ? 0.95 : (0.2 + 0.5 * edge.similarity) * (0.3 + 0.7 * near);
  ctx.strokeStyle = ctx.fillStyle = running ? theme.hue(edge.target.task.signature) : theme.line;
  ctx.lineWidth = Math.max(0.6, Math.min(4, (0.8 + 2.6 * edge.similarity) * Math.min(1, view.k * 1.2)));
  const bend = Math.min(0.14 * length, 30);
  const [cx, cy] = [(x0 + x1) / 2 - ((y1 - y0) / length) * bend, (y0 + y1) / 2 + ((x1 - x0) / length) * bend];
  const [ax, ay] = towards(x1, y1, cx, cy, edge.target.radius * view.k + 3);
  ctx.beginPath();
  ctx.moveTo(x0, y0);
  ctx.quadraticCurveTo(cx, cy, ax, ay);
  ctx.stroke();
  if (edge.target.radius * view.k > 3) arrowhead(ctx, cx, cy, ax, ay, Math.min(9, 3 + ctx.lineWidth * 1.8));
  ctx.globalAlpha = 1;
}

function towards(x: number, y: number, toX: number, toY: number, by: number): [number, number] {
  const length = Math.hypot(toX - x, toY - y) || 1;
  return [x + ((toX - x) / length) * by, y + ((toY - y) / length) * by];
}

function arrowhead(
  ctx: CanvasRenderingContext2D, fromX: number, fromY: number, x: number, y: number, size: number,
): void {
  const angle = Math.atan2(y - fromY, x - fromX);
  ctx.beginPath();
  ctx.moveTo(x + Math.cos(angle) * 2, y + Math.sin(angle) * 2);
  for (const side of [-0.45, 0.45]) ctx.lineTo(x - size * Math.cos(angle + side), y - size * Math.sin(angle + side));
  ctx.fill();
}

function glowOf(scene: Scene, name: string): number {
  const pulse = scene.pulses.active.get(name);
  if (!pulse) return 0;
  return Math.max(scene.still ? 0.4 * Math.sign(pulse.rate) : pulse.flash, Pulses.glow(pulse.rate));
}

function paintNode(ctx: CanvasRenderingContext2D, scene: Scene, node: Node): void {
  const { theme, view } = scene;
  const [x, y] = at(scene, node), r = Math.max(1.1, node.radius * view.k);
  const colour = theme.hue(node.task.signature), state = scene.stateOf(node.task);
  ctx.globalAlpha = stepsBack(scene, node) ? 0.15 : 1;
  const glow = glowOf(scene, node.name);
  if (r > 2.5 && (state === "resident" || glow > 0)) halo(ctx, x, y, r, colour, state === "resident" ? 0.35 : 0, glow);
  if (r < HOLLOW_FROM_PX) {
    ctx.fillStyle = state === "unavailable" ? theme.warn : glow > 0.3 ? theme.flash : colour;
    if (state === "dormant" && glow <= 0.3) ctx.globalAlpha *= 0.5;
    speck(ctx, x, y, r);
  } else disc(ctx, scene, x, y, r, colour, state, glow);
  if (r > 11) glyph(ctx, x, y, r, modality(node.task.signature), state === "resident" ? theme.paper : colour);
  ctx.globalAlpha = 1;
  if (scene.answered.has(node.name)) outline(ctx, colour, x, y, Math.max(r + 5, 9), 3);
  if (node.name === scene.selected || node.name === scene.pointed) outline(ctx, theme.text, x, y, r + 4, 2);
}

/** A mark too small for a rim; where it is smaller still, corners do not show and cost less. */
function speck(ctx: CanvasRenderingContext2D, x: number, y: number, r: number): void {
  if (r < 2) return ctx.fillRect(x - r, y - r, 2 * r, 2 * r);
  ctx.beginPath();
  ctx.arc(x, y, r, 0, TURN);
  ctx.fill();
}

function disc(
  ctx: CanvasRenderingContext2D, { theme }: Scene, x: number, y: number, r: number,
  colour: string, state: TaskInfo["state"], glow: number,
): void {
  ctx.beginPath();
  ctx.arc(x, y, r, 0, TURN);
  ctx.fillStyle = state === "resident" ? colour : theme.paper;
  ctx.fill();
  if (glow > 0.02) {
    const before = ctx.globalAlpha;
    ctx.globalAlpha = before * Math.min(0.85, glow);
    ctx.fillStyle = theme.flash;
    ctx.fill();
    ctx.globalAlpha = before;
  }
  ctx.lineWidth = Math.min(2, Math.max(0.8, r / 7));
  ctx.strokeStyle = state === "unavailable" ? theme.warn : colour;
  ctx.setLineDash(state === "unavailable" ? [3, 3] : []);
  ctx.stroke();
  ctx.setLineDash([]);
}

function halo(
  ctx: CanvasRenderingContext2D, x: number, y: number, r: number, colour: string, steady: number, glow: number,
): void {
  const reach = r * (1.55 + 0.9 * glow);
  const light = ctx.createRadialGradient(x, y, r * 0.8, x, y, reach);
  light.addColorStop(0, colour);
  light.addColorStop(1, `${colour}00`); // "transparent" is black, and would make a grey rim
  const before = ctx.globalAlpha;
  ctx.globalAlpha = before * Math.min(1, steady + glow);
  ctx.fillStyle = light;
  ctx.beginPath();
  ctx.arc(x, y, reach, 0, TURN);
  ctx.fill();
  ctx.globalAlpha = before;
}

/** What colour tells, told by form as well: pixels for images, a wave for sounds, a grid for tables,
 *  lines for texts. */
function glyph(ctx: CanvasRenderingContext2D, x: number, y: number, r: number, kind: string, colour: string): void {
  ctx.fillStyle = colour;
  if (kind === "image") {
    const cell = r * 0.24;
    for (const [column, row] of [[-1, -1], [1, -1], [0, 0], [-1, 1], [1, 1]] as const)
      ctx.fillRect(x + column * cell * 1.25 - cell / 2, y + row * cell * 1.25 - cell / 2, cell, cell);
  } else if (kind === "audio") {
    const bar = r * 0.16;
    for (const [i, tall] of [0.4, 0.9, 0.6, 1, 0.5].entries())
      ctx.fillRect(x + (i - 2) * bar * 1.7 - bar / 2, y - r * 0.45 * tall, bar, r * 0.9 * tall);
  } else if (kind === "table") {
    const cell = r * 0.26;
    for (const column of [-1, 0, 1])
      for (const row of [-1, 0, 1])
        ctx.fillRect(x + column * cell * 1.3 - cell / 2, y + row * cell * 1.3 - cell / 2, cell, cell);
  } else if (kind === "text") {
    const line = r * 0.14;
    for (const [i, wide] of [1, 0.8, 0.95, 0.5].entries())
      ctx.fillRect(x - r * 0.45, y + (i - 1.5) * line * 2 - line / 2, r * 0.9 * wide, line);
  }
}

function outline(
  ctx: CanvasRenderingContext2D, colour: string, x: number, y: number, r: number, width: number,
): void {
  ctx.beginPath();
  ctx.arc(x, y, r, 0, TURN);
  ctx.lineWidth = width;
  ctx.strokeStyle = colour;
  ctx.stroke();
}

function paintRings(ctx: CanvasRenderingContext2D, scene: Scene): void {
  if (scene.still) return;
  for (const [name, pulse] of scene.pulses.active) {
    const node = scene.graph.byName.get(name);
    if (!node || stepsBack(scene, node)) continue;
    const [x, y] = at(scene, node), r = Math.max(4, node.radius * scene.view.k);
    ctx.strokeStyle = scene.theme.hue(node.task.signature);
    for (const age of pulse.rings) {
      const spread = Pulses.spread(age);
      ctx.globalAlpha = (1 - spread) ** 2;
      ctx.lineWidth = 2.5 * (1 - spread) + 0.5;
      ctx.beginPath();
      ctx.arc(x, y, r + spread * (14 + r * 0.9), 0, TURN);
      ctx.stroke();
    }
  }
  ctx.globalAlpha = 1;
}
