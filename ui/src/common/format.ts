/** Times and durations as the brief writes them: 10:42, 1:17:44, "22 s", "2 min". */
import { t } from './strings';

const two = (n: number) => String(n).padStart(2, '0');

/** Local wall time of a server time in microseconds. */
export function timeOfDay(us: number, seconds = false): string {
  const d = new Date(us / 1000);
  return `${two(d.getHours())}:${two(d.getMinutes())}${seconds ? `:${two(d.getSeconds())}` : ''}`;
}

/** The local day of a server time in microseconds: 15 May. */
export const day = (us: number): string => new Date(us / 1000).toLocaleDateString('en-GB', { weekday: 'long', day: 'numeric', month: 'long' });

/** The same with its year: 15 May 2026. */
export const date = (us: number): string => new Date(us / 1000).toLocaleDateString('en-GB', { day: 'numeric', month: 'long', year: 'numeric' });

/** A running clock: 0:24, 11:42, 1:17:44. Never negative. */
export function clock(us: number): string {
  const s = Math.max(0, Math.floor(us / 1e6));
  const h = Math.floor(s / 3600);
  const m = Math.floor((s % 3600) / 60);
  return h > 0 ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
}

/** The exam's clock always has its hours: 0:14:20. */
export function examClock(us: number): string {
  const s = Math.max(0, Math.floor(us / 1e6));
  return `${Math.floor(s / 3600)}:${two(Math.floor((s % 3600) / 60))}:${two(s % 60)}`;
}

/** A length of time in words: 22 s, 1 min 12 s, 5 min, 2 h 5 min. */
export function duration(us: number): string {
  const s = Math.max(0, Math.round(us / 1e6));
  if (s < 60) return t('unit.s', { n: s });
  if (s < 600 && s % 60 !== 0) return t('unit.min_s', { m: Math.floor(s / 60), s: s % 60 });
  if (s < 3600) return t('unit.min', { n: Math.floor(s / 60) });
  const m = Math.floor((s % 3600) / 60);
  return m === 0 ? t('unit.h', { n: Math.floor(s / 3600) }) : t('unit.h_min', { h: Math.floor(s / 3600), m });
}

/** A certificate's fingerprint in groups of four, for two people to read to each other. */
export const fingerprintGroups = (hex: string): string[] => hex.toLowerCase().match(/.{1,4}/g) ?? [];
