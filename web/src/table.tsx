// The network as a table: what the picture shows, for those who cannot or do not want to see it.
import { useSignal } from "@preact/signals";
import type { TaskInfo } from "./api";
import { count, goodness, percent, signature } from "./format";
import { taskOf } from "./graph/model";
import { TaskMark } from "./parts";
import { address, place } from "./route";
import { matching, stateOf, tasks } from "./state";

const PAGE = 100;

type Value = (task: TaskInfo) => string | number;

const COLUMNS: { title: string; value: Value; text?: (task: TaskInfo) => string; number?: true }[] = [
  { title: "Task", value: (t) => t.task },
  { title: "State", value: (t) => stateOf(t) },
  { title: "Input", value: (t) => t.signature, text: (t) => signature(t.signature) },
  { title: "Classes", value: (t) => (t.output === "number" ? 0 : t.labels.length), text: (t) => (t.output === "number" ? "a number" : String(t.labels.length)), number: true },
  { title: "Right", value: (t) => t.held_out_accuracy ?? t.held_out_r2 ?? -1, text: (t) => (t.held_out_r2 === null ? percent(t.held_out_accuracy, 1) : goodness(t)), number: true },
  { title: "From", value: (t) => (t.source ? taskOf(t.source) : ""), },
  { title: "Links", value: (t) => t.links.length, number: true },
  { title: "Weights", value: (t) => t.parameters, text: (t) => count(t.parameters), number: true },
];

export function Table() {
  const by = useSignal<{ column: number; up: boolean } | null>(null);
  const shown = useSignal(PAGE);
  const rows = sorted(matching.value ?? tasks.value ?? [], by.value);
  return (
    <div class="table">
      <table>
        <caption class="hidden">Tasks in service</caption>
        <thead>
          <tr>
            {COLUMNS.map(({ title, number }, column) => {
              const up = by.value?.column === column ? by.value.up : null;
              return (
                <th
                  key={title}
                  scope="col"
                  class={number ? "number" : ""}
                  aria-sort={up === null ? "none" : up ? "ascending" : "descending"}
                >
                  <button type="button" onClick={() => (by.value = { column, up: up === null ? true : !up })}>
                    {title}<span aria-hidden="true">{up === null ? "" : up ? " ↑" : " ↓"}</span>
                  </button>
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>{rows.slice(0, shown.value).map((task) => <Row key={task.task} task={task} />)}</tbody>
      </table>
      <p class="fine">
        {count(Math.min(shown.value, rows.length))} of {count(rows.length)} {rows.length === 1 ? "task" : "tasks"}{" "}
        {rows.length > shown.value && (
          <button type="button" class="link" onClick={() => (shown.value += PAGE)}>Show more</button>
        )}
      </p>
    </div>
  );
}

function Row({ task }: { task: TaskInfo }) {
  const open = place.value.at === "task" && place.value.task === task.task;
  return (
    <tr class={open ? "open" : ""}>
      {COLUMNS.map(({ title, value, text, number }, i) => {
        const said = text ? text(task) : String(value(task));
        if (i === 0)
          return (
            <th key={title} scope="row">
              <a href={address({ at: "task", task: task.task })}><TaskMark task={task} />{said}</a>
            </th>
          );
        return <td key={title} class={number ? "number" : ""}>{said}</td>;
      })}
    </tr>
  );
}

function sorted(rows: readonly TaskInfo[], by: { column: number; up: boolean } | null): TaskInfo[] {
  if (!by) return [...rows];
  const { value } = COLUMNS[by.column]!, sign = by.up ? 1 : -1;
  return [...rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    return sign * (typeof x === "number" ? x - (y as number) : x.localeCompare(y as string, "en", { numeric: true }));
  });
}
