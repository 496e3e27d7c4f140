// How far an expansion is.
import type { Expansion } from "../api";
import { percent } from "../format";
import { address } from "../route";
import { Notice } from "../parts";

const STAGES = {
  waiting: "waiting for its turn",
  learning: "learning",
  learned: "learned",
  unchanged: "stays as it is",
  failed: "failed",
};

export function Progress({ status }: { status: Expansion }) {
  const { task, stage, epoch, epochs, unit, loss, accuracy } = status;
  return (
    <li class={`expansion ${stage}`}>
      <p>
        {stage === "learned" ? <a href={address({ at: "task", task })}>{task}</a> : <b>{task}</b>}{" "}
        <span>{stage === "learning" && epochs ? `${unit} ${epoch} of ${epochs}` : STAGES[stage]}</span>
      </p>
      {stage !== "failed" && (
        <progress
          aria-label={`Progress of ${task}`}
          max={1}
          {...(stage === "learned" || stage === "unchanged" ? { value: 1 } : epochs ? { value: epoch / epochs } : stage === "waiting" ? { value: 0 } : {})}
        />
      )}
      {(loss !== null || accuracy !== null) && (
        <p class="fine">
          {loss !== null && `loss ${loss < 0.001 ? "under 0.001" : loss.toPrecision(3)}`}
          {accuracy !== null && ` · ${percent(accuracy, 1)} right on what it learns from`}
        </p>
      )}
      {status.notes?.map((note) => <p key={note} class="fine">{note}</p>)}
      {status.outcome && <p class="fine">{status.outcome}</p>}
      {status.error && <Notice title="It could not be learned">{status.error}</Notice>}
    </li>
  );
}
