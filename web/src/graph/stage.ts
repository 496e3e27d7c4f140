// What stands behind the canvas: it is painted when something changed or moves, not always.
import { quadtree, type Quadtree } from "d3-quadtree";
import { place } from "../route";
import { answered, matching, pulses, stateOf, tasks } from "../state";
import { Camera } from "./camera";
import { layOut } from "./layout";
import { makeGraph, type Graph, type Node } from "./model";
import { paint } from "./paint";
import { readTheme } from "./theme";

const NEAR_PX = 16;

/** The graph, where it is looked at from, and what is pointed at. */
export class Stage {
  graph: Graph = makeGraph([]);
  pointed: string | null = null;
  readonly camera: Camera;
  private index: Quadtree<Node> = quadtree<Node>();
  private theme = readTheme();
  private asked = 0;
  private before = 0;
  private readonly motion = matchMedia("(prefers-reduced-motion: reduce)");

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.camera = new Camera(canvas, () => this.repaint(), () => this.motion.matches);
    pulses.wake = () => this.repaint();
  }

  adopt(): void {
    const graph = makeGraph(tasks.value ?? []);
    const grown = graph.nodes.length !== this.graph.nodes.length;
    layOut(graph, this.graph);
    this.graph = graph;
    this.index = quadtree(graph.nodes, (node) => node.x, (node) => node.y);
    if (grown) this.camera.fit(graph, !this.before);
    this.repaint();
  }

  restyle(): void {
    this.theme = readTheme();
    this.repaint();
  }

  resize(): void {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.canvas.width = width * devicePixelRatio;
    this.canvas.height = height * devicePixelRatio;
    this.camera.fit(this.graph, true);
    this.repaint();
  }

  repaint(): void {
    this.asked ||= requestAnimationFrame((now) => this.frame(now));
  }

  private frame(now: number): void {
    this.asked = 0;
    const panning = this.camera.step(now);
    const moving = pulses.step(Math.min(0.1, (now - this.before) / 1000)) || panning;
    this.before = now;
    const ctx = this.canvas.getContext("2d")!;
    ctx.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    const found = matching.value;
    paint(ctx, {
      graph: this.graph,
      view: this.camera.view,
      width: this.canvas.clientWidth,
      height: this.canvas.clientHeight,
      theme: this.theme,
      stateOf,
      pulses,
      still: this.motion.matches,
      selected: place.value.at === "task" ? place.value.task : null,
      pointed: this.pointed,
      answered: answered.value,
      matches: found && new Set(found.map((task) => task.task)),
    });
    if (moving) this.repaint();
  }

  /** The node under a point of the canvas. */
  under(x: number, y: number): Node | undefined {
    const { view } = this.camera, px = view.fromX(x), py = view.fromY(y);
    const found = this.index.find(px, py, (NEAR_PX + 16 * view.k) / view.k);
    const reach = found && Math.max(NEAR_PX, found.radius * view.k + 4);
    return found && Math.hypot(found.x - px, found.y - py) * view.k <= reach! ? found : undefined;
  }

  /** The nearest node from `from` in a direction; what lies askew counts as farther. */
  next(from: Node, dx: number, dy: number): Node {
    let best = from, least = Infinity;
    for (const node of this.graph.nodes) {
      const along = (node.x - from.x) * dx + (node.y - from.y) * dy;
      const aside = Math.abs((node.x - from.x) * dy - (node.y - from.y) * dx);
      if (along > 1 && along + 2.5 * aside < least) [best, least] = [node, along + 2.5 * aside];
    }
    return best;
  }

  /** The node nearest to the middle of the picture. */
  middle(): Node | undefined {
    const { view } = this.camera;
    return this.index.find(view.fromX(this.canvas.clientWidth / 2), view.fromY(this.canvas.clientHeight / 2));
  }
}
