/** Pictures of the fixtures page: painted once, never moving. */
import type { PublicationRef } from '../common/bindings/PublicationRef';
import type { HandleStatus, Media, Picture } from '../common/media/types';
import { camera, screen } from './scenes';

export interface FixturePicture {
  kind: 'camera' | 'screen';
  seed: number;
  capturedAt: number;
  status: HandleStatus;
}

export class FixtureMedia implements Media {
  readonly software = true;
  readonly measure = false;
  #pictures = new Map<number, Picture>();
  #statuses = new Map<number, HandleStatus>();
  #listeners = new Set<(handle: number) => void>();

  constructor(readonly find: (source: PublicationRef) => FixturePicture | null) {}

  /** Previews of the candidate's window have their handles from Rust. */
  put(handle: number, what: FixturePicture): void {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = what.kind === 'screen' ? [960, 540] : [640, 360];
    const context = canvas.getContext('2d');
    if (context) (what.kind === 'screen' ? screen : camera)(context, canvas.width, canvas.height, what.seed);
    const size = what.kind === 'screen' ? { width: 1920, height: 1080 } : { width: 640, height: 360 };
    this.#statuses.set(handle, what.status);
    if (what.status === 'live') this.#pictures.set(handle, { image: canvas, ...size, capturedAt: what.capturedAt, serial: handle + 1 });
    for (const listener of this.#listeners) listener(handle);
  }
  picture = (handle: number) => this.#pictures.get(handle);
  sized(): void {}
  status = (handle: number) => this.#statuses.get(handle) ?? 'waiting';
  assign(handle: number, source: PublicationRef | null): void {
    this.#pictures.delete(handle);
    this.#statuses.delete(handle);
    const what = source ? this.find(source) : null;
    if (what) this.put(handle, what);
  }
  settled(): void {}
  subscribe(listener: (handle: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  drawn(): void {}
  close(): void {}
}
