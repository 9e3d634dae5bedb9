/** What the window shows now, told to Rust whenever it changes: everything else stops flowing. */
import type { PictureRole } from '../bindings/PictureRole';
import type { PublicationRef } from '../bindings/PublicationRef';
import type { WantedPicture } from '../bindings/WantedPicture';
import { Handles } from './handles';
import type { Media } from './types';

/** A resize or a turn of the page changes many pictures at once: one message for all of them. */
const SETTLE_MS = 50;

export interface Wish {
  source: PublicationRef;
  /** CSS pixels. */
  width: number;
  role: PictureRole;
}

export class Wishes {
  #handles = new Handles();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #told = '';
  #round = 0;

  constructor(
    readonly media: Media,
    readonly tell: (pictures: WantedPicture[]) => Promise<void>,
  ) {}

  /** Gives every wish its handle at once; Rust hears of it after the dust has settled. */
  set(wishes: readonly Wish[]): void {
    this.#handles.update(
      wishes.map((wish) => wish.source),
      (handle, source) => this.media.assign(handle, source),
    );
    const scale = devicePixelRatio || 1;
    const pictures = wishes.flatMap((wish) => {
      const tile = this.#handles.of(wish.source);
      return tile === null ? [] : [{ tile, source: wish.source, width: Math.min(65535, Math.max(1, Math.round(wish.width * scale))), role: wish.role }];
    });
    const text = JSON.stringify(pictures);
    if (text === this.#told) return;
    this.#told = text;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#send(pictures), SETTLE_MS);
  }

  handle(source: PublicationRef): number | null {
    return this.#handles.of(source);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  async #send(pictures: WantedPicture[]): Promise<void> {
    const round = ++this.#round;
    try {
      await this.tell(pictures);
    } catch {
      this.#told = ''; // the next change tells all of it again
    }
    if (round === this.#round) this.media.settled();
  }
}
