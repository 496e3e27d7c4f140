// The panel to ask in: draw, speak, or open a file.
import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { only } from "../state";
import { Details, Reply } from "./answer";
import { ask, askFile, aSound, busy, fail } from "./asking";
import { Pad } from "./pad";
import { record, type Recording } from "./sound";

export function Ask() {
  return (
    <>
      {only.value && (
        <p class="only">
          Asking <b>{only}</b> alone.{" "}
          <button type="button" class="link" onClick={() => (only.value = null)}>Ask the whole network</button>
        </p>
      )}
      <div class={busy.value ? "ask busy" : "ask"}>
        <Pad />
        <div class="row">
          <Speak />
          <OpenFile />
        </div>
        <Reply />
        <Details />
      </div>
    </>
  );
}

function OpenFile() {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <input
        ref={input}
        class="hidden"
        type="file"
        accept="image/*,audio/*"
        tabIndex={-1}
        aria-hidden="true"
        onChange={() => {
          const [file] = input.current!.files!;
          if (file) void askFile(file);
          input.current!.value = "";
        }}
      />
      <button type="button" onClick={() => input.current!.click()}>Open a file</button>
    </>
  );
}

function Speak() {
  const recording = useSignal<Recording | null>(null);
  const level = useSignal(0);
  const style = useComputed(() => `--level:${level.value}`);

  const start = async (): Promise<void> => {
    try {
      const made = (recording.value = await record());
      const body = await made.done;
      recording.value = null;
      await ask(await aSound(body));
    } catch (error) {
      recording.value = null;
      fail(refused(error) ? new Error("The browser did not lend the microphone; allow it for this page, or open a sound file.") : error);
    }
  };

  useEffect(() => {
    const { value: made } = recording;
    if (!made) return;
    const timer = setInterval(() => (level.value = made.level()), 60);
    return () => clearInterval(timer);
  }, [recording.value]);

  return (
    <button
      type="button"
      class={recording.value ? "speak on" : "speak"}
      aria-pressed={recording.value !== null}
      style={style}
      onClick={() => (recording.value ? recording.value.stop() : void start())}
    >
      <i aria-hidden="true" /> {recording.value ? "Stop" : "Record"}
    </button>
  );
}

const refused = (error: unknown): boolean =>
  error instanceof DOMException && ["NotAllowedError", "NotFoundError"].includes(error.name);
