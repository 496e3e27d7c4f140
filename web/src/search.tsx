// Search among tasks: by name, class, family or kind of input. The picture dims what does not fit.
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { answers } from "./format";
import { TaskMark } from "./parts";
import { go } from "./route";
import { matching, search } from "./state";

const SHOWN = 8;

export function Search() {
  const input = useRef<HTMLInputElement>(null);
  const open = useSignal(false);
  const at = useSignal(0);
  const found = matching.value?.slice(0, SHOWN) ?? [];
  const listed = open.value && matching.value !== null;

  const choose = (task: string): void => {
    open.value = false;
    search.value = "";
    input.current!.blur();
    go({ at: "task", task });
  };

  const onKey = (event: KeyboardEvent): void => {
    if (event.key === "ArrowDown") at.value = Math.min(at.value + 1, found.length - 1);
    else if (event.key === "ArrowUp") at.value = Math.max(at.value - 1, 0);
    else if (event.key === "Enter" && found[at.value]) choose(found[at.value]!.task);
    else if (event.key === "Escape") search.value = "";
    else return;
    event.preventDefault();
  };

  return (
    <div class="search" role="search">
      <input
        ref={input}
        type="search"
        placeholder="Search"
        aria-label="Search tasks and classes"
        role="combobox"
        list={undefined}
        aria-expanded={listed}
        aria-controls="found"
        aria-autocomplete="list"
        aria-activedescendant={listed && found.length ? `found-${at.value}` : undefined}
        value={search}
        onInput={(event) => {
          [search.value, at.value, open.value] = [event.currentTarget.value, 0, true];
        }}
        onFocus={() => (open.value = true)}
        onBlur={() => (open.value = false)}
        onKeyDown={onKey}
      />
      {listed && (
        <ul id="found" role="listbox" aria-label="Tasks found">
          {found.map((task, i) => (
            <li
              key={task.task}
              id={`found-${i}`}
              role="option"
              aria-selected={i === at.value}
              onPointerDown={(event) => event.preventDefault()}
              onClick={() => choose(task.task)}
            >
              <TaskMark task={task} />{task.task} <small>{answers(task)}</small>
            </li>
          ))}
          <li class="fine" role="presentation">
            {matching.value!.length ? `${matching.value!.length.toLocaleString("en")} found` : "Nothing found"}
          </li>
        </ul>
      )}
    </div>
  );
}
