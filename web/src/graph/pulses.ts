// Which pathways run now: each flashes as often as it runs, at most three times a second (what
// flashes more often can harm people), and beyond that it glows instead.

const MOST_PER_S = 3;
const RING_S = 0.9;
const FADE_S = 0.45;

export interface Pulse {
  /** Runs a second, over the last interval. */
  rate: number;
  /** Brightness of the flash, 0..1; fades by itself. */
  flash: number;
  /** Seconds since each ring that still spreads was sent out. */
  rings: number[];
  phase: number;
}

export class Pulses {
  readonly active = new Map<string, Pulse>();
  /** Called when there is something to paint. */
  wake = () => {};
  // Own requests flash at once; their counts, when they come, must not flash again.
  private readonly shownAlready = new Map<string, number>();

  /** (task, runs) over the last `seconds`. */
  ran(counts: Iterable<readonly [string, number]>, seconds: number): void {
    for (const pulse of this.active.values()) pulse.rate = 0;
    for (const [task, n] of counts) {
      const shown = Math.min(n, this.shownAlready.get(task) ?? 0);
      if (shown) this.shownAlready.set(task, this.shownAlready.get(task)! - shown);
      if (n > shown) this.of(task).rate = (n - shown) / seconds;
    }
    this.wake();
  }

  /** It ran for a request of this page: flash at once. */
  asked(task: string, weight: number): void {
    this.shownAlready.set(task, (this.shownAlready.get(task) ?? 0) + 1);
    this.flash(task, Math.max(0.35, weight));
  }

  flash(task: string, brightness: number): void {
    const pulse = this.of(task);
    pulse.flash = brightness;
    pulse.rings.push(0);
    this.wake();
  }

  /** Let `seconds` pass; whether anything still moves. */
  step(seconds: number): boolean {
    for (const [task, pulse] of this.active) {
      pulse.flash *= Math.exp(-seconds / FADE_S);
      pulse.rings = pulse.rings.map((age) => age + seconds).filter((age) => age < RING_S);
      pulse.phase += Math.min(pulse.rate, MOST_PER_S) * seconds;
      if (pulse.phase >= 1) {
        pulse.phase %= 1;
        pulse.flash = 1;
        pulse.rings.push(0);
      }
      if (!pulse.rate && pulse.flash < 0.02 && !pulse.rings.length) this.active.delete(task);
    }
    return this.active.size > 0;
  }

  /** Steady brightness of a pathway that runs often, 0..1. */
  static glow = (rate: number): number => Math.min(1, Math.log10(1 + rate) / 3);

  static spread = (age: number): number => age / RING_S;

  private of(task: string): Pulse {
    let pulse = this.active.get(task);
    // Each begins soon, but not all together.
    if (!pulse) this.active.set(task, (pulse = { rate: 0, flash: 0, rings: [], phase: 1 - 0.3 * Math.random() }));
    return pulse;
  }
}
