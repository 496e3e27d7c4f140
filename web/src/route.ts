// Where the panel stands, in the address: #/ (ask), #/learn, #/task/NAME.
import { signal } from "@preact/signals";

export type Place = { at: "ask" } | { at: "learn" } | { at: "task"; task: string };

export const place = signal<Place>(read());

function read(): Place {
  const [, at, task] = location.hash.split("/");
  if (at === "task" && task) return { at, task: decodeURIComponent(task) };
  return at === "learn" ? { at } : { at: "ask" };
}

export const address = (to: Place): string =>
  to.at === "task" ? `#/task/${encodeURIComponent(to.task)}` : to.at === "learn" ? "#/learn" : "#/";

export function go(to: Place): void {
  location.hash = address(to);
}

addEventListener("hashchange", () => (place.value = read()));
