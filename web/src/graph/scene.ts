// What one picture shows.
import type { TaskInfo } from "../api";
import type { View } from "./camera";
import type { Edge, Graph, Node } from "./model";
import type { Pulses } from "./pulses";
import type { Theme } from "./theme";

export interface Scene {
  graph: Graph;
  view: View;
  width: number;
  height: number;
  theme: Theme;
  stateOf: (task: TaskInfo) => TaskInfo["state"];
  pulses: Pulses;
  /** No movement: what runs glows and does not flash. */
  still: boolean;
  selected: string | null;
  pointed: string | null;
  /** Task → its weight in the newest answer to this page's own question. */
  answered: ReadonlyMap<string, number>;
  /** Tasks that were searched for; all others step back. */
  matches: ReadonlySet<string> | null;
}

/** Where something of the graph is on the screen. */
export const at = ({ view }: Scene, node: { x: number; y: number }) =>
  [view.toX(node.x), view.toY(node.y)] as const;

export function isInView(scene: Scene, node: Node): boolean {
  const [x, y] = at(scene, node), margin = node.radius * scene.view.k + 20;
  return x > -margin && y > -margin && x < scene.width + margin && y < scene.height + margin;
}

export const stepsBack = (scene: Scene, node: Node): boolean =>
  scene.matches !== null && !scene.matches.has(node.name);

/** Whether an edge begins or ends at what is selected or pointed at. */
export const isChosen = ({ selected, pointed }: Scene, { source, target }: Edge): boolean =>
  [selected, pointed].some((name) => name !== null && (name === source.name || name === target.name));
