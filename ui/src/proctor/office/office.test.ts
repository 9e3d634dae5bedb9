import { describe, expect, it } from 'vitest';
import type { ExamInfo } from '../../common/bindings/ExamInfo';
import { badField, DEFAULT_POLICY, edit, editable, entryOf, formOf, instant, read, table } from './office';

const at = (hour: number, minute = 0) => new Date(2026, 4, 12, hour, minute).getTime() * 1000;
const exam = (over: Partial<ExamInfo> = {}) => ({ id: 'e', title: 'Law', code: 'LAW-1', status: 'draft' as const, starts_at: at(9), ends_at: at(11), policy: { ...DEFAULT_POLICY }, capacity: 100, ...over });

describe('an exam as text', () => {
  it('reads back as it was', () => {
    const said = read(formOf(exam(), 0));
    expect('ok' in said && said.ok).toMatchObject({ title: 'Law', code: 'LAW-1', starts_at: at(9), ends_at: at(11), capacity: 100, policy: DEFAULT_POLICY });
  });
  it('says nothing new as long as nothing was typed, whatever a policy leaves out and whatever seconds a time has', () => {
    // What is as usual is not in the JSON that Rust sends.
    const { admit_each: _, late_after_min: __, relay_only: ___, ...short } = DEFAULT_POLICY;
    const stored = exam({ policy: short as ExamInfo['policy'], starts_at: at(9) + 17_000_123, ends_at: at(11) + 59_000_000 });
    expect(edit(formOf(stored, 0), stored)).toEqual({});
  });
  it('says only what is new', () => {
    const form = { ...formOf(exam(), 0), title: ' Contract law ', endHour: '12:30', late: '15' };
    expect(edit(form, exam())).toEqual({ title: 'Contract law', ends_at: at(12, 30), policy: { ...DEFAULT_POLICY, late_after_min: 15 } });
  });
  it.each([
    ['title', { title: '  ' }],
    ['code', { code: 'a b c d' }],
    ['starts_at', { startDate: '2026-02-30' }],
    ['ends_at', { endHour: '08:00' }],
    ['ends_at', { endHour: '' }],
    ['capacity', { capacity: '0' }],
    ['capacity', { capacity: 'many' }],
    ['retention', { retention: '-1' }],
    ['late', { late: 'x' }],
  ])('names %s when that can not be', (field, over) => {
    expect(read({ ...formOf(exam(), 0), ...over })).toEqual({ bad: field });
  });
  it('begins tomorrow at nine when it is new', () => {
    const form = formOf(null, at(22, 15));
    expect([form.startDate, form.startHour, form.endHour]).toEqual(['2026-05-13', '09:00', '11:00']);
  });
});

it('knows an instant from what is none', () => {
  expect(instant('2026-05-12', '09:05')).toBe(at(9, 5));
  for (const [date, hour] of [['', ''], ['2026-13-01', '09:00'], ['2026-05-12', '24:01'], ['12.5.2026', '09:00']] as const) expect(instant(date, hour)).toBeNull();
});

it('greys out what the status no longer lets be changed', () => {
  expect(editable('policy', null) && editable('policy', 'scheduled')).toBe(true);
  expect(editable('policy', 'waiting') || editable('code', 'scheduled') || editable('title', 'closed')).toBe(false);
});

it('puts a refusal beside its field', () => {
  const refused = (code: string, field?: string) => badField({ code, params: field ? { field } : {} });
  expect([refused('field_invalid', 'policy.retention_days'), refused('field_invalid', 'ends_at'), refused('exam_code_taken'), refused('unreachable')]).toEqual(['retention', 'ends_at', 'taken', null]);
});

it('reads an entry from its form', () => {
  expect(entryOf(' Ada ', ' ', '25%', true, 'reader, lens;')).toEqual({ label: 'Ada', seat: null, allowances: { extra_time_percent: 25, second_display: true, assistive_tools: ['reader', 'lens'] } });
  expect(entryOf('', 'A1', '', false, '')).toBeNull();
  expect(entryOf('Ada', 'A1', 'lots', false, '')).toBeNull();
});

it('copies secrets as a table that no cell breaks or runs', () => {
  const secret = { entry: 'r', label: '=Ada\tL', seat: null, secret: '7K3F', link: 'invigil://x', once_until: null };
  expect(table([secret])).toBe("label\tseat\tsecret\tlink\n'=Ada L\t\t7K3F\tinvigil://x");
});
