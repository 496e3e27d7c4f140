// The panel to teach in: drop labelled examples, watch them being learned.
import { signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as api from "../api";
import { inWords } from "../ask/asking";
import { count } from "../format";
import { Notice } from "../parts";
import { expansions, findExpansions, follow, said, tasks, trouble } from "../state";
import { Progress } from "./progress";
import { fromDrop, fromInput, type Chosen } from "./files";

const chosen = signal<Chosen | null>(null);
const name = signal("");
const problem = signal<{ title: string; text: string } | null>(null);

/** Take what was dropped on the page. */
export async function take(given: DataTransferItemList | Iterable<File>): Promise<void> {
  try {
    problem.value = null;
    chosen.value = given instanceof DataTransferItemList ? await fromDrop(given) : fromInput(given);
    name.value ||= chosen.value.name;
  } catch (error) {
    chosen.value = null;
    problem.value = { title: "That cannot be learned from", text: inWords(error).text };
  }
}

export function Learn() {
  useEffect(() => {
    findExpansions().catch((error: unknown) => (trouble.value = said(error)));
  }, []);
  return (
    <>
      <Form />
      <ul class="expansions" aria-label="Tasks being learned">
        {expansions.value.map((status) => <Progress key={status.expansion} status={status} />)}
      </ul>
    </>
  );
}

function Form() {
  const sending = useSignal(false);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const { value: given } = chosen;
    if (!given) return;
    problem.value = null;
    sending.value = true;
    try {
      const { expansion, task, notes } = await api.learn(formOf(given, event.target as HTMLFormElement));
      void follow(waiting(expansion, task, notes)).catch((error: unknown) => (problem.value = inWords(error)));
      chosen.value = null;
      name.value = "";
    } catch (error) {
      problem.value = inWords(error);
    } finally {
      sending.value = false;
    }
  };
  return (
    <form class="learn" onSubmit={(event) => void submit(event)}>
      <p>Give examples of a new task: a folder with one sub-folder for each class, or an <code>.npz</code>, <code>.parquet</code>, <code>.csv</code> or <code>.zip</code>.</p>
      <Chooser />
      {chosen.value && <Summary given={chosen.value} />}
      <label>
        Name
        <input
          name="task"
          required
          maxLength={64}
          pattern="[a-z0-9][a-z0-9._\-]*"
          title="a-z, 0-9, '.', '_' and '-'"
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          value={name}
          onInput={(event) => (name.value = event.currentTarget.value)}
        />
      </label>
      <Options />
      {problem.value && <Notice title={problem.value.title}>{problem.value.text}</Notice>}
      <button class="main" disabled={!chosen.value || sending.value}>
        {sending.value ? "Sending…" : "Learn"}
      </button>
    </form>
  );
}

function Chooser() {
  const folder = useRef<HTMLInputElement>(null), file = useRef<HTMLInputElement>(null);
  const taken = (input: HTMLInputElement): void => {
    if (input.files?.length) void take([...input.files]);
    input.value = "";
  };
  return (
    <div class="row">
      <input
        ref={folder} class="hidden" type="file" multiple tabIndex={-1} aria-hidden="true" data-choose="folder"
        {...{ webkitdirectory: true }}
        onChange={(event) => taken(event.currentTarget)}
      />
      <input
        ref={file} class="hidden" type="file" accept=".npz,.parquet,.csv,.zip" tabIndex={-1} aria-hidden="true" data-choose="archive"
        onChange={(event) => taken(event.currentTarget)}
      />
      <button type="button" onClick={() => folder.current!.click()}>Choose folder</button>
      <button type="button" onClick={() => file.current!.click()}>Choose file</button>
      <span class="or">or drop it here</span>
    </div>
  );
}

const SHOWN = 12;

function Summary({ given }: { given: Chosen }) {
  const bytes = given.files.reduce((sum, { file }) => sum + file.size, 0);
  const size = `${(bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 0)} MB`;
  if (!given.classes) return <p class="fine">{given.files[0]!.name}, {size}</p>;
  const listed = [...given.classes].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }));
  return (
    <>
      <p class="fine">{count(given.files.length)} files of {given.classes.size} classes, {size}</p>
      <ul class="chips">
        {listed.slice(0, SHOWN).map(([label, files]) => <li key={label}>{label} <small>{files}</small></li>)}
        {listed.length > SHOWN && <li>and {listed.length - SHOWN} more</li>}
      </ul>
    </>
  );
}

function Options() {
  const families = [...new Set(tasks.value?.map((task) => task.family))].sort();
  return (
    <details>
      <summary>Options</summary>
      <div class="fields">
        <label>Family<input name="family" list="families" placeholder="default" autocomplete="off" /></label>
        <datalist id="families">{families.map((family) => <option key={family} value={family} />)}</datalist>
        <label>Number to predict<input name="target" placeholder="none: classes" autocomplete="off" /></label>
        <label>Examples a class<input name="shots" type="number" min="0" placeholder="all" /></label>
        <label>Epochs<input name="epochs" type="number" min="1" placeholder="10" /></label>
        <label>Links from<input name="threshold" type="number" min="0.01" max="1" step="any" placeholder="0.7" /></label>
        <label>Seed<input name="seed" type="number" min="0" placeholder="0" /></label>
        <label class="check"><input name="augment" type="checkbox" /> Change examples a little each time</label>
      </div>
    </details>
  );
}

function formOf(given: Chosen, filled: HTMLFormElement): FormData {
  const values = new FormData(filled);
  const options: Record<string, unknown> = {};
  if (values.get("family")) options.family = values.get("family");
  for (const key of ["shots", "epochs", "threshold", "seed"])
    if (values.get(key)) options[key] = Number(values.get(key));
  if (values.get("augment")) options.augment = true;
  const form = new FormData();
  form.append("task", String(values.get("task")));
  if (values.get("target")) form.append("target", String(values.get("target")));
  if (Object.keys(options).length) form.append("options", JSON.stringify(options));
  for (const { name: named, file } of given.files) form.append("file", file, named);
  return form;
}

const waiting = (expansion: string, task: string, notes: string[]): api.Expansion => ({
  expansion,
  task,
  notes,
  stage: "waiting",
  epoch: 0,
  epochs: 0,
  unit: "epoch",
  loss: null,
  accuracy: null,
  network_version: null,
  error: null,
  outcome: null,
});
