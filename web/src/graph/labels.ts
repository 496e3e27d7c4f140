// Room for names: what is placed first keeps its place, and what would lie over it finds none.

export interface Label {
  text: string;
  /** Middle of the text's upper edge, in pixels of the screen. */
  x: number;
  y: number;
  width: number;
  height: number;
}

const CELL = 24;

/** Screen space taken so far, as a grid of cells. */
export class Space {
  private readonly taken = new Map<number, Label[]>();

  /** Whether the label found room; if so, the room is taken. */
  place(label: Label): boolean {
    const cells = [...this.cells(label)];
    if (cells.some((cell) => this.taken.get(cell)?.some((other) => overlap(label, other)))) return false;
    for (const cell of cells) {
      const there = this.taken.get(cell);
      if (there) there.push(label);
      else this.taken.set(cell, [label]);
    }
    return true;
  }

  private *cells({ x, y, width, height }: Label): Generator<number> {
    const [left, right] = [Math.floor((x - width / 2) / CELL), Math.floor((x + width / 2) / CELL)];
    for (let row = Math.floor(y / CELL); row <= Math.floor((y + height) / CELL); row++)
      for (let column = left; column <= right; column++) yield row * 100_003 + column;
  }
}

const overlap = (a: Label, b: Label): boolean =>
  Math.abs(a.x - b.x) * 2 < a.width + b.width && a.y < b.y + b.height && b.y < a.y + a.height;
