// The pad to draw on. A typed key writes its character, for those who do not draw.
import { useEffect, useRef } from "preact/hooks";
import { ask, forget, given } from "./asking";
import { drawStrokes, fromPicture, fromStrokes, type Stroke } from "./character";

const PEN = 0.075; // of the pad's side
const PAUSE_MS = 250; // after a stroke: the next one may be part of the same character

type Ink = { strokes: Stroke[] } | { typed: string };

const isEmpty = (ink: Ink): boolean => "strokes" in ink && !ink.strokes.length;

export function Pad() {
  const canvas = useRef<HTMLCanvasElement>(null);
  const ink = useRef<Ink>({ strokes: [] });
  const wait = useRef(0);

  const show = (): void => {
    const { current: pad } = canvas;
    if (!pad) return;
    paint(pad, ink.current);
    pad.parentElement!.classList.toggle("blank", isEmpty(ink.current));
  };

  const clear = (): void => {
    clearTimeout(wait.current);
    ink.current = { strokes: [] };
    forget();
    show();
  };

  const send = (): void => {
    const pixels = "strokes" in ink.current ? fromStrokes(ink.current.strokes) : fromPicture(typed(ink.current.typed));
    if (pixels) void ask({ kind: "drawing", pixels });
  };

  const sendSoon = (): void => {
    clearTimeout(wait.current);
    wait.current = setTimeout(send, PAUSE_MS);
  };

  useEffect(() => {
    const pad = canvas.current!;
    const sizes = new ResizeObserver(() => {
      pad.width = pad.height = pad.clientWidth * devicePixelRatio;
      show();
    });
    sizes.observe(pad);
    return () => sizes.disconnect();
  }, []);

  const at = (event: PointerEvent) => {
    const { left, top, width, height } = canvas.current!.getBoundingClientRect();
    return { x: (event.clientX - left) / width, y: (event.clientY - top) / height };
  };

  const begin = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    canvas.current!.setPointerCapture(event.pointerId);
    clearTimeout(wait.current);
    const drawn = given.value?.kind === "drawing" || given.value === null;
    if (!drawn || "typed" in ink.current) ink.current = { strokes: [] };
    if ("strokes" in ink.current) ink.current.strokes.push([at(event)]);
    show();
  };

  const move = (event: PointerEvent): void => {
    if (!canvas.current!.hasPointerCapture(event.pointerId) || !("strokes" in ink.current)) return;
    const moved = event.getCoalescedEvents?.() ?? [];
    ink.current.strokes.at(-1)!.push(...(moved.length ? moved : [event]).map(at));
    show();
  };

  const onKey = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (["Backspace", "Delete", "Escape"].includes(event.key)) clear();
    else if (event.key.length === 1 && event.key.trim()) {
      ink.current = { typed: event.key };
      show();
      send();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div class="pad blank">
      <canvas
        ref={canvas}
        tabIndex={0}
        role="application"
        aria-roledescription="drawing pad"
        aria-label="Draw one character here, or type one"
        onPointerDown={begin}
        onPointerMove={move}
        onPointerUp={sendSoon}
        onPointerCancel={sendSoon}
        onKeyDown={onKey}
      />
      <span class="invitation" aria-hidden="true">draw a character</span>
      <button type="button" class="clear" onClick={clear}>Clear</button>
    </div>
  );
}

function paint(pad: HTMLCanvasElement, ink: Ink): void {
  const ctx = pad.getContext("2d")!, side = pad.width;
  ctx.setTransform(1, 0, 0, 1, 0, 0);
  ctx.clearRect(0, 0, side, side);
  if ("typed" in ink) ctx.drawImage(typed(ink.typed), 0, 0, side, side);
  else {
    ctx.scale(side, side);
    ctx.strokeStyle = "white";
    ctx.lineWidth = PEN;
    drawStrokes(ctx, ink.strokes);
  }
}

function typed(character: string): HTMLCanvasElement {
  const canvas = Object.assign(document.createElement("canvas"), { width: 256, height: 256 });
  const ctx = canvas.getContext("2d")!;
  ctx.font = "180px 'Comic Sans MS', 'Chalkboard SE', 'Comic Neue', system-ui, sans-serif";
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillStyle = "white";
  ctx.fillText(character, 128, 138);
  return canvas;
}
