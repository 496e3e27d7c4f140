// The network as a picture.
import { effect, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { answers, goodness, rate, signature } from "../format";
import { go, place } from "../route";
import { answered, matching, pulses, resident, stateOf, tasks } from "../state";
import type { Node } from "./model";
import { Stage } from "./stage";

const ARROWS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

export function Picture() {
  const canvas = useRef<HTMLCanvasElement>(null);
  const stage = useRef<Stage>(null);
  const tip = useSignal<{ node: Node; x: number; y: number } | null>(null);
  const told = useSignal("");

  useEffect(() => {
    const made = (stage.current = new Stage(canvas.current!));
    const sizes = new ResizeObserver(() => made.resize());
    sizes.observe(canvas.current!);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", () => made.restyle());
    const stops = [
      effect(() => void (tasks.value && made.adopt())),
      effect(() => {
        void [resident.value, matching.value, place.value, answered.value];
        made.repaint();
      }),
      effect(() => showChosen(made)),
    ];
    return () => {
      sizes.disconnect();
      for (const stop of stops) stop();
    };
  }, []);

  const point = (node: Node | undefined): void => {
    const { current: made } = stage;
    if (!made) return;
    made.pointed = node?.name ?? null;
    const { view } = made.camera;
    tip.value = node ? { node, x: view.toX(node.x), y: view.toY(node.y) } : null;
    made.repaint();
  };

  const onKey = (event: KeyboardEvent): void => {
    const made = stage.current!;
    if (event.key === "+" || event.key === "=") made.camera.by(1.4);
    else if (event.key === "-") made.camera.by(1 / 1.4);
    else if (event.key === "0") made.camera.fit(made.graph);
    else if (event.key === "Escape") point(undefined);
    else if (event.key === "Enter" && made.pointed) go({ at: "task", task: made.pointed });
    else if (ARROWS[event.key]) {
      const from = made.graph.byName.get(made.pointed ?? "");
      const node = from ? made.next(from, ...ARROWS[event.key]!) : made.middle();
      point(node);
      if (node && !made.camera.isInView(node)) made.camera.show(node, made.graph);
      told.value = node ? inWords(node) : "";
    } else return;
    event.preventDefault();
  };

  return (
    <div class="picture">
      <canvas
        ref={canvas}
        tabIndex={0}
        role="application"
        aria-roledescription="network picture"
        aria-label="The network. Arrow keys go from task to task, Enter opens one, plus, minus and 0 zoom. The table tells the same."
        onKeyDown={onKey}
        onPointerMove={(event) => {
          if (event.pointerType !== "touch" && !event.buttons) point(stage.current?.under(event.offsetX, event.offsetY));
        }}
        onPointerLeave={() => point(undefined)}
        onPointerDown={() => point(undefined)}
        onWheel={() => point(undefined)}
        onBlur={() => point(undefined)}
        onClick={(event) => {
          const made = stage.current!, node = made.under(event.offsetX, event.offsetY);
          if (made.camera.dragged) return;
          if (node) go({ at: "task", task: node.name });
          else if (place.value.at === "task") go({ at: "ask" });
        }}
      />
      {tip.value && <Tip {...tip.value} />}
      <p class="hidden" aria-live="polite">{told}</p>
      <div class="zoom" role="group" aria-label="Zoom">
        <button type="button" aria-label="Zoom in" onClick={() => stage.current!.camera.by(1.4)}>+</button>
        <button type="button" aria-label="Zoom out" onClick={() => stage.current!.camera.by(1 / 1.4)}>−</button>
        <button type="button" aria-label="Show all" onClick={() => stage.current!.camera.fit(stage.current!.graph)}>⤢</button>
      </div>
    </div>
  );
}

/** Bring into view what was chosen elsewhere: a row of the table, a search result, a link. */
function showChosen(stage: Stage): void {
  const { value } = place;
  const node = value.at === "task" ? stage.graph.byName.get(value.task) : undefined;
  if (node && tasks.value && !stage.camera.isInView(node)) stage.camera.show(node, stage.graph);
}

function Tip({ node, x, y }: { node: Node; x: number; y: number }) {
  const { task } = node, runs = pulses.active.get(node.name)?.rate ?? 0;
  return (
    <div class="tip" style={{ left: `${x}px`, top: `${y}px` }}>
      <b>{task.task}</b> {stateOf(task)}
      <br />
      {answers(task)} · {goodness(task)}
      {runs > 0 && ` · ${rate(runs)}/s`}
    </div>
  );
}

function inWords(node: Node): string {
  const { task } = node;
  const from = task.source ? `learned from ${task.source}` : "learned from nothing";
  return `${task.task}, ${signature(task.signature)}, ${stateOf(task)}, ${from}`;
}
