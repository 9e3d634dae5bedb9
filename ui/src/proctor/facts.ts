/** What a tile and a timeline row say, from the view alone. Pure; the words come from the catalogue. */
import type { CandidateTile } from '../common/bindings/CandidateTile';
import type { Kind } from '../common/bindings/Kind';
import type { PublicationView } from '../common/bindings/PublicationView';
import type { Severity } from '../common/bindings/Severity';
import type { TimelineEntry } from '../common/bindings/TimelineEntry';
import { clock, duration, timeOfDay } from '../common/format';
import type { IconName } from '../common/icons';
import type { HandleStatus } from '../common/media/types';
import { t } from '../common/strings';
import { hasHandUp, isWaiting, sittingEventIcon, sittingTitle, sittingWords } from './sitting';

const S = 1_000_000;
/** A publisher reports once a second; five missed reports are no delay any more. */
export const FROZEN_US = 5 * S;
/** A still picture is worth a word after this long. */
export const UNCHANGED_US = 20 * S;
/** The attention clock: due, overdue. */
export const DUE_US = 8 * 60 * S;
export const OVERDUE_US = 10 * 60 * S;

export type Tone = '' | 'ok' | 'warn' | 'high' | 'info' | 'wait';
export type Large = 'camera' | 'screen';

export const publication = (candidate: CandidateTile, kind: Kind): PublicationView | undefined =>
  candidate.publications.find((p) => p.publication === `${kind}/0`) ?? candidate.publications.find((p) => p.publication.startsWith(`${kind}/`));

export interface Freshness {
  state: 'live' | 'unchanged' | 'frozen' | 'starting' | 'failed' | 'stopped' | 'absent';
  /** Microseconds that it has been so; 0 when it does not matter. */
  for: number;
}

/** "Live, unchanged 40 s" and "frozen" are different facts: one has fresh grabs, the other has none. */
export function freshness(source: PublicationView | undefined, now: number): Freshness {
  if (!source || source.state === 'absent') return { state: 'absent', for: 0 };
  if (source.state === 'failed') return { state: 'failed', for: source.captured_at > 0 ? now - source.captured_at : 0 };
  if (source.state === 'stopped') return { state: 'stopped', for: 0 };
  if (source.state !== 'live' || source.captured_at === 0) return { state: 'starting', for: 0 };
  if (now - source.captured_at > FROZEN_US) return { state: 'frozen', for: now - source.captured_at };
  if (source.changed_at > 0 && now - source.changed_at > UNCHANGED_US) return { state: 'unchanged', for: now - source.changed_at };
  return { state: 'live', for: 0 };
}

export function freshnessWords(kind: Kind, fresh: Freshness): string {
  switch (fresh.state) {
    case 'live':
      return t('tile.live');
    case 'unchanged':
      return t('tile.unchanged', { time: duration(fresh.for) });
    case 'frozen':
      return t('tile.frozen', { time: duration(fresh.for) });
    case 'starting':
      return t('link.connecting');
    default:
      return t(`tile.${kind}_${fresh.state}`);
  }
}

export interface Middle {
  icon: IconName;
  head: string;
  text: string;
}

/** Words in the middle of a tile that has no live picture to show; null when the picture speaks. */
export function middle(candidate: CandidateTile, large: Large, status: HandleStatus, now: number): Middle | null {
  if (candidate.sitting.ended) return { icon: 'finished', head: t('tile.ended'), text: t('tile.ended_text', { time: timeOfDay(candidate.presence_since) }) };
  if (candidate.sitting.admission === 'rejected') return { icon: 'cross', head: t('tile.rejected'), text: t('tile.rejected_text') };
  if (candidate.presence === 'finished') return { icon: 'finished', head: t('tile.finished'), text: t('tile.finished_text', { time: timeOfDay(candidate.presence_since) }) };
  if (candidate.presence === 'lost') return { icon: 'lost', head: t('tile.lost', { time: clock(now - candidate.presence_since) }), text: t('tile.lost_text') };
  const source = publication(candidate, large);
  if (!source && candidate.publications.length === 0) return { icon: 'loading', head: t('tile.joining'), text: t('tile.on_its_way') };
  const fresh = freshness(source, now);
  if (fresh.state === 'absent' || fresh.state === 'failed' || fresh.state === 'stopped') {
    const since = source && source.captured_at > 0 ? t('tile.since_time', { time: timeOfDay(source.captured_at) }) : '';
    return { icon: large === 'camera' ? 'cameraOff' : 'screenOff', head: t(`tile.${large}_${fresh.state}`), text: since };
  }
  if (status === 'failed') return { icon: 'noPicture', head: t('tile.cannot_show'), text: t('tile.cannot_show_text') };
  if (status === 'waiting' || fresh.state === 'starting') return { icon: 'loading', head: t('link.connecting'), text: t('tile.on_its_way') };
  return null;
}

/** A built-in picture stands in for the camera. */
export const isTest = (candidate: CandidateTile): boolean => candidate.presence !== 'finished' && publication(candidate, 'camera')?.test_picture === true;

/** Old pictures look old. */
export const isOld = (candidate: CandidateTile, fresh: Freshness): boolean =>
  candidate.presence === 'lost' || candidate.presence === 'finished' || fresh.state === 'frozen' || fresh.state === 'failed' || fresh.state === 'absent' || fresh.state === 'stopped';

export interface TileChip {
  tone: Tone;
  icon: IconName;
  text: string;
}

/** The one chip at the lower left: the most telling fact about the pictures. */
export function pictureChip(candidate: CandidateTile, large: Large, now: number): TileChip | null {
  if (candidate.presence === 'lost' || candidate.presence === 'finished' || candidate.publications.length === 0) return null;
  const signal = candidate.open_signal;
  if (signal) return { tone: severityTone(severityOf(signal)), icon: eventIcon(signal), text: eventChip(signal) };
  const main = freshness(publication(candidate, large), now);
  if (main.state === 'frozen') return { tone: 'warn', icon: 'frozen', text: t('tile.frozen', { time: duration(main.for) }) };
  const other = large === 'camera' ? 'screen' : 'camera';
  const second = freshness(publication(candidate, other), now).state;
  if (second === 'absent' || second === 'failed' || second === 'stopped') return { tone: 'warn', icon: `${other}Off`, text: t(`tile.no_${other}`) };
  const microphone = freshness(publication(candidate, 'microphone'), now).state;
  if (microphone === 'absent' || microphone === 'failed' || microphone === 'stopped') return { tone: 'warn', icon: 'microphoneOff', text: t('tile.no_microphone') };
  if (large === 'camera' && isTest(candidate)) return { tone: 'warn', icon: 'test', text: t('tile.test') };
  if (main.state === 'unchanged') return { tone: '', icon: 'live', text: t('tile.unchanged_chip', { time: duration(main.for) }) };
  return null;
}

export const unwatchedFor = (candidate: CandidateTile, now: number): number => now - (candidate.looked_at || candidate.presence_since);

export const attention = (us: number): '' | 'due' | 'over' => (us >= OVERDUE_US ? 'over' : us >= DUE_US ? 'due' : '');

export function severityOf(entry: TimelineEntry): Severity | null {
  const { body } = entry;
  return body.what === 'integrity' || body.what === 'chain_broken' ? body.severity : null;
}

export const severityTone = (severity: Severity | null): Tone => (({ high: 'high', medium: 'warn', low: 'info', info: '', unknown: '' }) as const)[severity ?? 'info'];
export const severityIcon = (severity: Severity): IconName => (({ high: 'high', medium: 'medium', low: 'low', info: 'info', unknown: 'info' }) as const)[severity];

export function eventIcon(entry: TimelineEntry): IconName {
  const { body } = entry;
  switch (body.what) {
    case 'integrity':
      if (body.kind.startsWith('camera')) return body.kind === 'camera_lost' ? 'cameraOff' : 'camera';
      if (body.kind.startsWith('screen')) return body.kind === 'screen_lost' ? 'screenOff' : 'screen';
      if (body.kind.startsWith('microphone')) return body.kind === 'microphone_lost' ? 'microphoneOff' : 'microphone';
      if (body.kind === 'network_lost') return 'lost';
      if (body.kind === 'clock_jumped') return 'clock';
      return body.severity === 'info' ? 'check' : severityIcon(body.severity);
    case 'chain_broken':
      return 'broken';
    case 'presence':
      return ({ online: 'ok', degraded: 'slow', lost: 'lost', finished: 'finished', unknown: 'info' } as const)[body.presence];
    case 'message':
      return body.kind === 'warning' ? 'warning' : 'message';
    case 'joined':
      return 'joined';
    case 'sitting':
      return sittingEventIcon(body.step);
    case 'assigned':
      return 'people';
    case 'broadcast':
      return 'broadcast';
    default:
      return 'info';
  }
}

export function eventTitle(entry: TimelineEntry): string {
  const { body } = entry;
  switch (body.what) {
    case 'integrity':
      return t(`event.${body.kind}`);
    case 'chain_broken':
      return t('event.chain_broken');
    case 'presence':
      return t(`event.presence.${body.presence}`);
    case 'message':
      if (body.kind === 'warning') return t('event.warning', { text: body.text });
      return t(body.from_candidate ? 'event.message_from' : 'event.message_to', { text: body.text });
    case 'joined':
      return t(body.resumed ? 'event.resumed' : 'event.joined');
    case 'sitting':
      return sittingTitle(body);
    case 'broadcast':
      return t(body.audience === 'mine' ? 'event.broadcast_mine' : 'event.broadcast', { by: body.by, text: body.text });
    case 'assigned':
      return t('event.assigned', { by: body.by, to: body.to });
    default:
      return t('event.other');
  }
}

export function eventChip(entry: TimelineEntry): string {
  if (entry.body.what === 'integrity') return t(`event.chip.${entry.body.kind}`);
  return entry.body.what === 'chain_broken' ? t('event.chip.chain_broken') : eventTitle(entry);
}

export function eventTone(entry: TimelineEntry): Tone {
  const severity = severityOf(entry);
  if (severity) return severityTone(severity);
  if (entry.body.what === 'presence') return ({ online: 'ok', degraded: 'warn', lost: 'high', finished: '', unknown: '' } as const)[entry.body.presence];
  if (entry.body.what === 'message') return entry.body.kind === 'warning' ? 'warn' : 'info';
  if (entry.body.what === 'broadcast') return 'info';
  if (entry.body.what === 'sitting') return entry.body.step === 'raise_hand' || entry.body.step === 'ready' ? 'info' : entry.body.step === 'end' || entry.body.step === 'reject' || entry.body.step === 'remove' ? 'warn' : '';
  return '';
}

export type Filter = 'all' | 'mine' | 'unassigned' | 'open' | 'unwatched' | 'unread' | 'waiting' | 'hand' | 'online' | 'degraded' | 'lost' | 'finished';

/** Nobody was given this candidate, and there is still something to watch. */
export const isUnassigned = (candidate: CandidateTile): boolean => candidate.proctor === null && candidate.presence !== 'finished' && !candidate.sitting.ended && candidate.sitting.admission !== 'rejected';

/** `you`: whose own candidates `mine` are; those that nobody watches are shown beside them. */
export function passes(candidate: CandidateTile, filter: Filter, now: number, you: string | null = null): boolean {
  switch (filter) {
    case 'all':
      return true;
    case 'mine':
      return (you !== null && candidate.proctor === you) || isUnassigned(candidate);
    case 'unassigned':
      return isUnassigned(candidate);
    case 'open':
      return candidate.open_signal !== null;
    case 'unwatched':
      return candidate.presence !== 'finished' && unwatchedFor(candidate, now) >= DUE_US;
    case 'unread':
      return candidate.unread > 0;
    case 'waiting':
      return isWaiting(candidate);
    case 'hand':
      return hasHandUp(candidate);
    default:
      return candidate.presence === filter;
  }
}

/** Seat order: labels as people count them. It never changes under the pointer. */
export const byLabel = (a: CandidateTile, b: CandidateTile): number => a.label.localeCompare(b.label, undefined, { numeric: true }) || a.participant.localeCompare(b.participant);

/** Who has waited longest for a look; `except` is open already. */
export function nextUnwatched(candidates: readonly CandidateTile[], except: string | null): CandidateTile | null {
  const waiting = candidates.filter((candidate) => candidate.participant !== except && candidate.presence !== 'finished');
  const since = (candidate: CandidateTile) => candidate.looked_at || candidate.presence_since;
  return waiting.reduce<CandidateTile | null>((oldest, candidate) => (oldest === null || since(candidate) < since(oldest) ? candidate : oldest), null);
}

/** How an option of the wall is called. */
export function tileName(candidate: CandidateTile, large: Large, now: number): string {
  const name = pictureName(candidate, large, now);
  const sitting = sittingWords(candidate);
  return sitting === '' ? name : t('tile.sitting', { name, sitting });
}

function pictureName(candidate: CandidateTile, large: Large, now: number): string {
  const state =
    candidate.presence === 'online' || candidate.presence === 'degraded'
      ? t(`tile.kind.${large}`, { state: freshnessWords(large, freshness(publication(candidate, large), now)).toLowerCase() })
      : t(`presence.${candidate.presence}`);
  const signal = candidate.open_signal;
  if (candidate.presence === 'finished') return t(candidate.seat ? 'tile.name_finished_seat' : 'tile.name_finished', { label: candidate.label, seat: candidate.seat ?? '', time: timeOfDay(candidate.presence_since) });
  return t(candidate.seat ? 'tile.name_seat' : 'tile.name', {
    label: candidate.label,
    seat: candidate.seat ?? '',
    state: isTest(candidate) ? `${state}, ${t('tile.test').toLowerCase()}` : state,
    connection: t(`connection.${candidate.presence === 'lost' ? 'lost' : candidate.connection}`),
    looked: candidate.looked_at === 0 ? t('tile.looked_never') : t('tile.looked', { time: clock(now - candidate.looked_at) }),
    signal: signal ? t('tile.signal', { signal: eventChip(signal), severity: t(`severity.${severityOf(signal) ?? 'unknown'}`).toLowerCase() }) : t('tile.no_signal'),
  });
}
