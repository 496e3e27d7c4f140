// The network as a graph: a node for each task, an edge from each source to what was learned
// from it. A task has one source at most, so the edges make trees.
import type { TaskInfo } from "../api";

export interface Node {
  task: TaskInfo;
  name: string;
  radius: number;
  /** Tasks that were learned from this one, directly or not. */
  descendants: number;
  /** Its name stands above it, because its links come from below. */
  above: boolean;
  x: number;
  y: number;
}

export interface Edge {
  source: Node;
  target: Node;
  links: number;
  /** Mean over the links, 0..1. */
  similarity: number;
}

/** Tasks that can stand in for each other's input: those of one signature. */
export interface Cluster {
  signature: string;
  /** Each a source with all that was learned from it, the source first. */
  trees: Node[][];
  x: number;
  y: number;
  radius: number;
}

export interface Graph {
  nodes: Node[];
  edges: Edge[];
  clusters: Cluster[];
  byName: ReadonlyMap<string, Node>;
}

export const taskOf = (pathway: string): string => pathway.slice(0, pathway.lastIndexOf("@"));

export function makeGraph(tasks: readonly TaskInfo[]): Graph {
  const nodes = tasks.map((task) => ({
    task,
    name: task.task,
    radius: 7 + Math.min(9, Math.max(0, Math.log2(task.parameters / 1000))),
    descendants: 0,
    above: false,
    x: Number.NaN,
    y: Number.NaN,
  }));
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const edges = nodes.flatMap((target) => edgeTo(target, byName));
  const parents = new Map(edges.map((edge) => [edge.target, edge.source]));
  for (const node of nodes) countUpwards(node, parents);
  return { nodes, edges, byName, clusters: clustersOf(nodes, edges) };
}

function edgeTo(target: Node, byName: ReadonlyMap<string, Node>): Edge[] {
  const { source: from, links } = target.task;
  const source = from === null ? undefined : byName.get(taskOf(from));
  if (!source) return [];
  const total = links.reduce((sum, link) => sum + link.similarity, 0);
  return [{ source, target, links: links.length, similarity: links.length ? total / links.length : 0 }];
}

function countUpwards(node: Node, parents: ReadonlyMap<Node, Node>): void {
  for (let up = parents.get(node); up; up = parents.get(up)) up.descendants++;
}

function clustersOf(nodes: readonly Node[], edges: readonly Edge[]): Cluster[] {
  const children = Map.groupBy(edges, (edge) => edge.source);
  const learned = new Set(edges.map((edge) => edge.target));
  const roots = nodes.filter((node) => !learned.has(node));
  const found = Map.groupBy(roots, (root) => root.task.signature);
  return [...found].map(([signature, members]) => ({
    signature,
    trees: members
      .map((root) => treeFrom(root, children))
      .sort((a, b) => b.length - a.length),
    x: 0,
    y: 0,
    radius: 0,
  }));
}

/** Breadth first, so that what is near the source in the tree is near it in the list. */
function treeFrom(root: Node, children: ReadonlyMap<Node, Edge[]>): Node[] {
  const tree = [root];
  for (const node of tree) tree.push(...(children.get(node) ?? []).map((edge) => edge.target));
  return tree;
}
