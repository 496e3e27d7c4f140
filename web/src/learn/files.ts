// What was dropped or chosen to learn from, as the server takes it: one archive, or many files
// named CLASS/FILE.

export interface Chosen {
  /** A name for the task, taken from the folder or archive. */
  name: string;
  files: { name: string; file: File }[];
  /** Files of each class; null for an archive, which only the server looks into. */
  classes: Map<string, number> | null;
}

const ARCHIVE = /\.(npz|parquet|csv|zip)$/i;
const MEDIA = /\.(png|jpe?g|bmp|gif|webp|tiff?|wav|flac)$/i;

interface Found {
  /** Path from what was dropped, its folder first. */
  path: string;
  file: File;
}

/** Files chosen in a dialogue; those of a folder know their paths. */
export const fromInput = (files: Iterable<File>): Chosen =>
  chosen([...files].map((file) => ({ path: file.webkitRelativePath || file.name, file })));

/** All files that were dropped, with those in folders. */
export async function fromDrop(items: DataTransferItemList): Promise<Chosen> {
  // Taken at once: a drop's items are gone after the first wait.
  const entries = [...items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const found = await Promise.all(entries.map((entry) => walk(entry, entry.name)));
  return chosen(found.flat());
}

async function walk(entry: FileSystemEntry, path: string): Promise<Found[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((take, refuse) => (entry as FileSystemFileEntry).file(take, refuse));
    return [{ path, file }];
  }
  const inside = await list((entry as FileSystemDirectoryEntry).createReader());
  const found = await Promise.all(inside.map((each) => walk(each, `${path}/${each.name}`)));
  return found.flat();
}

/** A folder's entries; browsers hand them out a hundred at a time. */
async function list(reader: FileSystemDirectoryReader): Promise<FileSystemEntry[]> {
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((take, refuse) => reader.readEntries(take, refuse));
    if (!some.length) return all;
    all.push(...some);
  }
}

/** Raises an Error that says what to give instead. */
function chosen(found: readonly Found[]): Chosen {
  const archives = found.filter(({ path }) => ARCHIVE.test(path));
  if (archives.length === 1 && found.length === 1) {
    const { file } = archives[0]!;
    return { name: taskName(file.name.replace(ARCHIVE, "")), files: [{ name: file.name, file }], classes: null };
  }
  const media = found.filter(({ path }) => MEDIA.test(path) && !path.split("/").some((part) => part.startsWith(".") || part === "__MACOSX"));
  if (!media.length)
    throw new Error("There are no images or sounds in it. Give a folder with one sub-folder for each class, or one .npz, .parquet, .csv or .zip file.");
  const loose = media.find(({ path }) => !path.includes("/"));
  if (loose)
    throw new Error(`${loose.path} is in no folder. The name of a file's folder is its class: give a folder with one sub-folder for each class.`);
  const files = media.map(({ path, file }) => ({ name: path.split("/").slice(-2).join("/"), file }));
  const classes = new Map<string, number>();
  for (const { name } of files) {
    const label = name.slice(0, name.indexOf("/"));
    classes.set(label, (classes.get(label) ?? 0) + 1);
  }
  const root = media[0]!.path.split("/").at(-3);
  return { name: taskName(root ?? ""), files, classes };
}

/** A name that tasks may have: a-z, 0-9, '.', '_' and '-'. */
export const taskName = (text: string): string =>
  text.toLowerCase().replace(/[^a-z0-9._-]+/g, "-").replace(/^[^a-z0-9]+|-+$/g, "");
