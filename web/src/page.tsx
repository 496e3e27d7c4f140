// The page: the network as a picture or a table, and a panel to ask, to teach, and to read in.
import { render } from "preact";
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { Ask } from "./ask/ask";
import { askFile } from "./ask/asking";
import { count, percent, rate } from "./format";
import { Picture } from "./graph/picture";
import { KeyDialog } from "./key";
import { Learn, take } from "./learn/learn";
import { address, go, place } from "./route";
import { Search } from "./search";
import { keepCurrent, network, only, residents, running, shown, tasks, traffic, trouble } from "./state";
import { Table } from "./table";
import { Task } from "./task";

function Page() {
  return (
    <>
      <a class="skip" href="#panel" onClick={skip}>Skip to the panel</a>
      <header>
        <h1>SEN</h1>
        <Search />
        <div class="switch" role="group" aria-label="Show the network as">
          {(["picture", "table"] as const).map((kind) => (
            <button key={kind} type="button" aria-pressed={shown.value === kind} onClick={() => (shown.value = kind)}>
              {kind}
            </button>
          ))}
        </div>
      </header>
      <main>
        <section class="network" aria-label="The network">
          {shown.value === "picture" ? <Picture /> : <Table />}
          {shown.value === "picture" && <Figures />}
          <Growing />
          {tasks.value?.length === 0 && <Empty />}
          {trouble.value && <p class="trouble" role="alert">{trouble}</p>}
        </section>
        <Panel />
      </main>
      <KeyDialog />
      <Drop />
    </>
  );
}

function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("panel")!.focus();
}

function Panel() {
  const { value: where } = place;
  return (
    <aside id="panel" tabIndex={-1} aria-label="Ask, teach and read">
      <nav aria-label="Panel">
        <a href={address({ at: "ask" })} aria-current={where.at === "ask" ? "page" : undefined}>Ask</a>
        <a href={address({ at: "learn" })} aria-current={where.at === "learn" ? "page" : undefined}>
          Teach{running.value.length > 0 && <small> {running.value.length}</small>}
        </a>
        {where.at === "task" && <a href={address(where)} aria-current="page">{where.task}</a>}
      </nav>
      <div class="inside">
        {where.at === "ask" && <Ask />}
        {where.at === "learn" && <Learn />}
        {where.at === "task" && <Task name={where.task} />}
      </div>
    </aside>
  );
}

/** What is being learned, over the picture. */
function Growing() {
  return (
    <ul class="growing" aria-label="Being learned now">
      {running.value.map(({ expansion, task, epoch, epochs }) => (
        <li key={expansion}>
          <a href={address({ at: "learn" })}>
            <i style={{ "--done": epochs ? epoch / epochs : 0 }} aria-hidden="true" />
            learning {task}
          </a>
        </li>
      ))}
    </ul>
  );
}

/** The network in figures, and what the marks of the picture mean. */
function Figures() {
  const { value: seen } = network;
  if (!seen || !tasks.value?.length) return null;
  const { rows, unknown } = traffic.value;
  return (
    <dl class="figures">
      <div><dt>tasks</dt><dd>{count(seen.tasks)}</dd></div>
      <div><dt><i class="dot lit" aria-hidden="true" /> resident</dt><dd>{count(residents.value)}</dd></div>
      <div><dt>links</dt><dd>{count(seen.links)}</dd></div>
      <div><dt>weights</dt><dd>{count(seen.parameters)}</dd></div>
      <div><dt>active for an input</dt><dd>{percent(seen.mean_active_share, 1)}</dd></div>
      <div><dt>inputs now</dt><dd>{rate(rows)}/s{unknown > 0.05 && <small> {rate(unknown)} unknown</small>}</dd></div>
    </dl>
  );
}

function Empty() {
  return (
    <div class="empty">
      <p>The network has learned nothing yet.</p>
      <a class="main" href={address({ at: "learn" })}>Teach it a first task</a>
    </div>
  );
}

/** Files may be dropped anywhere: one image or sound is asked about, all else is learned from. */
function Drop() {
  const over = useSignal(false);
  useEffect(() => {
    const dragging = (event: DragEvent): void => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      over.value = true;
    };
    const ended = (event: DragEvent): void => {
      if (event.relatedTarget === null) over.value = false;
    };
    const dropped = (event: DragEvent): void => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      over.value = false;
      const [file, ...more] = event.dataTransfer.files;
      const asked = place.value.at !== "learn" && !more.length && file && /^(image|audio)\//.test(file.type);
      go({ at: asked ? "ask" : "learn" });
      void (asked ? askFile(file) : take(event.dataTransfer.items));
    };
    const handlers = { dragenter: dragging, dragover: dragging, dragleave: ended, drop: dropped };
    for (const [kind, handler] of Object.entries(handlers)) addEventListener(kind, handler as EventListener);
    return () => {
      for (const [kind, handler] of Object.entries(handlers)) removeEventListener(kind, handler as EventListener);
    };
  }, []);
  return over.value ? <div class="drop">Drop an image or a sound to ask about it, a folder to learn from it</div> : null;
}

addEventListener("keydown", (event) => {
  const typing = event.target instanceof Element && event.target.closest("input, textarea, select, [role=application]");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    document.querySelector<HTMLInputElement>(".search input")!.focus();
  }
});

// What was asked of one task alone ends with a look at another.
addEventListener("hashchange", () => {
  if (place.value.at === "task" && place.value.task !== only.value) only.value = null;
});

render(<Page />, document.getElementById("page")!);
void keepCurrent();
