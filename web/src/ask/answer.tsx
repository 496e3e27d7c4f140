// The network's answer: what it saw, which one or two pathways it asked, what they say.
import { useEffect, useRef } from "preact/hooks";
import type { Prediction } from "../api";
import { count, measured, modality, percent } from "../format";
import { taskOf } from "../graph/model";
import { address } from "../route";
import { byName } from "../state";
import { Bar, Dot, Notice } from "../parts";
import { answer, askAsCharacter, busy, given, problem, type Given } from "./asking";
import type { Pixels } from "./character";

const BARS = 4;

/** What was asked, and the label. */
export function Reply() {
  const { value: seen } = given, { value: told } = answer;
  return (
    <section class="reply" aria-label="Answer" aria-live="polite" aria-busy={busy}>
      {seen ? <Seen given={seen} /> : <Hint />}
      {told && (told.unknown ? <p class="label"><b>unknown</b></p> : <Best told={told} />)}
    </section>
  );
}

function Hint() {
  const of = byName.value.size;
  return (
    <p class="fine hint">
      Draw a character, record a sound or open a file, and see{" "}
      {of > 2 ? `which one or two of ${count(of)} pathways answer.` : "which pathways answer."}
    </p>
  );
}

/** How the answer came about. */
export function Details() {
  const { value: seen } = given, { value: told } = answer;
  return (
    <section class="details" aria-label="How it was answered" aria-live="polite">
      {problem.value && <Notice title={problem.value.title}>{problem.value.text}</Notice>}
      {told?.unknown && <p>It is unlike everything learned, so no pathway was activated.</p>}
      {told && !told.unknown && <Pathways told={told} />}
      {told && <Fine told={told} />}
      {seen?.kind === "image" && (
        <button type="button" class="link" onClick={() => void askAsCharacter(seen.picture)}>
          Read it as ink on paper
        </button>
      )}
    </section>
  );
}

function Best({ told }: { told: Prediction }) {
  return (
    <>
      {told.values.map(({ name, value, deviation }) => (
        <p class="label" key={name}><b>{measured(value)}</b> <span>{name} ± {measured(deviation)}</span></p>
      ))}
      {told.label !== null && <p class="label"><b>{told.label}</b> <span>{percent(told.probability, 1)}</span></p>}
      <ol class="bars">
        {told.probabilities.slice(0, BARS).map(({ label, probability }) => (
          <li key={label}>
            <span>{label}</span>
            <Bar share={probability} />
            <span>{percent(probability, probability < 0.1 ? 1 : 0)}</span>
          </li>
        ))}
      </ol>
    </>
  );
}

function Pathways({ told }: { told: Prediction }) {
  return (
    <ul class="paths" aria-label="Pathways that answered">
      {told.pathways.map(({ pathway, weight }) => {
        const name = taskOf(pathway), signature = byName.value.get(name)?.signature ?? "";
        return (
          <li key={pathway}>
            <a href={address({ at: "task", task: name })}><Dot signature={signature} lit />{name}</a>
            <Bar share={weight} kind={modality(signature)} />
            <span>{percent(weight, weight > 0.99 || weight < 0.1 ? 1 : 0)}</span>
          </li>
        );
      })}
    </ul>
  );
}

function Fine({ told }: { told: Prediction }) {
  const of = byName.value.size;
  return (
    <p class="fine">
      {!told.unknown &&
        `${told.pathways.length} of ${count(of)} ${of === 1 ? "pathway" : "pathways"} active, ${percent(told.active_share, 1)} of all weights. `}
      {told.notes.length > 0 && `Converted: ${told.notes.join(", ")}. `}
    </p>
  );
}

function Seen({ given: seen }: { given: Given }) {
  if (seen.kind === "drawing") return <Grid pixels={seen.pixels} />;
  if (seen.kind === "image") return <img class="seen" src={seen.url} alt="The image that was asked about" />;
  return (
    <div class="seen heard">
      {seen.sound && <Wave samples={seen.sound.samples} />}
      <button type="button" aria-label="Play the sound" onClick={() => void new Audio(seen.url).play()}>▶</button>
    </div>
  );
}

function Grid({ pixels }: { pixels: Pixels }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const side = pixels.length, shades = pixels.flat();
    const image = new ImageData(side, side);
    for (const [i, shade] of shades.entries()) image.data.set([shade, shade, shade, 255], i * 4);
    canvas.current!.getContext("2d")!.putImageData(image, 0, 0);
  }, [pixels]);
  return <canvas ref={canvas} class="seen pixels" width={28} height={28} role="img" aria-label="What the network sees: 28×28 pixels" />;
}

function Wave({ samples }: { samples: Float32Array }) {
  const columns = 48, step = Math.max(1, Math.floor(samples.length / columns));
  const loudest = samples.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-6);
  const path = Array.from({ length: columns }, (_, i) => {
    const part = samples.subarray(i * step, (i + 1) * step);
    const tall = (part.reduce((most, v) => Math.max(most, Math.abs(v)), 0) / loudest) * 22 + 0.5;
    return `M${i + 0.5} ${24 - tall}V${24 + tall}`;
  }).join("");
  return (
    <svg viewBox={`0 0 ${columns} 48`} preserveAspectRatio="none" role="img" aria-label="The sound's wave">
      <path d={path} />
    </svg>
  );
}
