/** Which tile handle stands for which picture. A handle that was freed is used again as late as possible, so that a late
 * frame of the source before can't meet the source after. */
import type { PublicationRef } from '../bindings/PublicationRef';

export const MAX_HANDLES = 64;

const nameOf = (source: PublicationRef) => `${source.participant} ${source.publication}`;

export class Handles {
  #byName = new Map<string, number>();
  #free: number[] = Array.from({ length: MAX_HANDLES }, (_, i) => i);

  /** `assigned` is called for each handle whose source changed. Pictures past the 64th get none. */
  update(sources: readonly PublicationRef[], assigned: (handle: number, source: PublicationRef | null) => void): void {
    const wanted = new Set(sources.map(nameOf));
    for (const [name, handle] of [...this.#byName]) {
      if (wanted.has(name)) continue;
      this.#byName.delete(name);
      this.#free.push(handle);
      assigned(handle, null);
    }
    for (const source of sources) {
      const name = nameOf(source);
      if (this.#byName.has(name)) continue;
      const handle = this.#free.shift();
      if (handle === undefined) return;
      this.#byName.set(name, handle);
      assigned(handle, source);
    }
  }

  of(source: PublicationRef): number | null {
    return this.#byName.get(nameOf(source)) ?? null;
  }
}
