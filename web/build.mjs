// Bundles src/ into deploy/page/ (or the folder given): index.html and files named by content.
// The same sources give the same bytes, so a test can tell whether what is committed is current.
import { build } from "esbuild";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.argv[2] ?? join(here, "../deploy/page"));

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: ["src/page.tsx", "src/page.css", "src/icon.svg"],
  outdir: out,
  entryNames: "[name]-[hash]",
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022"],
  loader: { ".svg": "copy" },
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
});

let html = await readFile(join(here, "src/index.html"), "utf8");
let total = html.length;
for (const [path, { entryPoint, bytes }] of Object.entries(metafile.outputs)) {
  html = html.replaceAll(`{${basename(entryPoint)}}`, `page/${basename(path)}`);
  total += bytes;
}
await writeFile(join(out, "index.html"), html);

// What is bundled from others goes with their licences.
const bundled = Object.keys(metafile.inputs).map((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]);
let licences = "";
for (const name of [...new Set(bundled)].filter(Boolean).sort()) {
  const files = await readdir(join(here, "node_modules", name));
  const text = await readFile(join(here, "node_modules", name, files.find((file) => /^licen[cs]e/i.test(file))), "utf8");
  licences += `${name}\n\n${text.trim()}\n\n\n`;
}
await writeFile(join(out, "licences.txt"), licences);
console.log(`${out}: ${(total / 1024).toFixed(1)} KiB`);
