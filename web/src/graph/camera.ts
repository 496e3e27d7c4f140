// Panning and zooming: mouse, wheel, one finger or two, and keys move one view.
import type { Graph, Node } from "./model";

const MARGIN_PX = 26;
const FOOT_PX = 52; // what stands at the foot of the picture
const CLOSEST = 2.2; // a few tasks do not fill the picture with giants
const MOVE_MS = 450;
const CLICK_PX = 5; // a pointer that moved farther was dragged

/** World to screen: scaled by k, then moved by x and y. */
export class View {
  constructor(
    readonly k = 1,
    readonly x = 0,
    readonly y = 0,
  ) {}

  toX = (x: number): number => x * this.k + this.x;
  toY = (y: number): number => y * this.k + this.y;
  fromX = (x: number): number => (x - this.x) / this.k;
  fromY = (y: number): number => (y - this.y) / this.k;
}

export class Camera {
  view = new View();
  /** Whether the last press was a drag, not a click. */
  dragged = false;
  private least = 0.1;
  private most = 4;
  private readonly fingers = new Map<number, { x: number; y: number }>();
  private pressedAt = { x: 0, y: 0 };
  private move: { from: View; to: View; begun: number } | null = null;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly moved: () => void,
    private readonly still: () => boolean,
  ) {
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.drag(event));
    for (const kind of ["pointerup", "pointercancel"] as const)
      canvas.addEventListener(kind, (event) => this.fingers.delete(event.pointerId));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  /** All of the graph in the picture. */
  fit(graph: Graph, atOnce = false): void {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!graph.clusters.length || !width || !height) return;
    const left = Math.min(...graph.clusters.map((c) => c.x - c.radius));
    const right = Math.max(...graph.clusters.map((c) => c.x + c.radius));
    const top = Math.min(...graph.clusters.map((c) => c.y - c.radius));
    const bottom = Math.max(...graph.clusters.map((c) => c.y + c.radius));
    const whole = Math.min((width - MARGIN_PX) / (right - left), (height - MARGIN_PX - FOOT_PX) / (bottom - top));
    [this.least, this.most] = [whole * 0.5, Math.max(4, whole * 1.5)];
    const k = Math.min(whole, CLOSEST), higher = (FOOT_PX - MARGIN_PX) / 2 / k;
    this.go(this.centredOn((left + right) / 2, (top + bottom) / 2 + higher, k), atOnce);
  }

  /** Bring a node into the middle, near enough to read its name. */
  show(node: Node, graph: Graph): void {
    this.go(this.centredOn(node.x, node.y, graph.nodes.length > 60 ? Math.max(this.view.k, 1) : this.view.k));
  }

  by(factor: number): void {
    const { clientWidth, clientHeight } = this.canvas;
    this.go(this.zoomed(factor, clientWidth / 2, clientHeight / 2, this.move?.to ?? this.view));
  }

  isInView(node: Node): boolean {
    const x = this.view.toX(node.x), y = this.view.toY(node.y);
    return x > 20 && y > 20 && x < this.canvas.clientWidth - 20 && y < this.canvas.clientHeight - 20;
  }

  /** Go on with a move; whether it goes on after this. */
  step(now: number): boolean {
    if (!this.move) return false;
    const { from, to, begun } = this.move;
    const part = Math.min(1, (now - begun) / MOVE_MS), eased = part * part * (3 - 2 * part);
    if (part === 1) [this.view, this.move] = [to, null];
    else this.view = this.between(from, to, eased);
    return this.move !== null;
  }

  private go(to: View, atOnce = false): void {
    if (atOnce || this.still()) [this.view, this.move] = [to, null];
    else this.move = { from: this.view, to, begun: performance.now() };
    this.moved();
  }

  /** Scale grows evenly to the eye, and the middle of the picture moves on a line. */
  private between(from: View, to: View, part: number): View {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const mix = (a: number, b: number): number => a + (b - a) * part;
    return this.centredOn(
      mix(from.fromX(width / 2), to.fromX(width / 2)),
      mix(from.fromY(height / 2), to.fromY(height / 2)),
      from.k * (to.k / from.k) ** part,
    );
  }

  private centredOn(x: number, y: number, k: number): View {
    return new View(k, this.canvas.clientWidth / 2 - x * k, this.canvas.clientHeight / 2 - y * k);
  }

  /** A view with the point (x, y) of the screen where it was. */
  private zoomed(factor: number, x: number, y: number, from = this.view): View {
    const k = Math.min(this.most, Math.max(this.least, from.k * factor)), grown = k / from.k;
    return new View(k, x - (x - from.x) * grown, y - (y - from.y) * grown);
  }

  private press(event: PointerEvent): void {
    this.canvas.setPointerCapture(event.pointerId);
    const at = { x: event.offsetX, y: event.offsetY };
    this.fingers.set(event.pointerId, at);
    this.move = null;
    [this.dragged, this.pressedAt] = [this.fingers.size > 1, at];
  }

  private drag(event: PointerEvent): void {
    const before = this.fingers.get(event.pointerId);
    if (!before) return;
    const now = { x: event.offsetX, y: event.offsetY };
    this.dragged ||= Math.hypot(now.x - this.pressedAt.x, now.y - this.pressedAt.y) > CLICK_PX;
    if (!this.dragged) return;
    this.fingers.set(event.pointerId, now);
    const other = [...this.fingers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const apart = (finger: { x: number; y: number }) => Math.hypot(finger.x - other.x, finger.y - other.y) || 1;
      this.view = this.zoomed(apart(now) / apart(before), other.x, other.y);
    } else this.view = new View(this.view.k, this.view.x + now.x - before.x, this.view.y + now.y - before.y);
    this.moved();
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    // A line or a page of scrolling counts as its pixels; pinching a trackpad comes with ctrl.
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 0.05 : event.deltaMode ? 1 : 0.002;
    this.move = null;
    this.view = this.zoomed(2 ** (-event.deltaY * unit * (event.ctrlKey ? 10 : 1)), event.offsetX, event.offsetY);
    this.moved();
  }
}
