import { describe, expect, it } from 'vitest';
import type { CandidateTile } from '../common/bindings/CandidateTile';
import type { PublicationView } from '../common/bindings/PublicationView';
import type { Sitting } from '../common/bindings/Sitting';
import { attention, byLabel, DUE_US, freshness, freshnessWords, middle, nextUnwatched, OVERDUE_US, passes, pictureChip, tileName } from './facts';

const S = 1e6;
const now = 1_790_000_000 * S;
const pub = (publication: string, over: Partial<PublicationView> = {}): PublicationView => ({ publication, state: 'live', captured_at: now - S, changed_at: now - S, test_picture: false, layer: 'low', ...over });
const plain: Sitting = { admission: 'admitted', late: false, reason: '', pause: null, locked: false, hand_since: null, extra_min: 0, given_back_us: 0, ended: false, muted: false, moving_since: null };
const candidate = (over: Partial<CandidateTile> = {}): CandidateTile => ({
  participant: 'p',
  label: 'Candidate 014',
  seat: 'C2',
  presence: 'online',
  presence_since: now - 60 * S,
  connection: 'good',
  looked_at: now - 24 * S,
  publications: [pub('camera/0'), pub('screen/0'), pub('microphone/0')],
  open_signal: null,
  unread: 0,
  sitting: plain,
  proctor: null,
  ...over,
});

describe('freshness', () => {
  it('tells "live, unchanged 40 s" from "frozen 12 s"', () => {
    expect(freshnessWords('screen', freshness(pub('screen/0', { changed_at: now - 40 * S }), now))).toBe('Live, unchanged 40 s');
    expect(freshnessWords('screen', freshness(pub('screen/0', { captured_at: now - 12 * S, changed_at: now - 40 * S }), now))).toBe('Frozen 12 s');
    expect(freshnessWords('screen', freshness(pub('screen/0'), now))).toBe('Live');
  });
  it('never calls live what has not been captured or is gone', () => {
    expect(freshness(pub('camera/0', { captured_at: 0 }), now).state).toBe('starting');
    expect(freshness(undefined, now).state).toBe('absent');
    expect(freshness(pub('camera/0', { state: 'failed' }), now).state).toBe('failed');
    expect(freshness(pub('camera/0', { state: 'unknown' }), now).state).toBe('starting');
  });
});

describe('a tile', () => {
  it('has no words over a live picture, and says why where there is none', () => {
    expect(middle(candidate(), 'camera', 'live', now)).toBeNull();
    expect(middle(candidate(), 'camera', 'waiting', now)?.text).toBe('Picture on its way');
    expect(middle(candidate(), 'camera', 'failed', now)?.head).toBe('Cannot show');
    expect(middle(candidate({ presence: 'lost', presence_since: now - 72 * S }), 'camera', 'live', now)?.head).toBe('Lost 1:12');
    expect(middle(candidate({ publications: [pub('screen/0')] }), 'camera', 'waiting', now)?.head).toBe('No camera');
    expect(middle(candidate({ publications: [] }), 'camera', 'waiting', now)?.head).toBe('Joining');
  });
  it('names the test picture and missing sources', () => {
    expect(pictureChip(candidate({ publications: [pub('camera/0', { test_picture: true }), pub('screen/0'), pub('microphone/0')] }), 'camera', now)?.text).toBe('Test picture');
    expect(pictureChip(candidate({ publications: [pub('camera/0'), pub('microphone/0')] }), 'camera', now)?.text).toBe('No screen');
    expect(pictureChip(candidate(), 'camera', now)).toBeNull();
  });
  it('has the test picture’s chip only where the camera is', () => {
    const test = candidate({ publications: [pub('camera/0', { test_picture: true }), pub('screen/0'), pub('microphone/0')] });
    expect(pictureChip(test, 'screen', now)).toBeNull();
    expect(tileName(test, 'screen', now)).toContain('Screen live, test picture.');
  });
  it('says of who has handed in only that', () => {
    const done = candidate({ presence: 'finished', publications: [] });
    expect(tileName(done, 'camera', now)).toMatch(/^Candidate 014, seat C2\. Handed in \d\d:\d\d$/);
    expect(pictureChip(done, 'camera', now)).toBeNull();
  });
  it('is called what it shows', () => {
    expect(tileName(candidate(), 'camera', now)).toBe('Candidate 014, seat C2. Camera live. Connection good. Last looked at 0:24 ago. No open signal');
    expect(tileName(candidate({ looked_at: 0, seat: null }), 'camera', now)).toContain('Not looked at yet');
  });
});

describe('attention', () => {
  it('is due after 8 and overdue after 10 minutes', () => {
    expect([attention(DUE_US - 1), attention(DUE_US), attention(OVERDUE_US)]).toEqual(['', 'due', 'over']);
  });
  it('goes to who waited longest, never to who is open or has finished', () => {
    const a = candidate({ participant: 'a', looked_at: now - 100 * S });
    const never = candidate({ participant: 'n', looked_at: 0, presence_since: now - 90 * S });
    const done = candidate({ participant: 'd', looked_at: now - 900 * S, presence: 'finished' });
    expect(nextUnwatched([never, a, done], null)?.participant).toBe('a');
    expect(nextUnwatched([never, a, done], 'a')?.participant).toBe('n');
    expect(nextUnwatched([done], null)).toBeNull();
  });
  it('counts from joining for those never looked at', () => {
    expect(passes(candidate({ looked_at: 0, presence_since: now - DUE_US }), 'unwatched', now)).toBe(true);
    expect(passes(candidate({ looked_at: 0 }), 'unwatched', now)).toBe(false);
  });
});

it('shows a proctor the own candidates and those that nobody watches', () => {
  const who = [candidate({ proctor: 'me' }), candidate({ proctor: 'other' }), candidate({}), candidate({ presence: 'finished' }), candidate({ proctor: 'me', presence: 'finished' })];
  expect(who.map((one) => passes(one, 'mine', now, 'me'))).toEqual([true, false, true, false, true]);
  expect(who.map((one) => passes(one, 'unassigned', now, 'me'))).toEqual([false, false, true, false, false]);
  expect(who.map((one) => passes(one, 'mine', now, null))).toEqual([false, false, true, false, false]);
});

it('orders labels as people count', () => {
  const labels = ['Candidate 10', 'Candidate 9', 'Candidate 100'].map((label, i) => candidate({ label, participant: String(i) }));
  expect(labels.sort(byLabel).map((one) => one.label)).toEqual(['Candidate 9', 'Candidate 10', 'Candidate 100']);
});
