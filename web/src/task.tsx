// A task's page.
import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import * as api from "./api";
import { inWords } from "./ask/asking";
import { count, goodness, percent, signature, when } from "./format";
import { taskOf } from "./graph/model";
import { Links } from "./links";
import { Notice, TaskMark } from "./parts";
import { address, go } from "./route";
import { byName, only, stateOf, tasks } from "./state";

export function Task({ name }: { name: string }) {
  const heading = useRef<HTMLHeadingElement>(null);
  const task = byName.value.get(name);
  // As it is drawn, not after: a later focus would take what was typed meanwhile.
  useLayoutEffect(() => heading.current?.focus({ preventScroll: true }), [name, task !== undefined]);
  if (!tasks.value) return null;
  if (!task) return <Notice title="Unknown task">No task is called “{name}”.</Notice>;
  const state = stateOf(task);
  return (
    <article class="task">
      <h2 ref={heading} tabIndex={-1}><TaskMark task={task} />{task.task}</h2>
      <p class="fine">
        <span class={`state ${state}`}>{state}</span> · {signature(task.signature)} · {task.family} · version {task.version}
      </p>
      {task.reason && <Notice title="It cannot be served">{task.reason}</Notice>}
      <Facts task={task} />
      <div class="row">
        <button type="button" class="main" onClick={() => askOnly(task.task)}>Ask this task alone</button>
      </div>
      <h3>{task.output === "number" ? "Number" : <>Classes <small>{task.labels.length}</small></>}</h3>
      <Classes labels={task.labels} />
      <From task={task} />
      <Lent task={task} />
      <Versions task={task} />
    </article>
  );
}

function askOnly(task: string): void {
  only.value = task;
  go({ at: "ask" });
}

function Facts({ task }: { task: api.TaskInfo }) {
  const facts: [string, string][] = [
    ["On what it never saw", goodness(task, 1)],
    ["Learned from", `${count(task.examples)} examples`],
    ["Weights", count(task.parameters)],
    ["Active share", percent(task.active_share, 1)],
    ["Learned", when(task.learned_at)],
  ];
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

const SHOWN = 60;

function Classes({ labels }: { labels: string[] }) {
  return (
    <ul class="chips">
      {labels.slice(0, SHOWN).map((label) => <li key={label}>{label}</li>)}
      {labels.length > SHOWN && <li>and {labels.length - SHOWN} more</li>}
    </ul>
  );
}

function From({ task }: { task: api.TaskInfo }) {
  if (!task.source) return <p class="fine">It was learned from nothing: no earlier task helped.</p>;
  const source = taskOf(task.source);
  return (
    <>
      <h3>Links from <a href={address({ at: "task", task: source })}>{source}</a> <small>{task.links.length}</small></h3>
      <Links task={task} />
    </>
  );
}

function Lent({ task }: { task: api.TaskInfo }) {
  const lent = tasks.value!.filter((other) => other.source && taskOf(other.source) === task.task);
  if (!lent.length) return null;
  return (
    <>
      <h3>Lends to <small>{lent.length}</small></h3>
      <ul class="chips">
        {lent.slice(0, SHOWN).map((other) => (
          <li key={other.task}><a href={address({ at: "task", task: other.task })}>{other.task}</a> <small>{other.links.length} links</small></li>
        ))}
        {lent.length > SHOWN && <li>and {lent.length - SHOWN} more</li>}
      </ul>
    </>
  );
}

function Versions({ task }: { task: api.TaskInfo }) {
  const found = useSignal<api.VersionInfo[] | null>(null);
  const problem = useSignal<{ title: string; text: string } | null>(null);
  useEffect(() => {
    let open = true;
    [found.value, problem.value] = [null, null];
    api.versions(task.task).then(
      (reply) => open && (found.value = reply.versions),
      (error: unknown) => open && (problem.value = inWords(error)),
    );
    return () => (open = false);
  }, [task.task, task.version]);
  return (
    <>
      <h3>Versions</h3>
      {problem.value && <Notice title={problem.value.title}>{problem.value.text}</Notice>}
      <ul class="versions">
        {found.value?.map((each) => (
          <li key={each.version}>
            <b>{each.version}</b> {when(each.learned_at)} · {goodness(each, 1)}
            {each.in_service && <small> in service</small>}
          </li>
        ))}
      </ul>
    </>
  );
}
