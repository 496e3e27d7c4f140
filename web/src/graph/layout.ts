// Where nodes stand. Few tasks are laid out by forces, which show the links best; many are packed
// (a tree of tasks is a disc, a signature a disc of discs), which takes milliseconds for thousands.
import {
  forceCollide,
  forceLink,
  forceManyBody,
  forceSimulation,
  forceX,
  forceY,
  type SimulationLinkDatum,
} from "d3-force";
import { packEnclose, packSiblings } from "d3-hierarchy";
import type { Cluster, Graph, Node } from "./model";

const FORCES_UP_TO = 250;
const TICKS = 260;
const LINK_LENGTH = 110;
const GAP = 26; // between clusters

/** Give every node and cluster its place; `before`: the graph as it stood, to start from. */
export function layOut(graph: Graph, before: Graph): void {
  const byForces = graph.nodes.length <= FORCES_UP_TO;
  for (const cluster of graph.clusters) {
    if (byForces) spread(cluster, graph, before);
    else pack(cluster);
    enclose(cluster, byForces ? 34 : 12);
  }
  const discs = graph.clusters.map((cluster) => ({ x: 0, y: 0, r: cluster.radius + GAP, cluster }));
  for (const { x, y, cluster } of packSiblings(discs)) shift(cluster, x - cluster.x, y - cluster.y);
  placeNames(graph);
}

/** Links pull, nodes push. Nodes that stood somewhere start from there, and so move little. */
function spread(cluster: Cluster, graph: Graph, before: Graph): void {
  const nodes = cluster.trees.flat(), members = new Set(nodes);
  const earlier = before.clusters.find(({ signature }) => signature === cluster.signature);
  for (const [i, node] of nodes.entries()) {
    const stood = earlier && before.byName.get(node.name);
    // A spiral of golden angles: no two start at one place, and every visit starts alike.
    node.x = stood ? stood.x - earlier.x : 26 * Math.sqrt(i + 0.5) * Math.cos(i * 2.4);
    node.y = stood ? stood.y - earlier.y : 26 * Math.sqrt(i + 0.5) * Math.sin(i * 2.4);
  }
  const links: SimulationLinkDatum<Node>[] = graph.edges
    .filter((edge) => members.has(edge.target))
    .map(({ source, target }) => ({ source, target }));
  forceSimulation(nodes)
    .stop()
    .force("link", forceLink(links).distance(LINK_LENGTH).strength(0.6))
    .force("apart", forceManyBody().strength(-260).distanceMax(600))
    .force("collide", forceCollide<Node>((node) => node.radius + 26))
    .force("x", forceX<Node>(0).strength(0.09))
    .force("y", forceY<Node>(0).strength(0.12))
    .tick(TICKS);
}

/** Each tree a disc with its source in the middle, the largest trees in the middle of all. */
function pack(cluster: Cluster): void {
  const discs = cluster.trees.map((tree) => {
    const members = packSiblings(tree.map((node) => ({ x: 0, y: 0, r: node.radius + 7, node })));
    const around = packEnclose(members);
    return { x: 0, y: 0, r: around.r + (tree.length > 1 ? 8 : 0), around, members };
  });
  for (const { x, y, around, members } of packSiblings(discs))
    for (const member of members) {
      member.node.x = x + member.x - around.x;
      member.node.y = y + member.y - around.y;
    }
}

function enclose(cluster: Cluster, margin: number): void {
  const members = cluster.trees.flat().map(({ x, y, radius }) => ({ x, y, r: radius + margin }));
  const { x, y, r } = packEnclose(members);
  Object.assign(cluster, { x, y, radius: r });
}

function shift(cluster: Cluster, dx: number, dy: number): void {
  for (const place of [cluster, ...cluster.trees.flat()]) {
    place.x += dx;
    place.y += dy;
  }
}

/** Names stand where links do not come from. */
function placeNames(graph: Graph): void {
  const below = new Map<Node, number>();
  const lean = (node: Node, other: Node): void =>
    void below.set(node, (below.get(node) ?? 0) + Math.sign(other.y - node.y));
  for (const { source, target } of graph.edges) {
    lean(source, target);
    lean(target, source);
  }
  for (const [node, sum] of below) node.above = sum > 0;
}
