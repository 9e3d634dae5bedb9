/** What the drawing code knows of pictures, wherever they come from. */
import type { PublicationRef } from '../bindings/PublicationRef';

export interface Picture {
  /** VideoFrame or canvas; pixels where Rust decoded it, about as large as the tile. */
  image: CanvasImageSource | ImageData;
  /** As it was captured. */
  width: number;
  height: number;
  /** Server time, microseconds. */
  capturedAt: number;
  /** Grows with every picture of one handle. */
  serial: number;
}

export type HandleStatus = 'waiting' | 'live' | 'failed';

export interface Media {
  /** The machine draws without a GPU. */
  readonly software: boolean;
  readonly measure: boolean;
  picture(handle: number): Picture | undefined;
  status(handle: number): HandleStatus;
  /** From now on the handle stands for this source: whatever it showed before is forgotten. */
  assign(handle: number, source: PublicationRef | null): void;
  /** Rust has taken over the wish list: pictures of newly assigned handles are now theirs. */
  settled(): void;
  /** A new picture, or a change of status. */
  subscribe(listener: (handle: number) => void): () => void;
  /** How large the handle's pictures are shown, device pixels. */
  sized(handle: number, width: number, height: number): void;
  /** A picture reached the screen. */
  drawn(handle: number, picture: Picture, context: CanvasRenderingContext2D, at: Rect): void;
  close(): void;
}

export interface Rect {
  x: number;
  y: number;
  w: number;
  h: number;
}
