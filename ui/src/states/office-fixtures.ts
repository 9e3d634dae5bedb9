/** The exam office in every state. Fixtures only: none of this is in an app. */
import type { EntrySecret } from '../common/bindings/EntrySecret';
import type { ImportPreview } from '../common/bindings/ImportPreview';
import type { Departure } from '../common/bindings/Departure';
import type { OfficeView } from '../common/bindings/OfficeView';
import type { Participation } from '../common/bindings/Participation';
import type { ProctorView } from '../common/bindings/ProctorView';
import type { RosterItem } from '../common/bindings/RosterItem';
import { base, exam, MIN, now, office, S } from './proctor-fixtures';

const draft = { ...exam, ...office, id: 'e4', title: 'Contract law', code: 'LAW-110', status: 'draft' as const, starts_at: now + 138 * MIN - 16 * S, ends_at: now + 258 * MIN - 16 * S, roster: 0, online: 0 };
const names = ['Ada Lovelace', 'Grace Hopper', 'Emmy Noether', 'Sofia Kovalevskaya', 'Mary Somerville', 'Katherine Johnson', 'Maryam Mirzakhani', 'Hypatia', 'Rózsa Péter', 'Candidate 010'];
const roster = (used: number): RosterItem[] =>
  names.map((label, i) => ({ id: `r${i}`, exam: 'e4', label, seat: `${'AB'[i % 2]}${i + 1}`, allowances: { extra_time_percent: i === 2 ? 25 : 0, second_display: i === 4, assistive_tools: i === 2 ? ['screen reader'] : [] }, used: i < used, erased: false }));
const imported = (rows: string[][]): ImportPreview => ({
  rows: rows.map(([label = '', seat = '', extra_time_percent = '', second_display = ''], i) => ({ row: i + 2, label, seat, extra_time_percent, second_display, assistive_tools: '' })),
  faults: [],
  more_faults: false,
});
const rows = [...names.map((label, i) => [label, `A${i + 1}`, i === 2 ? '25' : '', i === 4 ? 'yes' : '']), ['Ada Lovelace', 'A11', '', ''], ['', 'A12', '', ''], ['Lise Meitner', 'A13', 'a quarter', 'maybe']];
const secretOf = (n: number) => `7K3F-9QXT-M2R${n}-${n}`;
const secrets: EntrySecret[] = names.map((label, i) => ({ entry: `r${i}`, label, seat: `A${i + 1}`, secret: secretOf(i), link: `invigil://exam.example.org/join?exam=LAW-110&secret=${secretOf(i)}`, once_until: null }));
const began = now - 64 * MIN;
/** A trend that wavers about a level, with a dip, and nothing measured at its end. */
const trend = (steps: number, level: number, dip = -1, silent = 0): number[] =>
  Array.from({ length: steps }, (_, i) => (i >= steps - silent ? 255 : Math.max(4, Math.min(100, Math.round(level + 3 * Math.sin(i * 1.7) + 2 * Math.cos(i * 0.6) - (dip >= 0 && Math.abs(i - dip) < 4 ? 60 - 12 * Math.abs(i - dip) : 0))))));
let stayed = 0;
const stay = (name: string, from: number, to: number | null, departure: Departure | null, over: Partial<Participation> = {}): Participation => ({
  id: `s${(stayed += 1)}`,
  participant: `p-${name}`,
  role: 'candidate',
  name,
  entry: `r-${name}`,
  joined_at: began + from * MIN + stayed * 7 * S,
  left_at: to === null ? null : began + to * MIN + stayed * 3 * S,
  departure,
  averages: { rtt_us: 31_000, up_bps: 342_000, down_bps: 9_000, lost_ppm: 200 },
  trend: trend(38, 95),
  ...over,
});
const stays = (): Participation[] => {
  stayed = 0;
  const watched = { entry: undefined, participant: 'p-lead', account: 'u1', averages: { rtt_us: 18_000, up_bps: 6_000, down_bps: 4_100_000, lost_ppm: 0 }, trend: trend(40, 97) };
  return [
    stay('Lea Okafor', -3, null, null, { ...watched, role: 'lead' }),
    stay('Pat Lindgren', -1, null, null, { ...watched, account: 'u2', role: 'proctor', averages: { ...watched.averages, rtt_us: 44_000 }, trend: trend(39, 92) }),
    stay('Ada Lovelace', 0, null, null),
    stay('Grace Hopper', 0, 22, 'lost', { averages: { rtt_us: 180_000, up_bps: 210_000, down_bps: 8_000, lost_ppm: 61_000 }, trend: trend(26, 66, 24) }),
    stay('Grace Hopper', 24, 41, 'lost', { averages: { rtt_us: 260_000, up_bps: 160_000, down_bps: 7_000, lost_ppm: 92_000 }, trend: trend(20, 36, 8) }),
    stay('Grace Hopper', 42, null, null, { averages: { rtt_us: 38_000, up_bps: 338_000, down_bps: 9_000, lost_ppm: 900 }, trend: trend(26, 93) }),
    stay('Emmy Noether', 1, 58, 'finished', { averages: { rtt_us: 24_000, up_bps: 1_380_000, down_bps: 9_000, lost_ppm: 0 }, trend: trend(44, 96, 20) }),
    stay('Sofia Kovalevskaya', 2, 3, 'left', { averages: { rtt_us: null, up_bps: null, down_bps: null, lost_ppm: null }, trend: [] }),
    stay('Mary Somerville', 2, 37, 'removed', { trend: trend(42, 78, 12) }),
    stay('Katherine Johnson', 3, 30, 'server_stopped', { trend: trend(32, 94, -1, 3) }),
    stay('Katherine Johnson', 31, null, null, { trend: trend(40, 94) }),
    stay('Maryam Mirzakhani', 4, null, null, { averages: { rtt_us: 210_000, up_bps: 301_000, down_bps: 9_000, lost_ppm: 12_000 }, trend: trend(36, 68) }),
    stay('Hypatia', 5, null, null, { trend: trend(36, 97) }),
  ];
};
/** The office with one exam. */
const once: EntrySecret = { entry: 'r1', label: names[1] ?? '', seat: 'A2', secret: 'H4KD-7Q2M-XW9T-0BVN-5JZR-C8PE-6Y', link: 'invigil://exam.example.org/join?exam=LAW-110&secret=H4KD-7Q2M-XW9T-0BVN-5JZR-C8PE-6Y', once_until: now + 258 * MIN };
const managed = (over: Partial<OfficeView>, view: Partial<ProctorView> = {}) => base({ step: 'exams', leads: true, office: { exam: { ...draft, roster: over.roster?.length ?? 0 }, roster: [], stays: null, preview: null, secrets: [], saved: 0, ...over }, ...view });

export const officeCases: Record<string, () => ProctorView> = {
  'exams-lead': () => base({ step: 'exams', leads: true, exams: [...base().exams, draft, { ...draft, id: 'e5', title: 'Anatomy', code: 'ANAT-1', status: 'closed', roster: 41, ended_at: now }] }),
  'exams-reviewer': () => base({ step: 'exams', role: 'reviewer', name: 'Ines Duarte', exams: [...base().exams, { ...draft, id: 'e5', title: 'Anatomy', code: 'ANAT-1', status: 'closed', roster: 41, ended_at: now }] }),
  'exams-reviewer-empty': () => base({ step: 'exams', role: 'reviewer', name: 'Ines Duarte', exams: [] }),
  'exams-lead-empty': () => base({ step: 'exams', leads: true, exams: [] }),
  'office-new': () => managed({ exam: null }),
  'office-new-taken': () => managed({ exam: null }, { notice: { code: 'exam_code_taken', params: {} } }),
  'office-details': () => managed({ roster: roster(0) }),
  'office-details-active': () => managed({ exam: { ...exam, ...office, roster: 33, online: 28 }, saved: 1 }),
  'office-conflict': () => managed({ roster: roster(0) }, { notice: { code: 'edit_conflict', params: {} } }),
  'office-closed': () => managed({ exam: { ...draft, status: 'closed', roster: 10, ended_at: now }, roster: roster(9) }),
  'office-closed-roster': () =>
    managed(
      { exam: { ...draft, status: 'closed', roster: 10, ended_at: now }, roster: roster(9).map((item, i) => (i === 1 ? { ...item, hold: 'Appeal 12 is not decided' } : i === 3 ? { ...item, label: 'Erased 9f31c2a07b44', seat: null, allowances: { extra_time_percent: 0, second_display: false, assistive_tools: [] }, erased: true } : item)) },
      { role: 'admin' },
    ),
  'office-held': () => managed({ exam: { ...draft, status: 'archived', roster: 10, ended_at: now, hold: 'The examination board looks into task 3' }, roster: roster(9) }),
  'office-erased': () => managed({ exam: { ...draft, status: 'archived', roster: 10, ended_at: now, erased_at: now + 30 * 24 * 60 * MIN }, roster: roster(9) }),
  'office-roster': () => managed({ exam: { ...draft, status: 'active', roster: 10, online: 4 }, roster: roster(4) }),
  'office-stays': () => managed({ exam: { ...draft, status: 'active', roster: 10, online: 6, peak: 8 }, stays: stays() }),
  'office-stays-closed': () => managed({ exam: { ...draft, status: 'closed', roster: 10, online: 0, peak: 8, ended_at: now }, stays: stays().map((one) => (one.left_at === null ? { ...one, left_at: now, departure: 'closed' as const } : one)) }),
  'office-stays-reviewer': () => managed({ exam: { ...draft, status: 'closed', roster: 10, online: 0, peak: 8, ended_at: now }, stays: stays().map((one) => (one.left_at === null ? { ...one, left_at: now, departure: 'closed' as const } : one)) }, { leads: false, role: 'reviewer' }),
  'office-stays-none': () => managed({ exam: { ...draft, status: 'waiting', roster: 10, online: 0 }, stays: [] }),
  'office-empty': () => managed({}),
  'office-import-good': () => managed({ preview: imported(rows.slice(0, 10)) }),
  'office-import-bad': () =>
    managed({
      preview: {
        ...imported(rows),
        faults: [
          { row: 12, column: 'label', code: 'duplicate', limit: 2 },
          { row: 13, column: 'label', code: 'missing', limit: null },
          { row: 14, column: 'extra_time_percent', code: 'invalid', limit: 300 },
          { row: 14, column: 'second_display', code: 'invalid', limit: null },
        ],
      },
    }),
  'office-import-header': () => managed({ preview: { rows: [], faults: [{ row: 1, column: 'extra time', code: 'unknown_column', limit: null }, { row: 1, column: 'label', code: 'missing', limit: null }], more_faults: false } }),
  'office-secrets': () => managed({ roster: roster(0), secrets }),
  'office-secret': () => managed({ roster: roster(0), secrets: secrets.slice(1, 2) }),
  'office-link': () => managed({ roster: roster(0), secrets: [once] }),
};
