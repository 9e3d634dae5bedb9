/** One canvas for all video: newest pictures at their rectangles, insets, caption plates, meters, and the grey of what is
 * not live. A picture that arrives repaints its own tile only. */
import { type MeterColours, meterColours, paintMeter } from './meter';
import type { Media, Picture, Rect } from './types';

export interface Slot {
  handle: number | null;
  at: Rect;
  /** What it shows is not live. */
  dim: boolean;
}

/** One tile or the focus view. */
export interface Cell {
  id: string;
  main: Slot;
  inset: Slot | null;
  caption: Rect | null;
  meter: Rect | null;
}

interface Colours {
  wall: string;
  plate: string;
  meter: MeterColours;
}
function readColours(): Colours {
  const style = getComputedStyle(document.documentElement);
  return { wall: style.getPropertyValue('--wall'), plate: style.getPropertyValue('--raised'), meter: meterColours() };
}

const DIM = '#06080bb8';
const RING = '#0b0e12';

export class Painter {
  #context: CanvasRenderingContext2D | null;
  #cells: Cell[] = [];
  #levels = new Map<string, number>();
  #dirty = new Set<Cell>();
  #all = true;
  #metered = new Set<Cell>();
  #frame = 0;
  #colours: Colours | null = null;
  #scale = 1;
  #size = { w: 0, h: 0 };
  #shown = new Map<number, number>();
  #stop: () => void;
  #observer: MutationObserver;

  constructor(
    readonly canvas: HTMLCanvasElement,
    readonly media: Media,
  ) {
    this.#context = canvas.getContext('2d', { alpha: false, willReadFrequently: media.software });
    this.#stop = media.subscribe((handle) => this.#arrived(handle));
    this.#observer = new MutationObserver(() => this.repaint());
    this.#observer.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
  }

  resize(width: number, height: number): void {
    const scale = devicePixelRatio || 1;
    if (this.#size.w === width && this.#size.h === height && this.#scale === scale) return;
    this.#size = { w: width, h: height };
    this.#scale = scale;
    this.canvas.width = Math.max(1, Math.round(width * scale));
    this.canvas.height = Math.max(1, Math.round(height * scale));
    this.repaint();
  }

  setCells(cells: Cell[]): void {
    this.#cells = cells;
    this.repaint();
  }

  /** Levels by cell id, 0 to 100; whoever is missing is silent. */
  setLevels(levels: ReadonlyMap<string, number>): void {
    for (const cell of this.#cells) {
      const next = levels.get(cell.id) ?? 0;
      if (!cell.meter || (this.#levels.get(cell.id) ?? 0) === next) continue;
      this.#metered.add(cell);
    }
    this.#levels = new Map(levels);
    if (this.#metered.size > 0) this.#schedule();
  }

  repaint(): void {
    this.#all = true;
    this.#schedule();
  }

  close(): void {
    this.#stop();
    this.#observer.disconnect();
    cancelAnimationFrame(this.#frame);
  }

  #arrived(handle: number): void {
    for (const cell of this.#cells) {
      if (cell.main.handle === handle || cell.inset?.handle === handle) this.#dirty.add(cell);
    }
    if (this.#dirty.size > 0) this.#schedule();
  }

  #schedule(): void {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#paint());
  }

  #paint(): void {
    this.#frame = 0;
    const context = this.#context;
    if (!context) return;
    context.setTransform(this.#scale, 0, 0, this.#scale, 0, 0);
    const colours = this.#all || !this.#colours ? (this.#colours = readColours()) : this.#colours;
    if (this.#all) {
      context.fillStyle = colours.wall;
      context.fillRect(0, 0, this.#size.w, this.#size.h);
    }
    const cells = this.#all ? this.#cells : this.#dirty;
    for (const cell of cells) {
      this.#picture(context, cell.main, colours.plate);
      if (cell.inset && (cell.inset.handle === null || this.media.picture(cell.inset.handle))) this.#inset(context, cell.inset);
      if (!this.#all) continue;
      if (cell.caption) {
        context.fillStyle = colours.plate;
        context.fillRect(cell.caption.x, cell.caption.y, cell.caption.w, cell.caption.h);
      }
      this.#meter(context, cell, colours.plate, colours.meter);
    }
    if (!this.#all) for (const cell of this.#metered) this.#meter(context, cell, colours.plate, colours.meter);
    this.#all = false;
    this.#dirty.clear();
    this.#metered.clear();
    this.#report();
  }

  #picture(context: CanvasRenderingContext2D, slot: Slot, plate: string): void {
    const picture = slot.handle === null ? undefined : this.media.picture(slot.handle);
    context.fillStyle = picture ? '#000' : plate;
    context.fillRect(slot.at.x, slot.at.y, slot.at.w, slot.at.h);
    if (!picture) return;
    contain(context, picture, slot.at);
    if (slot.dim) grey(context, slot.at);
  }

  #inset(context: CanvasRenderingContext2D, slot: Slot): void {
    if (slot.handle === null) return;
    const { x, y, w, h } = slot.at;
    context.fillStyle = RING;
    context.fillRect(x - 2, y - 2, w + 4, h + 4);
    this.#picture(context, slot, RING);
  }

  #meter(context: CanvasRenderingContext2D, cell: Cell, plate: string, colours: MeterColours): void {
    if (!cell.meter) return;
    const { x, y, w, h } = cell.meter;
    context.fillStyle = plate;
    context.fillRect(x, y, w, h);
    paintMeter(context, cell.meter, this.#levels.get(cell.id) ?? 0, 5, colours);
  }

  /** Tells the media of every picture that is on the screen for the first time. */
  #report(): void {
    for (const cell of this.#cells) {
      for (const slot of [cell.main, cell.inset]) {
        if (!slot || slot.handle === null) continue;
        const picture = this.media.picture(slot.handle);
        if (!picture || this.#shown.get(slot.handle) === picture.serial) continue;
        this.#shown.set(slot.handle, picture.serial);
        this.media.drawn(slot.handle, picture);
      }
    }
  }
}

/** The whole picture, never cropped: what stands at its edge is evidence too. */
export function contain(context: CanvasRenderingContext2D, picture: Picture, at: Rect): void {
  const scale = Math.min(at.w / picture.width, at.h / picture.height);
  const w = picture.width * scale;
  const h = picture.height * scale;
  context.drawImage(picture.image, at.x + (at.w - w) / 2, at.y + (at.h - h) / 2, w, h);
}

function grey(context: CanvasRenderingContext2D, at: Rect): void {
  context.save();
  context.beginPath();
  context.rect(at.x, at.y, at.w, at.h);
  context.clip();
  context.globalCompositeOperation = 'saturation';
  context.fillStyle = '#808080';
  context.fillRect(at.x, at.y, at.w, at.h);
  context.globalCompositeOperation = 'source-over';
  context.fillStyle = DIM;
  context.fillRect(at.x, at.y, at.w, at.h);
  context.restore();
}
