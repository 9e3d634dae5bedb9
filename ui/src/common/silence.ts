import type { MediaView } from './bindings/MediaView';

/** A moment without pictures is not worth a word. */
const WORTH_TELLING_US = 4e6;

/**
 * Pictures and sound that do not get through, where that is worth telling.
 * `wall`: this computer's clock, microseconds since the Unix epoch.
 */
export function silence(media: MediaView, wall: number): { since: number; blocked: boolean } | null {
  if (media.state === 'blocked') return { since: media.since, blocked: true };
  if (media.state === 'lost' && wall - media.since >= WORTH_TELLING_US) return { since: media.since, blocked: false };
  return null;
}
