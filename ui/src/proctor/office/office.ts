/** The exam office's forms: what was typed, what of it is new, and where a refusal belongs. The server decides; a field is only greyed out early. */
import type { Allowances } from '../../common/bindings/Allowances';
import type { EntryEdit } from '../../common/bindings/EntryEdit';
import type { EntrySecret } from '../../common/bindings/EntrySecret';
import type { ExamEdit } from '../../common/bindings/ExamEdit';
import type { ExamInfo } from '../../common/bindings/ExamInfo';
import type { ExamStatus } from '../../common/bindings/ExamStatus';
import type { NewExam } from '../../common/bindings/NewExam';
import type { Notice } from '../../common/bindings/Notice';
import type { Policy } from '../../common/bindings/Policy';
import type { RowFault } from '../../common/bindings/RowFault';
import { t, type StringKey } from '../../common/strings';

export type Field = 'title' | 'code' | 'starts_at' | 'ends_at' | 'policy' | 'capacity';

/** Microseconds that the waiting room opens before the start. */
export const EARLY = 30 * 60 * 1e6;

const EDITABLE: Record<Field, readonly ExamStatus[]> = {
  title: ['draft', 'scheduled', 'waiting', 'active', 'paused'],
  code: ['draft'],
  starts_at: ['draft', 'scheduled', 'waiting'],
  ends_at: ['draft', 'scheduled', 'waiting', 'active'],
  policy: ['draft', 'scheduled'],
  capacity: ['draft', 'scheduled', 'waiting', 'active', 'paused'],
};
/** `status`: none for an exam that is being made. */
export const editable = (field: Field, status: ExamStatus | null): boolean => status === null || EDITABLE[field].includes(status);

export const over = (status: ExamStatus): boolean => status === 'closed' || status === 'archived';

/** When what is kept of an exam that is over is erased: microseconds. */
export const keptUntil = (exam: ExamInfo & { ended_at: number | null }): number => (exam.ended_at ?? exam.ends_at) + complete(exam.policy).retention_days * 24 * 60 * MIN;

const two = (n: number) => String(n).padStart(2, '0');
export const dateOf = (us: number): string => {
  const d = new Date(us / 1000);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
};
export const hourOf = (us: number): string => {
  const d = new Date(us / 1000);
  return `${two(d.getHours())}:${two(d.getMinutes())}`;
};
/** Microseconds of a local date and time; none when they are no such. */
export function instant(date: string, hour: string): number | null {
  const day = /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(date.trim());
  const time = /^(\d{1,2}):(\d{2})(?::\d{2})?$/.exec(hour.trim());
  if (!day || !time) return null;
  const [y, m, d, h, min] = [day[1], day[2], day[3], time[1], time[2]].map(Number) as [number, number, number, number, number];
  const at = new Date(y, m - 1, d, h, min);
  const same = at.getFullYear() === y && at.getMonth() === m - 1 && at.getDate() === d && at.getHours() === h && at.getMinutes() === min;
  return same ? at.getTime() * 1000 : null;
}

/** An exam's form, as text. */
export interface Form {
  title: string;
  code: string;
  startDate: string;
  startHour: string;
  endDate: string;
  endHour: string;
  capacity: string;
  retention: string;
  pageUrl: string;
  /** Minutes after the start; empty for never. */
  late: string;
  /** Candidates that one proctor is given at most. */
  ratio: string;
  policy: Policy;
}

export const DEFAULT_POLICY: Policy = { camera: 'required', microphone: 'required', screen: 'required', keeps_video: false, exam_page_keeps_answers: false, retention_days: 30, exam_page_url: null, tell_when_listening: true, admit_each: false, late_after_min: null, candidates_per_proctor: 8, relay_only: false, allow_test_picture: false };
const MIN = 60e6;
/** A page of the wall. */
const MAX_RATIO = 30;

/** What is as usual may be left out of a policy. */
const complete = (policy: Partial<Policy> | undefined): Policy => ({ ...DEFAULT_POLICY, ...policy });

export function formOf(exam: (ExamInfo & { capacity: number }) | null, now: number): Form {
  // A new one: tomorrow at nine, for two hours.
  const nine = new Date(now / 1000);
  nine.setDate(nine.getDate() + 1);
  nine.setHours(9, 0, 0, 0);
  const start = exam?.starts_at ?? nine.getTime() * 1000;
  const end = exam?.ends_at ?? start + 120 * MIN;
  const policy = complete(exam?.policy);
  return {
    title: exam?.title ?? '',
    code: exam?.code ?? '',
    startDate: dateOf(start),
    startHour: hourOf(start),
    endDate: dateOf(end),
    endHour: hourOf(end),
    capacity: String(exam?.capacity ?? 100),
    retention: String(policy.retention_days),
    pageUrl: policy.exam_page_url ?? '',
    late: policy.late_after_min === null ? '' : String(policy.late_after_min),
    ratio: String(policy.candidates_per_proctor),
    policy: { ...policy },
  };
}

const whole = (text: string): number | null => (/^\d{1,9}$/.test(text.trim()) ? Number(text) : null);

/** What the form says, or the first field that says nothing possible. */
export function read(form: Form): { ok: NewExam } | { bad: string } {
  const [starts_at, ends_at, capacity, retention_days] = [instant(form.startDate, form.startHour), instant(form.endDate, form.endHour), whole(form.capacity), whole(form.retention)];
  if (form.title.trim() === '') return { bad: 'title' };
  if (!/^[a-z0-9-]{4,16}$/i.test(form.code.trim())) return { bad: 'code' };
  if (starts_at === null) return { bad: 'starts_at' };
  if (ends_at === null || ends_at <= starts_at) return { bad: 'ends_at' };
  if (capacity === null || capacity === 0) return { bad: 'capacity' };
  if (retention_days === null || retention_days > 65535) return { bad: 'retention' };
  const late = form.late.trim() === '' ? null : whole(form.late);
  if (late === null ? form.late.trim() !== '' : late > 65535) return { bad: 'late' };
  const candidates_per_proctor = whole(form.ratio);
  if (candidates_per_proctor === null || candidates_per_proctor < 1 || candidates_per_proctor > MAX_RATIO) return { bad: 'ratio' };
  const url = form.pageUrl.trim();
  const policy = { ...form.policy, retention_days, exam_page_url: url === '' ? null : url, late_after_min: late, candidates_per_proctor };
  return { ok: { title: form.title.trim(), code: form.code.trim().toUpperCase(), starts_at, ends_at, capacity, policy } };
}

/** Only what is new: what a status no longer lets be changed must not be sent. Times are shown in minutes, so one that shows the same is the same. */
export function edit(form: Form, exam: ExamInfo & { capacity: number }): ExamEdit | null {
  const said = read(form);
  if ('bad' in said) return null;
  const { ok } = said;
  const before = formOf(exam, 0);
  const changes: ExamEdit = {};
  if (ok.title !== exam.title) changes.title = ok.title;
  if (ok.code !== exam.code) changes.code = ok.code;
  if (form.startDate !== before.startDate || form.startHour !== before.startHour) changes.starts_at = ok.starts_at;
  if (form.endDate !== before.endDate || form.endHour !== before.endHour) changes.ends_at = ok.ends_at;
  if (ok.capacity !== exam.capacity) changes.capacity = ok.capacity;
  const stored = complete(exam.policy);
  const same = (Object.keys(ok.policy) as (keyof Policy)[]).every((key) => ok.policy[key] === stored[key]);
  if (!same) changes.policy = ok.policy;
  return changes;
}

const BAD: Record<string, string> = { 'policy.late_after_min': 'late', 'policy.candidates_per_proctor': 'ratio', 'policy.retention_days': 'retention', 'policy.exam_page_url': 'page_url' };

/** The field that a refusal is about, by the name of its words `office.bad.…`; none when it is about no field. */
export function badField(notice: Notice | null): string | null {
  if (notice?.code === 'exam_code_taken') return 'taken';
  if (notice?.code === 'label_taken') return 'label_taken';
  if (notice?.code !== 'field_invalid') return null;
  const field = notice.params.field ?? '';
  return BAD[field] ?? field;
}

export const tools = (text: string): string[] => text.split(/[,;|]/).map((tool) => tool.trim()).filter((tool) => tool !== '');

/** An entry from its form. */
export function entryOf(label: string, seat: string, extra: string, second_display: boolean, assistive: string): EntryEdit | null {
  const percent = extra.trim() === '' ? 0 : whole(extra.replace('%', ''));
  if (label.trim() === '' || percent === null || percent > 65535) return null;
  const allowances: Allowances = { extra_time_percent: percent, second_display, assistive_tools: tools(assistive) };
  return { label: label.trim(), seat: seat.trim() === '' ? null : seat.trim(), allowances };
}

/** A fault in words, without its row. */
export function faultText(fault: RowFault): string {
  const words = t(`fault.${fault.code}` as StringKey, { limit: fault.limit ?? 0 });
  return fault.column === null ? words : t('import.place', { column: fault.column, fault: words });
}

/** Secrets as a table that a spreadsheet takes: a tab or line end in a label would break it, and a formula must not start one. */
export function table(secrets: readonly EntrySecret[]): string {
  const cell = (text: string) => (/^[=+\-@']/.test(text) ? `'${text}` : text).replace(/[\t\r\n]/g, ' ');
  const rows = secrets.map((one) => [one.label, one.seat ?? '', one.secret, one.link].map(cell).join('\t'));
  return [['label', 'seat', 'secret', 'link'].join('\t'), ...rows].join('\n');
}

/** Copies text; false where the web view does not let it. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    area.setAttribute('aria-hidden', 'true');
    area.className = 'sr';
    document.body.append(area);
    const before = document.activeElement;
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    if (before instanceof HTMLElement) before.focus();
    return done;
  }
}
