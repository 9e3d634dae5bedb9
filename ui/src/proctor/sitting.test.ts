import { describe, expect, it } from 'vitest';
import type { CandidateTile } from '../common/bindings/CandidateTile';
import type { Sitting } from '../common/bindings/Sitting';
import { acts, hasHandUp, isWaiting, sittingState, sittingTitle, sittingWords } from './sitting';

const plain: Sitting = { admission: 'admitted', late: false, reason: '', pause: null, locked: false, hand_since: null, extra_min: 0, given_back_us: 0, ended: false, muted: false, moving_since: null };
const candidate = (sitting: Partial<Sitting>, presence: CandidateTile['presence'] = 'online'): CandidateTile => ({
  participant: 'p',
  label: 'Candidate 014',
  seat: null,
  presence,
  presence_since: 0,
  connection: 'good',
  looked_at: 0,
  publications: [],
  open_signal: null,
  unread: 0,
  proctor: null,
  sitting: { ...plain, ...sitting },
});

describe('a sitting', () => {
  it.each([
    [{}, 'plain', 'pause lock extra_time mute end'],
    [{ muted: true }, 'plain', 'pause lock extra_time unmute end'],
    [{ hand_since: 1 }, 'plain', 'lower_hand pause lock extra_time mute end'],
    [{ admission: 'waiting' }, 'waiting', 'admit ask_again reject mute'],
    [{ admission: 'asked_again' }, 'asked_again', 'admit ask_again reject mute'],
    [{ admission: 'removed' }, 'removed', 'admit end'],
    [{ admission: 'rejected' }, 'rejected', 'admit'],
    [{ pause: { since: 0, left_us: 1 } }, 'paused', 'continue extra_time mute end'],
    [{ locked: true }, 'locked', 'continue pause extra_time mute end'],
    [{ ended: true }, 'ended', ''],
  ] as [Partial<Sitting>, string, string][])('%o offers what the server allows', (sitting, state, offered) => {
    expect(sittingState(candidate(sitting))).toBe(state);
    expect(acts(candidate(sitting), false).join(' ')).toBe(offered);
  });
  it('lets leads put people out, from wherever there is something to put them out of', () => {
    const states = [{}, { admission: 'waiting' }, { locked: true }, { admission: 'removed' }, { admission: 'rejected' }, { ended: true }] as Partial<Sitting>[];
    expect(states.map((sitting) => acts(candidate(sitting), true).includes('remove'))).toEqual([true, true, true, false, false, false]);
  });
  it('offers nothing to those who have handed in', () => {
    expect(acts(candidate({ hand_since: 1 }, 'finished'), true)).toEqual([]);
    expect(hasHandUp(candidate({ hand_since: 1 }, 'finished'))).toBe(false);
  });
  it('counts only those who wait for an answer as waiting', () => {
    expect([{ admission: 'waiting' }, { admission: 'asked_again' }, { admission: 'rejected' }].map((s) => isWaiting(candidate(s as Partial<Sitting>)))).toEqual([true, false, false]);
  });
  it('says everything that sets it apart', () => {
    expect(sittingWords(candidate({}))).toBe('');
    expect(sittingWords(candidate({ admission: 'waiting', late: true, hand_since: 5 }))).toBe('Came late, waits to be let in. Hand up');
    expect(sittingWords(candidate({ locked: true, muted: true }))).toBe('Locked. Muted');
  });
  it('tells what was done, with the reason where there is one', () => {
    const told = (step: Parameters<typeof sittingTitle>[0]['step'], by: string, reason = '', minutes = 0) => sittingTitle({ what: 'sitting', step, by, reason, minutes });
    expect(told('pause', 'Pat')).toBe('Pat paused');
    expect(told('pause', 'Pat', 'a nosebleed')).toBe('Pat paused: a nosebleed');
    expect(told('extra_time', 'Pat', '', 10)).toBe('Pat gave 10 min');
    expect(told('lower_hand', '')).toBe('Took the hand down');
    expect(told('lower_hand', 'Pat')).toBe('Pat saw to the hand');
  });

  it('puts a device that waits before everything else that can be done', () => {
    const moving = candidate({ moving_since: 1 });
    expect([sittingState(moving), isWaiting(moving), acts(moving, false).slice(0, 2)]).toEqual(['moving', true, ['move', 'refuse_move']]);
    const paused = candidate({ moving_since: 1, pause: { since: 1, left_us: 1 } });
    expect([sittingState(paused), acts(paused, false)[0], sittingWords(paused)]).toEqual(['paused', 'move', 'Paused. Another computer waits to take over']);
    expect(isWaiting(candidate({ moving_since: 1 }, 'finished'))).toBe(false);
  });
});
