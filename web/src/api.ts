// The HTTP interface as the page uses it. Addresses are relative, so that the page also works
// behind a proxy that serves it under a prefix.
import { EventSourceParserStream } from "eventsource-parser/stream";

export interface LinkInfo {
  source_label: string;
  target_label: string;
  similarity: number;
}

export interface TaskInfo {
  task: string;
  version: number;
  state: "resident" | "local" | "dormant" | "unavailable";
  reason: string | null;
  signature: string;
  /** Whether it answers with one of its labels, or with a number of that name. */
  output: "classes" | "number";
  labels: string[];
  family: string;
  parameters: number;
  active_share: number;
  source: string | null;
  links: LinkInfo[];
  examples: number;
  held_out_accuracy: number | null;
  held_out_r2: number | null;
  learned_at: string;
}

export interface VersionInfo {
  version: number;
  in_service: boolean;
  learned_at: string;
  held_out_accuracy: number | null;
  held_out_r2: number | null;
}

export interface NetworkInfo {
  network_version: number;
  tasks: number;
  parameters: number;
  max_active_pathways: number;
  mean_active_share: number | null;
  links: number;
}

export interface Activity {
  network_version: number;
  activations: Record<string, number>;
  rows: number;
  unknown: number;
  resident: string[];
}

export interface Prediction {
  label: string | null;
  probability: number | null;
  unknown: boolean;
  probabilities: { label: string; probability: number }[];
  values: { name: string; value: number; deviation: number; weight: number }[];
  pathways: { pathway: string; weight: number }[];
  active_share: number;
  notes: string[];
}

export interface Expansion {
  expansion: string;
  task: string;
  stage: "waiting" | "learning" | "learned" | "unchanged" | "failed";
  epoch: number;
  epochs: number;
  unit: string;
  loss: number | null;
  accuracy: number | null;
  network_version: number | null;
  error: string | null;
  /** What came of a revision, in a sentence. */
  outcome: string | null;
  /** What the server did to the data on the way; told once, when they were sent. */
  notes?: string[];
}

/** What the server refused and why, in its own words (RFC 9457). */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    detail: string,
  ) {
    super(detail);
  }
}

const KEPT = "sen-key";

export const keyOf = (): string => sessionStorage.getItem(KEPT) ?? "";

export function keepKey(key: string): void {
  sessionStorage.setItem(KEPT, key);
}

/** Called when the server wants a key; set by the page. */
export const asking = { forKey: () => {} };

async function call(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (keyOf()) headers.set("Authorization", `Bearer ${keyOf()}`);
  const reply = await fetch(path, { ...init, headers });
  if (reply.status === 401) asking.forKey();
  if (!reply.ok) throw await refusal(reply);
  return reply;
}

async function refusal(reply: Response): Promise<Refused> {
  const text = await reply.text();
  try {
    const { title, detail } = JSON.parse(text);
    return new Refused(reply.status, title ?? reply.statusText, detail ?? text);
  } catch {
    return new Refused(reply.status, `Status ${reply.status}`, text || reply.statusText);
  }
}

async function json<T>(path: string, init?: RequestInit): Promise<T> {
  return (await call(path, init)).json() as Promise<T>;
}

export const tasks = () => json<{ network_version: number; tasks: TaskInfo[] }>("v1/tasks");

export const network = () => json<NetworkInfo>("v1/network");

export const activity = () => json<Activity>("v1/network/activity");

export const versions = (task: string) =>
  json<{ versions: VersionInfo[] }>(`v1/tasks/${encodeURIComponent(task)}/versions`);

export const expansions = () => json<{ expansions: Expansion[] }>("v1/expansions");

export async function predict(
  body: BodyInit,
  kind: string | null,
  task: string | null,
): Promise<Prediction> {
  const only = task ? `?task=${encodeURIComponent(task)}` : "";
  const headers: HeadersInit = kind ? { "Content-Type": kind } : {};
  const reply = await json<{ predictions: Prediction[] }>(`v1/predict${only}`, {
    method: "POST",
    body,
    headers,
  });
  return reply.predictions[0]!;
}

export const learn = (form: FormData) =>
  json<{ expansion: string; task: string; notes: string[] }>("v1/learn", { method: "POST", body: form });

/** Every status of an expansion until it has ended; the stream is opened again if it breaks. */
export async function* follow(id: string): AsyncGenerator<Expansion> {
  const path = `v1/expansions/${encodeURIComponent(id)}`;
  for (;;) {
    try {
      const { body } = await call(`${path}/events`, { headers: { Accept: "text/event-stream" } });
      const events = body!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
      for await (const event of read(events)) {
        const status = JSON.parse(event.data) as Expansion;
        yield status;
        if (event.event !== "progress") return;
      }
    } catch (error) {
      if (error instanceof Refused) throw error;
    }
    await new Promise((go) => setTimeout(go, 1000)); // the server restarts, or the way to it broke
  }
}

// Streams can be iterated in some browsers only.
async function* read<T>(stream: ReadableStream<T>): AsyncGenerator<T> {
  const reader = stream.getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
  } finally {
    reader.releaseLock();
  }
}
