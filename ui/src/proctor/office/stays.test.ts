import { describe, expect, it } from 'vitest';
import type { Participation } from '../../common/bindings/Participation';
import { byPerson, grade, lines, mean, measured, rate, UNMEASURED } from './stays';

const stay = (id: string, over: Partial<Participation> = {}): Participation => ({ id, participant: `p${id}`, role: 'candidate', name: 'Ada', joined_at: 0, left_at: null, departure: null, averages: { rtt_us: null, up_bps: null, down_bps: null, lost_ppm: null }, trend: [], ...over });

describe('stays', () => {
  it('stand by their person, in the order in which each first came', () => {
    const people = byPerson([stay('1', { entry: 'a' }), stay('2', { account: 'l', role: 'lead' }), stay('3', { entry: 'a' }), stay('4', { account: 'l', participant: 'another' })]);
    expect(people.map((stays) => stays.map((one) => one.id))).toEqual([['1', '3'], ['2', '4']]);
  });
  it('say nothing of what was not measured', () => {
    expect([mean([UNMEASURED, UNMEASURED]), mean([]), mean([80, UNMEASURED, 60])]).toEqual([null, null, 70]);
    expect([75, 74, 50, 49, UNMEASURED, null].map(grade)).toEqual(['ok', 'warn', 'warn', 'high', 'none', 'none']);
    expect(measured({ rtt_us: null, up_bps: null, down_bps: null, lost_ppm: null }, true)).toEqual([]);
  });
  it('are drawn as steps with gaps', () => {
    const drawn = lines([100, 100, UNMEASURED, 0], 40, 20);
    expect(drawn.map((line) => line.points)).toEqual([
      [[0, 0], [10, 0], [10, 0], [20, 0]],
      [[30, 20], [40, 20]],
    ]);
    expect(drawn.map((line) => line.grade)).toEqual(['ok', 'high']);
    expect(lines([UNMEASURED], 40, 20)).toEqual([]);
  });
  it('say what was measured in units that people know', () => {
    const path = { rtt_us: 31_400, up_bps: 224_900, down_bps: 4_000_000, lost_ppm: 300 };
    expect(measured(path, true)).toEqual(['31 ms', '<0.1% lost', '225 kbit/s up']);
    expect(measured({ ...path, lost_ppm: 61_000 }, false)).toEqual(['31 ms', '6.1% lost', '4.0 Mbit/s down']);
    expect([rate(999_499), rate(999_600), rate(12_340_000)]).toEqual(['999 kbit/s', '1.0 Mbit/s', '12.3 Mbit/s']);
  });
});
