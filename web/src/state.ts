// What the page knows, kept current by polling while it is looked at.
import { computed, effect, signal } from "@preact/signals";
import * as api from "./api";
import { Pulses } from "./graph/pulses";

export type Shown = "picture" | "table";

export const tasks = signal<api.TaskInfo[] | null>(null);
export const network = signal<api.NetworkInfo | null>(null);
export const resident = signal<ReadonlySet<string>>(new Set());
export const expansions = signal<api.Expansion[]>([]);
/** Inputs a second over the last interval, and how many of them were unknown. */
export const traffic = signal({ rows: 0, unknown: 0 });
export const trouble = signal<string | null>(null);
export const keyWanted = signal(false);
export const shown = signal<Shown>("picture");
export const search = signal("");
/** The task that predictions are asked of; null: the network decides. */
export const only = signal<string | null>(null);
/** Task → its weight in the newest answer to a question asked here. */
export const answered = signal<ReadonlyMap<string, number>>(new Map());
export const pulses = new Pulses();

export const byName = computed(() => new Map(tasks.value?.map((t) => [t.task, t])));

/** Where a task's pathway is now; one that every dispatcher holds for itself is always at hand. */
export const stateOf = (task: api.TaskInfo): "resident" | "dormant" | "unavailable" =>
  task.state === "unavailable"
    ? "unavailable"
    : task.state === "local" || resident.value.has(`${task.task}@${task.version}`)
      ? "resident"
      : "dormant";

export const residents = computed(
  () => (tasks.value ?? []).filter((task) => stateOf(task) === "resident").length,
);

/** Expansions that have not ended. */
export const running = computed(() =>
  expansions.value.filter(({ stage }) => stage === "waiting" || stage === "learning"),
);

export const matching = computed(() => {
  const words = search.value.trim().toLowerCase();
  if (!words) return null;
  return (tasks.value ?? []).filter(
    (t) =>
      t.task.includes(words) ||
      t.signature.includes(words) ||
      t.family.includes(words) ||
      t.labels.some((label) => label.toLowerCase() === words),
  );
});

const EVERY_MS = 1000;
const RETRY_MS = 4000;

let last: (api.Activity & { at: number }) | null = null;
let known = -1;
let notBefore = 0;

/** Read tasks and network anew; what runs by itself when the network version changes. */
export async function refresh(): Promise<void> {
  const begun = performance.now();
  const [listed, seen] = await Promise.all([api.tasks(), api.network()]);
  known = listed.network_version;
  tasks.value = listed.tasks;
  network.value = seen;
  // Of thousands of tasks that are being learned the list is long, and another one every moment.
  const now = performance.now();
  notBefore = now + 4 * (now - begun);
}

async function poll(): Promise<void> {
  const now = { ...(await api.activity()), at: performance.now() };
  const same = now.resident.length === resident.value.size && now.resident.every((p) => resident.value.has(p));
  if (!same) resident.value = new Set(now.resident);
  if (now.network_version !== known && now.at >= notBefore) await refresh();
  if (last) count(last, now);
  last = now;
}

/** Rates from two readings. A restarted network counts from zero again. */
function count(before: api.Activity & { at: number }, now: api.Activity & { at: number }): void {
  const seconds = (now.at - before.at) / 1000;
  const grown = (a: number, b: number) => (b >= a ? b - a : b);
  const ran = Object.entries(now.activations).map(
    ([task, n]) => [task, grown(before.activations[task] ?? 0, n)] as const,
  );
  pulses.ran(ran.filter(([, n]) => n > 0), seconds);
  traffic.value = {
    rows: grown(before.rows, now.rows) / seconds,
    unknown: grown(before.unknown, now.unknown) / seconds,
  };
}

/** Poll for as long as the page is open, resting while it is hidden. */
export async function keepCurrent(): Promise<void> {
  for (;;) {
    let pause = EVERY_MS;
    if (document.visibilityState === "visible" && !keyWanted.value) {
      try {
        await poll();
        trouble.value = null;
      } catch (error) {
        pause = RETRY_MS;
        if (!keyWanted.value) trouble.value = said(error);
      }
    } else last = null;
    await new Promise<void>((go) => {
      const timer = setTimeout(go, pause);
      hurry = () => {
        clearTimeout(timer);
        go();
      };
    });
  }
}

/** Poll now. */
let hurry = (): void => {};

addEventListener("visibilitychange", () => hurry());

/** Go on with a new key. */
export function useKey(key: string): void {
  api.keepKey(key);
  keyWanted.value = false;
  hurry();
}

export const said = (error: unknown): string =>
  error instanceof api.Refused ? `${error.title}: ${error.message}` : "The server does not answer; trying again.";

/** Follow an expansion to its end, unless it is followed already. */
export async function follow(started: api.Expansion): Promise<void> {
  put(started);
  for await (const status of api.follow(started.expansion)) put(status);
  await refresh();
  pulses.flash(started.task, 1);
}

function put(status: api.Expansion): void {
  const before = expansions.value.find((e) => e.expansion === status.expansion);
  const others = expansions.value.filter((e) => e !== before);
  expansions.value = [{ ...status, notes: status.notes ?? before?.notes }, ...others].sort((a, b) => b.expansion.localeCompare(a.expansion));
}

/** Show the expansions that others began and that still run. */
export async function findExpansions(): Promise<void> {
  for (const found of (await api.expansions()).expansions) {
    if (expansions.value.some((e) => e.expansion === found.expansion)) continue;
    if (found.stage !== "waiting" && found.stage !== "learning") put(found);
    else void follow(found).catch((error: unknown) => (trouble.value = said(error)));
  }
}

api.asking.forKey = () => (keyWanted.value = true);

effect(() => {
  const { rows } = traffic.value;
  document.title = rows >= 1 ? `SEN · ${Math.round(rows)}/s` : "SEN";
});
