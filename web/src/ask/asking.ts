// What was asked last and what came back.
import { signal } from "@preact/signals";
import * as api from "../api";
import { taskOf } from "../graph/model";
import { answered, only, pulses } from "../state";
import { fromPicture, type Pixels } from "./character";
import { decode, wav, type Sound } from "./sound";

export type Given =
  | { kind: "drawing"; pixels: Pixels }
  | { kind: "image"; url: string; picture: ImageBitmap; body: Blob }
  | { kind: "sound"; sound: Sound | null; url: string; body: Blob };

export const given = signal<Given | null>(null);
export const answer = signal<api.Prediction | null>(null);
export const problem = signal<{ title: string; text: string } | null>(null);
export const busy = signal(false);

let newest = 0;

/** Ask the network; an answer that was overtaken by a newer question is dropped. */
export async function ask(what: Given): Promise<void> {
  const mine = ++newest;
  if (given.value && given.value !== what && "url" in given.value) URL.revokeObjectURL(given.value.url);
  [given.value, busy.value, problem.value] = [what, true, null];
  try {
    const told = await api.predict(...bodyOf(what), only.value);
    if (mine !== newest) return;
    answer.value = told;
    answered.value = new Map(told.pathways.map(({ pathway, weight }) => [taskOf(pathway), weight]));
    for (const { pathway, weight } of told.pathways) pulses.asked(taskOf(pathway), weight);
  } catch (error) {
    if (mine !== newest) return;
    fail(error);
    given.value = what;
  } finally {
    if (mine === newest) busy.value = false;
  }
}

export function forget(): void {
  newest++;
  [given.value, answer.value, problem.value, busy.value] = [null, null, null, false];
  answered.value = new Map();
}

export function fail(error: unknown): void {
  forget();
  problem.value = inWords(error);
}

export function inWords(error: unknown): { title: string; text: string } {
  if (error instanceof api.Refused) return { title: error.title, text: error.message };
  const text = error instanceof Error ? error.message : String(error);
  return { title: error instanceof TypeError ? "The server does not answer" : "That did not work", text };
}

function bodyOf(what: Given): [BodyInit, string] {
  if (what.kind === "drawing") return [JSON.stringify({ inputs: [what.pixels] }), "application/json"];
  return [what.body, what.body.type];
}

const READ_BY_SERVER = /^image\/(png|jpeg|bmp|gif|webp|tiff)$|^audio\/.*(wav|flac)$/;

/** Ask about a file: as it is where the server reads it, else converted by the browser. */
export async function askFile(file: File): Promise<void> {
  try {
    await ask(file.type.startsWith("image/") ? await anImage(file) : await aSound(file));
  } catch (error) {
    fail(file.type.match(/^(image|audio|video)\//) ? error : new Error(`${file.name} is neither an image nor a sound.`));
  }
}

async function anImage(file: File): Promise<Given> {
  const picture = await createImageBitmap(file);
  const body = READ_BY_SERVER.test(file.type) ? file : await asPng(picture);
  return { kind: "image", picture, body, url: URL.createObjectURL(body) };
}

export async function aSound(body: Blob): Promise<Given> {
  const sound = await decode(body);
  const sent = READ_BY_SERVER.test(body.type) ? body : wav(sound);
  return { kind: "sound", sound, body: sent, url: URL.createObjectURL(sent) };
}

async function asPng(picture: ImageBitmap): Promise<Blob> {
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext("2d")!.drawImage(picture, 0, 0);
  return canvas.convertToBlob();
}

/** Take a picture for ink on paper: ask about its character, as if it had been drawn here. */
export async function askAsCharacter(picture: ImageBitmap): Promise<void> {
  const pixels = fromPicture(picture);
  if (pixels) await ask({ kind: "drawing", pixels });
  else fail(new Error("The picture is all of one shade: there is no character to be seen."));
}
