// A task's links as a picture: each source class, and what it became in this task.
import type { TaskInfo } from "./api";

const ROW = 26;
const LEFT = 78;
const RIGHT = 222;
const WIDTH = 300;

export function Links({ task }: { task: TaskInfo }) {
  const links = [...task.links].sort((a, b) => b.similarity - a.similarity);
  const sources = [...new Set(links.map((link) => link.source_label))];
  const targets = inOrderOf(sources, links);
  const rows = Math.max(sources.length, targets.length), height = rows * ROW + 8;
  const y = (list: string[], label: string): number =>
    ((list.indexOf(label) + 0.5) * (height - 8)) / list.length + 4;
  return (
    <svg class="links" viewBox={`0 0 ${WIDTH} ${height}`} role="img" aria-label={inWords(task)}>
      {links.map(({ source_label: from, target_label: to, similarity }) => {
        const [y0, y1] = [y(sources, from), y(targets, to)];
        const middle = (y0 + y1) / 2;
        return (
          <g key={`${from}\n${to}`}>
            <path
              d={`M${LEFT} ${y0}C${LEFT + 60} ${y0} ${RIGHT - 66} ${y1} ${RIGHT - 6} ${y1}`}
              stroke-width={0.8 + 3.4 * similarity ** 2}
              opacity={0.25 + 0.7 * similarity}
            />
            <path class="head" d={`M${RIGHT} ${y1}l-8 -4v8z`} opacity={0.25 + 0.7 * similarity} />
            {links.length <= 40 && <text class="share" x={(LEFT + RIGHT) / 2} y={middle - 5}>{similarity.toFixed(2)}</text>}
          </g>
        );
      })}
      {sources.map((label) => <text key={label} class="from" x={LEFT - 8} y={y(sources, label) + 4}>{label}</text>)}
      {targets.map((label) => <text key={label} class="to" x={RIGHT + 8} y={y(targets, label) + 4}>{label}</text>)}
    </svg>
  );
}

/** Targets beside their sources, so that few lines cross. */
function inOrderOf(sources: readonly string[], links: TaskInfo["links"]): string[] {
  const place = (target: string): number => {
    const from = links.filter((link) => link.target_label === target).map((link) => sources.indexOf(link.source_label));
    return from.reduce((sum, i) => sum + i, 0) / from.length;
  };
  return [...new Set(links.map((link) => link.target_label))].sort((a, b) => place(a) - place(b));
}

const inWords = ({ links }: TaskInfo): string =>
  links.map((l) => `${l.source_label} to ${l.target_label} ${l.similarity.toFixed(2)}`).join(", ");
