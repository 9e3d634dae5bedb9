/** One canvas for all video: newest pictures at their rectangles, insets, caption plates, meters, and the grey of what is
 * not live. Without a GPU the drawing of pictures is what costs: each is drawn once, where it stands, and nothing else with
 * it. */
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
  /** Handles with a new picture or status. */
  #arrivals = new Set<number>();
  /** Cells, by id, that changed other than by a picture. */
  #stale = new Set<string>();
  #all = true;
  #metered = new Set<string>();
  #frame = 0;
  #colours: Colours | null = null;
  #scale = 1;
  #size = { w: 0, h: 0 };
  #shown = new Map<number, number>();
  #scratch: CanvasRenderingContext2D | null = null;
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
    this.#tellSizes();
    this.repaint();
  }

  setCells(cells: Cell[]): void {
    const before = this.#cells;
    this.#cells = cells;
    this.#tellSizes();
    const places = (list: readonly Cell[]) => list.map((cell) => [cell.main.at, cell.caption]);
    if (!same(places(before), places(cells))) return this.repaint();
    cells.forEach((cell, i) => {
      if (!same(before[i], cell)) this.#stale.add(cell.id);
    });
    if (this.#stale.size > 0) this.#schedule();
  }

  /** Levels by cell id, 0 to 100; whoever is missing is silent. */
  setLevels(levels: ReadonlyMap<string, number>): void {
    for (const cell of this.#cells) {
      const next = levels.get(cell.id) ?? 0;
      if (!cell.meter || (this.#levels.get(cell.id) ?? 0) === next) continue;
      this.#metered.add(cell.id);
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

  #tellSizes(): void {
    for (const cell of this.#cells) {
      for (const slot of [cell.main, cell.inset]) {
        if (slot && slot.handle !== null) this.media.sized(slot.handle, Math.ceil(slot.at.w * this.#scale), Math.ceil(slot.at.h * this.#scale));
      }
    }
  }

  #arrived(handle: number): void {
    if (!this.#cells.some((cell) => cell.main.handle === handle || cell.inset?.handle === handle)) return;
    this.#arrivals.add(handle);
    this.#schedule();
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
    for (const cell of this.#cells) {
      if (this.#all || this.#stale.has(cell.id)) this.#whole(context, cell, colours);
      else {
        this.#news(context, cell, colours.plate);
        if (this.#metered.has(cell.id)) this.#meter(context, cell, colours.plate, colours.meter);
      }
    }
    this.#all = false;
    this.#arrivals.clear();
    this.#stale.clear();
    this.#metered.clear();
    this.#report();
  }

  #whole(context: CanvasRenderingContext2D, cell: Cell, colours: Colours): void {
    this.#picture(context, cell.main, colours.plate);
    if (this.#hasInset(cell)) this.#inset(context, cell.inset);
    if (cell.caption) {
      context.fillStyle = colours.plate;
      context.fillRect(cell.caption.x, cell.caption.y, cell.caption.w, cell.caption.h);
    }
    this.#meter(context, cell, colours.plate, colours.meter);
  }

  /** Only what arrived. The inset's corner is left out under a new large picture, and not drawn again; pixels know no clip,
   * and copying the inset's once more costs little. */
  #news(context: CanvasRenderingContext2D, cell: Cell, plate: string): void {
    const arrived = (slot: Slot | null) => slot !== null && slot.handle !== null && this.#arrivals.has(slot.handle);
    const insetShown = this.#hasInset(cell);
    const insetNew = arrived(cell.inset);
    const mainNew = arrived(cell.main) || (insetNew && !insetShown);
    const over = mainNew && this.#isPixels(cell.main);
    if (mainNew) {
      context.save();
      if (insetShown && !over) without(context, cell.main.at, ring(cell.inset.at));
      this.#picture(context, cell.main, plate);
      context.restore();
    }
    if (insetShown && (insetNew || over)) this.#inset(context, cell.inset);
  }

  #hasInset(cell: Cell): cell is Cell & { inset: Slot } {
    return cell.inset !== null && cell.inset.handle !== null && this.media.picture(cell.inset.handle) !== undefined;
  }

  #isPixels(slot: Slot): boolean {
    return slot.handle !== null && this.media.picture(slot.handle)?.image instanceof ImageData;
  }

  #picture(context: CanvasRenderingContext2D, slot: Slot, plate: string): void {
    const picture = slot.handle === null ? undefined : this.media.picture(slot.handle);
    const { x, y, w, h } = slot.at;
    const to = picture ? contain(picture, slot.at) : null;
    if (!picture || !to || to.w < w - 0.5 || to.h < h - 0.5) {
      context.fillStyle = picture ? '#000' : plate;
      context.fillRect(x, y, w, h);
    }
    if (!picture || !to) return;
    if (picture.image instanceof ImageData) this.#pixels(context, picture.image, to, plate);
    else context.drawImage(picture.image, to.x, to.y, to.w, to.h);
    if (slot.dim) grey(context, slot.at);
  }

  /** Pixels are copied where they have the size of their place, a rounded pixel more or less, and scaled else: they came before
   * Rust knew of the size. */
  #pixels(context: CanvasRenderingContext2D, image: ImageData, to: Rect, plate: string): void {
    const x = Math.round(to.x * this.#scale);
    const y = Math.round(to.y * this.#scale);
    const w = Math.round((to.x + to.w) * this.#scale) - x;
    const h = Math.round((to.y + to.h) * this.#scale) - y;
    if (Math.abs(image.width - w) > 2 || Math.abs(image.height - h) > 2) {
      this.#scratch ??= document.createElement('canvas').getContext('2d', { willReadFrequently: true });
      const scratch = this.#scratch;
      if (!scratch) return;
      scratch.canvas.width = image.width;
      scratch.canvas.height = image.height;
      scratch.putImageData(image, 0, 0);
      context.drawImage(scratch.canvas, to.x, to.y, to.w, to.h);
      return;
    }
    if (image.width < w || image.height < h) {
      context.fillStyle = plate;
      context.fillRect(to.x, to.y, to.w, to.h);
    }
    context.putImageData(image, x, y, 0, 0, w, h);
  }

  #inset(context: CanvasRenderingContext2D, slot: Slot): void {
    const { x, y, w, h } = ring(slot.at);
    context.fillStyle = RING;
    context.fillRect(x, y, w, h);
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
        const at = contain(picture, slot.at);
        const on = { x: at.x * this.#scale, y: at.y * this.#scale, w: at.w * this.#scale, h: at.h * this.#scale };
        if (this.#context) this.media.drawn(slot.handle, picture, this.#context, on);
      }
    }
  }
}

/** Where the whole picture stands, never cropped: what is at its edge is evidence too. A rounding error of the tile's height
 * is no reason for bars. */
export function contain(picture: Picture, at: Rect): Rect {
  const scale = Math.min(at.w / picture.width, at.h / picture.height);
  const w = picture.width * scale;
  const h = picture.height * scale;
  if (at.w - w < 1 && at.h - h < 1) return at;
  return { x: at.x + (at.w - w) / 2, y: at.y + (at.h - h) / 2, w, h };
}

const ring = (at: Rect): Rect => ({ x: at.x - 2, y: at.y - 2, w: at.w + 4, h: at.h + 4 });
const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

/** From now on draws into `outer`, but not into `hole`. */
function without(context: CanvasRenderingContext2D, outer: Rect, hole: Rect): void {
  context.beginPath();
  context.rect(outer.x, outer.y, outer.w, outer.h);
  context.rect(hole.x, hole.y, hole.w, hole.h);
  context.clip('evenodd');
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
