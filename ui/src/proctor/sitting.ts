/** What a candidate's sitting says beside the exam, and what can be done to it. Pure; the server decides again. */
import type { CandidateTile } from '../common/bindings/CandidateTile';
import type { SittingAct } from '../common/bindings/SittingAct';
import type { TimelineEntry } from '../common/bindings/TimelineEntry';
import type { IconName } from '../common/icons';
import { isKey, t } from '../common/strings';

export type SittingState = 'moving' | 'waiting' | 'asked_again' | 'rejected' | 'removed' | 'paused' | 'locked' | 'ended' | 'plain';

export function sittingState({ sitting, presence }: CandidateTile): SittingState {
  if (sitting.ended || presence === 'finished') return sitting.ended ? 'ended' : 'plain';
  if (sitting.admission === 'waiting' || sitting.admission === 'asked_again' || sitting.admission === 'rejected' || sitting.admission === 'removed') return sitting.admission;
  return sitting.pause ? 'paused' : sitting.locked ? 'locked' : (sitting.moving_since ?? null) !== null ? 'moving' : 'plain';
}

export const sittingIcon: Record<Exclude<SittingState, 'plain'>, IconName> = { moving: 'swap', waiting: 'waiting', asked_again: 'eye', rejected: 'cross', removed: 'signOut', paused: 'pause', locked: 'lock', ended: 'finished' };
export const sittingTone: Record<Exclude<SittingState, 'plain'>, 'wait' | 'warn' | ''> = { moving: 'wait', waiting: 'wait', asked_again: 'wait', rejected: '', removed: 'warn', paused: 'wait', locked: 'warn', ended: '' };

/** "Came late, waits to be let in. Hand up": everything that sets it apart, for those who can't see the signs. */
export function sittingWords(candidate: CandidateTile): string {
  const state = sittingState(candidate);
  const words = state === 'plain' ? [] : [t(state === 'waiting' && candidate.sitting.late ? 'sitting.waiting_late' : `sitting.${state}`)];
  if (wantsMove(candidate) && state !== 'moving') words.push(t('sitting.moving'));
  if (candidate.sitting.muted === true && candidate.presence !== 'finished') words.push(t('sitting.muted'));
  if (candidate.sitting.hand_since !== null) words.push(t('sitting.hand'));
  return words.join('. ');
}

/** Another device of theirs waits to take over. */
export const wantsMove = ({ sitting, presence }: CandidateTile): boolean => (sitting.moving_since ?? null) !== null && !sitting.ended && presence !== 'finished';
/** Waits for a proctor, on this device or on another: a rejected one has been answered. */
export const isWaiting = (candidate: CandidateTile): boolean => sittingState(candidate) === 'waiting' || wantsMove(candidate);
export const hasHandUp = (candidate: CandidateTile): boolean => candidate.sitting.hand_since !== null && candidate.presence !== 'finished';

export type Act = SittingAct['act'];

/** What can be done now, the likeliest first. `leads`: whoever leads may put people out. */
export function acts(candidate: CandidateTile, leads: boolean): Act[] {
  const device: Act[] = wantsMove(candidate) ? ['move', 'refuse_move'] : [];
  return [...device, ...standing(candidate, leads)];
}

function standing(candidate: CandidateTile, leads: boolean): Act[] {
  const hand: Act[] = hasHandUp(candidate) ? ['lower_hand'] : [];
  const sound: Act[] = [candidate.sitting.muted === true ? 'unmute' : 'mute'];
  const out: Act[] = leads ? ['remove', 'end'] : ['end'];
  switch (sittingState(candidate)) {
    case 'waiting':
    case 'asked_again':
      return ['admit', 'ask_again', 'reject', ...hand, ...sound, ...(leads ? (['remove'] as const) : [])];
    case 'rejected':
      return ['admit'];
    case 'removed':
      return ['admit', 'end'];
    case 'paused':
      return ['continue', ...hand, 'extra_time', ...sound, ...out];
    case 'locked':
      return ['continue', 'pause', ...hand, 'extra_time', ...sound, ...out];
    case 'ended':
      return [];
    default:
      return candidate.presence === 'finished' ? [] : [...hand, 'pause', 'lock', 'extra_time', ...sound, ...out];
  }
}

/** Done with a click; the others ask for a reason first. */
export const AT_ONCE = ['admit', 'continue', 'lower_hand', 'move', 'refuse_move', 'mute', 'unmute'] as const;
export const atOnce = (act: Act): act is (typeof AT_ONCE)[number] => (AT_ONCE as readonly Act[]).includes(act);
/** Takes something away that a click does not give back. */
export const isGrave = (act: Act): boolean => act === 'end' || act === 'reject' || act === 'remove';

export const actIcon: Record<Act, IconName> = { move: 'swap', refuse_move: 'cross', admit: 'joined', ask_again: 'eye', reject: 'cross', pause: 'pause', continue: 'resume', lock: 'lock', extra_time: 'clock', lower_hand: 'hand', mute: 'microphoneOff', unmute: 'microphone', remove: 'signOut', end: 'finished' };

export function sittingTitle(body: Extract<TimelineEntry['body'], { what: 'sitting' }>): string {
  const bare = body.step === 'lower_hand' && body.by !== '' ? 'event.sitting.lower_hand_by' : `event.sitting.${body.step}`;
  const plain = `${bare}_plain`;
  const key = body.reason === '' && isKey(plain) ? plain : bare;
  return isKey(key) ? t(key, { by: body.by, reason: body.reason, minutes: body.minutes }) : t('event.sitting.unknown');
}

export function sittingEventIcon(step: Extract<TimelineEntry['body'], { what: 'sitting' }>['step']): IconName {
  if (step === 'ready') return 'check';
  if (step === 'raise_hand') return 'hand';
  if (step === 'ask_move') return 'swap';
  return step === 'unknown' ? 'info' : actIcon[step];
}
