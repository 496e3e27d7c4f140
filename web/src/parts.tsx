// Small parts that several panels use.
import type { ComponentChildren } from "preact";
import type { TaskInfo } from "./api";
import { modality } from "./format";
import { stateOf } from "./state";

/** A task's mark: its modality's colour, filled where it is resident. */
export function Dot({ signature, lit }: { signature: string; lit: boolean }) {
  return <i class={`dot ${modality(signature)} ${lit ? "lit" : ""}`} aria-hidden="true" />;
}

export function TaskMark({ task }: { task: TaskInfo }) {
  return <Dot signature={task.signature} lit={stateOf(task) === "resident"} />;
}

export function Notice({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <div class="notice" role="alert">
      <b>{title}</b>
      <p>{children}</p>
    </div>
  );
}

/** A share as a bar; what it says stands beside it. */
export function Bar({ share, kind = "" }: { share: number; kind?: string }) {
  return (
    <span class={`bar ${kind}`} aria-hidden="true">
      <i style={{ width: `${100 * share}%` }} />
    </span>
  );
}
