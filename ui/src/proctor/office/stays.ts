/** Who was there: stays by person, and what the small picture of a connection says. */
import type { Participation } from '../../common/bindings/Participation';
import type { PathAverages } from '../../common/bindings/PathAverages';
import { t, type StringKey } from '../../common/strings';

/** In a trend: nothing was measured. */
export const UNMEASURED = 255;

export type Grade = 'ok' | 'warn' | 'high' | 'none';
export const grade = (score: number | null): Grade => (score === null || score === UNMEASURED ? 'none' : score >= 75 ? 'ok' : score >= 50 ? 'warn' : 'high');

/** The mean of what was measured. */
export function mean(trend: readonly number[]): number | null {
  const measured = trend.filter((step) => step !== UNMEASURED);
  return measured.length === 0 ? null : Math.round(measured.reduce((sum, step) => sum + step, 0) / measured.length);
}

/** Everybody once, in the order in which they first came, with all their stays. */
export function byPerson(stays: readonly Participation[]): Participation[][] {
  const people = new Map<string, Participation[]>();
  for (const stay of stays) {
    const who = stay.entry ?? stay.account ?? stay.participant;
    const known = people.get(who);
    if (known) known.push(stay);
    else people.set(who, [stay]);
  }
  return [...people.values()];
}

/** Stretches of a trend in which something was measured, as lines of an SVG of that size: x, y of each point. A step is as wide as the others. */
export function lines(trend: readonly number[], width: number, height: number): { points: [number, number][]; grade: Grade }[] {
  const step = width / Math.max(1, trend.length);
  const found: { points: [number, number][]; grade: Grade }[] = [];
  let begun: number[] = [];
  const end = (at: number) => {
    if (begun.length > 0) {
      const first = at - begun.length;
      const y = (score: number) => height - (Math.min(100, score) / 100) * height;
      const points = begun.flatMap((score, i): [number, number][] => [[(first + i) * step, y(score)], [(first + i + 1) * step, y(score)]]);
      found.push({ points, grade: grade(mean(begun)) });
    }
    begun = [];
  };
  trend.forEach((score, i) => (score === UNMEASURED ? end(i) : begun.push(score)));
  end(trend.length);
  return found;
}

/** 225 kbit/s, 1.4 Mbit/s. */
export function rate(bps: number): string {
  return bps < 999_500 ? t('stays.kbps', { n: Math.round(bps / 1000) }) : t('stays.mbps', { n: (bps / 1e6).toFixed(1) });
}

/** What was measured, in words, the telling ones first; of what was carried, the way that matters: from a candidate, to whoever watches. */
export function measured(path: PathAverages, candidate: boolean): string[] {
  const words: string[] = [];
  if (path.rtt_us !== null) words.push(t('stays.rtt', { n: Math.max(1, Math.round(path.rtt_us / 1000)) }));
  if (path.lost_ppm !== null) words.push(t('stays.lost', { n: path.lost_ppm === 0 ? '0' : path.lost_ppm < 1000 ? '<0.1' : (path.lost_ppm / 10_000).toFixed(1) }));
  if (candidate && path.up_bps !== null && path.up_bps >= 500) words.push(t('stays.up', { rate: rate(path.up_bps) }));
  if (!candidate && path.down_bps !== null && path.down_bps >= 500) words.push(t('stays.down', { rate: rate(path.down_bps) }));
  return words;
}

export const gradeText = (one: Grade): string => t(`stays.grade.${one}` as StringKey);
