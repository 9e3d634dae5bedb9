/** The proctor's window in every state. Fixtures only: none of this is in an app. */
import type { ApiKeyInfo } from '../common/bindings/ApiKeyInfo';
import type { ApiScope } from '../common/bindings/ApiScope';
import type { AccountView } from '../common/bindings/AccountView';
import type { CandidateTile } from '../common/bindings/CandidateTile';
import type { ConnectionLevel } from '../common/bindings/ConnectionLevel';
import type { IntegrityKind } from '../common/bindings/IntegrityKind';
import type { OwnAccount } from '../common/bindings/OwnAccount';
import type { ProctorView } from '../common/bindings/ProctorView';
import type { PublicationView } from '../common/bindings/PublicationView';
import type { Role } from '../common/bindings/Role';
import type { Sitting } from '../common/bindings/Sitting';
import type { Severity } from '../common/bindings/Severity';
import type { SittingStep } from '../common/bindings/SittingStep';
import type { SystemsView } from '../common/bindings/SystemsView';
import type { TeamView } from '../common/bindings/TeamView';
import type { TimelineBody } from '../common/bindings/TimelineBody';
import type { TimelineEntry } from '../common/bindings/TimelineEntry';
import type { UserInfo } from '../common/bindings/UserInfo';
import type { WebhookInfo } from '../common/bindings/WebhookInfo';

export const NOW = new Date(2026, 4, 12, 10, 42, 16).getTime();
export const now = NOW * 1000;
export const S = 1e6;
export const MIN = 60 * S;

const policy = { camera: 'required', microphone: 'required', screen: 'required', keeps_video: false, exam_page_keeps_answers: false, retention_days: 30, exam_page_url: null, tell_when_listening: true, admit_each: false, late_after_min: null, candidates_per_proctor: 8, relay_only: false, allow_test_picture: false } as const;
export const exam = { id: 'e1', title: 'Microbiology II, final exam', code: 'MICRO-204', status: 'active' as const, starts_at: now - 42 * MIN - 16 * S, ends_at: now + 77 * MIN + 44 * S, policy };
export const office = { capacity: 100, revision: 3, started_at: null, ended_at: null, peak: 0 };

const pub = (publication: string, over: Partial<PublicationView> = {}): PublicationView => ({ publication, state: 'live', captured_at: now - 0.4 * S, changed_at: now - S, test_picture: false, layer: 'low', ...over });
export const plain: Sitting = { admission: 'admitted', late: false, reason: '', pause: null, locked: false, hand_since: null, extra_min: 0, given_back_us: 0, ended: false, muted: false, moving_since: null };
let serial = 0;
export const entry = (participant: string, ago: number, body: TimelineBody): TimelineEntry => ({ id: `t${serial++}`, participant, at: now - ago, received_at: now - ago, body });
export const signal = (kind: IntegrityKind, severity: Severity, confidence = 100): TimelineBody => ({ what: 'integrity', kind, seq: 1, observer: 'system', confidence, severity, begins: null });

export function tile(n: number, over: Partial<CandidateTile> = {}): CandidateTile {
  const id = `p${String(n).padStart(3, '0')}`;
  return {
    participant: id,
    label: `Candidate ${String(n).padStart(3, '0')}`,
    seat: `${'ABCDE'[Math.floor((n - 1) / 6) % 5]}${((n - 1) % 6) + 1}`,
    presence: 'online',
    presence_since: now - 40 * MIN,
    connection: (['good', 'good', 'good', 'fair'] as ConnectionLevel[])[n % 4] ?? 'good',
    looked_at: now - (24 + ((n * 97) % 400)) * S,
    publications: [pub('camera/0'), pub('screen/0', { changed_at: now - (n % 5) * S }), pub('microphone/0')],
    open_signal: null,
    unread: 0,
    sitting: plain,
    proctor: 'w1',
    ...over,
  };
}

const high = entry('p014', 129 * S, signal('screen_lost', 'high'));
const focusLost = entry('p005', 6 * MIN, signal('focus_lost', 'medium'));
const micLost = entry('p026', 9 * MIN, signal('microphone_lost', 'medium'));
const cameraLost = entry('p019', 4 * MIN, signal('camera_lost', 'medium', 80));

function thirty(): CandidateTile[] {
  const special: Record<number, Partial<CandidateTile>> = {
    3: { presence: 'lost', presence_since: now - 72 * S, connection: 'lost', publications: [pub('camera/0', { captured_at: now - 73 * S }), pub('screen/0', { captured_at: now - 73 * S }), pub('microphone/0')] },
    5: { open_signal: focusLost },
    8: { publications: [pub('camera/0', { changed_at: now - 40 * S }), pub('screen/0'), pub('microphone/0')] },
    9: { looked_at: now - 571 * S },
    11: { connection: 'weak', presence: 'degraded' },
    13: { publications: [pub('camera/0', { captured_at: now - 12 * S }), pub('screen/0'), pub('microphone/0')] },
    14: { open_signal: high, publications: [pub('camera/0'), pub('screen/0', { captured_at: now - 129 * S, state: 'failed' }), pub('microphone/0')] },
    16: { unread: 1 },
    18: { connection: 'weak', presence: 'degraded' },
    19: { open_signal: cameraLost, publications: [pub('camera/0', { state: 'failed', captured_at: now - 4 * MIN }), pub('screen/0'), pub('microphone/0')] },
    21: { publications: [pub('camera/0', { test_picture: true }), pub('screen/0'), pub('microphone/0')] },
    22: { looked_at: now - 702 * S },
    25: { publications: [] },
    26: { open_signal: micLost, publications: [pub('camera/0'), pub('screen/0'), pub('microphone/0', { state: 'failed' })] },
    28: { presence: 'finished', presence_since: now - 11 * MIN, publications: [] },
    30: { looked_at: now - 488 * S },
  };
  return Array.from({ length: 30 }, (_, i) => tile(i + 1, special[i + 1]));
}

/** A room where much is asked of the proctor: some wait, some have a hand up, one is paused, one locked. */
const busy = (): CandidateTile[] => {
  const special: Record<number, Partial<Sitting>> = {
    2: { admission: 'waiting' },
    6: { hand_since: now - 140 * S },
    7: { admission: 'waiting', late: true },
    10: { pause: { since: now - 90 * S, left_us: 70 * MIN }, reason: 'Someone will help you with the chair.', hand_since: now - 200 * S },
    12: { locked: true, reason: 'Please put the phone away.' },
    15: { admission: 'asked_again', reason: 'Please show your desk and both hands.' },
    18: { moving_since: now - 42 * S },
    20: { extra_min: 15 },
    24: { admission: 'rejected', reason: 'Your document could not be read.' },
    17: { admission: 'removed', reason: 'Please come back when you are alone in the room.' },
    27: { ended: true, reason: 'A second person sat at the desk.' },
  };
  return thirty().map((one, i) => {
    const sitting = special[i + 1];
    if (!sitting) return one;
    const out = sitting.admission === 'rejected' || sitting.admission === 'removed' ? { presence: 'lost' as const, connection: 'lost' as const, publications: [] } : sitting.ended ? { presence: 'finished' as const, publications: [] } : {};
    return { ...one, ...out, sitting: { ...plain, ...sitting } };
  });
};
const did = (step: SittingStep, by: string, reason = '', minutes = 0): TimelineBody => ({ what: 'sitting', step, by, reason, minutes });
const busyTimeline = (): TimelineEntry[] =>
  [
    ...timeline(),
    entry('p007', 20 * S, { what: 'joined', resumed: false }),
    entry('p010', 90 * S, did('pause', 'Proctor 1', 'Someone will help you with the chair.')),
    entry('p006', 140 * S, did('raise_hand', '')),
    entry('p012', 2 * MIN, did('lock', 'Proctor 2', 'Please put the phone away.')),
    entry('p015', 4 * MIN, did('ask_again', 'Proctor 1', 'Please show your desk and both hands.')),
    entry('p020', 8 * MIN, did('extra_time', 'Lead', '', 15)),
    entry('p024', 9 * MIN, did('reject', 'Proctor 1', 'Your document could not be read.')),
    entry('p027', 12 * MIN, did('end', 'Lead', 'A second person sat at the desk.')),
    entry('p001', 14 * MIN, did('admit', 'Proctor 1')),
  ].sort((a, b) => b.at - a.at);

const message = (text: string, from: boolean, warning = false): TimelineBody => ({ what: 'message', message: `m${serial++}`, kind: warning ? 'warning' : 'chat', from_candidate: from, text, delivered: true, acknowledged: warning });
const timeline = (): TimelineEntry[] => [
  high,
  entry('p003', 72 * S, { what: 'presence', presence: 'lost' }),
  entry('p016', 3 * MIN, message('My lamp flickers, may I switch it off?', true)),
  cameraLost,
  focusLost,
  entry('p011', 7 * MIN, { what: 'presence', presence: 'degraded' }),
  micLost,
  entry('p028', 11 * MIN, { what: 'presence', presence: 'finished' }),
  entry('p002', 13 * MIN, signal('focus_returned', 'info')),
  entry('p002', 14 * MIN, signal('focus_lost', 'low')),
  entry('p020', 15 * MIN, { what: 'joined', resumed: true }),
  entry('p017', 22 * MIN, { what: 'chain_broken', code: 'chain_gap', seq: 12, severity: 'low' }),
  entry('p014', 29 * MIN, message('Please move your chair a little to the left.', false, true)),
  entry('p028', 20 * MIN, message('Five minutes left.', false)),
  entry('p014', 33 * MIN, message('Yes, please go ahead.', false)),
  entry('p014', 34 * MIN, message('May I open the window?', true)),
  entry('p030', 39 * MIN, { what: 'joined', resumed: false }),
].sort((a, b) => b.at - a.at);

/** One proctor who has everybody. */
const alone = (n: number): TeamView => ({ ratio: 30, proctors: [{ proctor: 'w1', name: 'Proctor 1', role: 'proctor', here: 'c1', you: true, candidates: n }], unassigned: 0 });
/** Four who watch, one of them away, and two candidates for whom nobody has room. */
const given = (n: number): string | null => (n <= 8 ? 'w1' : n <= 16 ? 'w2' : n <= 22 ? 'w3' : n <= 28 ? 'w4' : null);
const shared = (you: 'w1' | 'l1'): Partial<ProctorView> => {
  const candidates = thirty().map((one, i) => ({ ...one, proctor: given(i + 1), sitting: i === 3 || i === 11 ? { ...plain, muted: true } : one.sitting }));
  const row = (proctor: string, name: string, role: Role, here: string | null) => ({ proctor, name, role, here, you: proctor === you, candidates: candidates.filter((one) => one.proctor === proctor && one.presence !== 'finished').length });
  const proctors = [row('w1', 'Proctor 1', 'proctor', 'c1'), row('w2', 'Lucía Fernández', 'proctor', 'c2'), row('w3', 'Tom Ashby', 'proctor', null), row('w4', 'Ingrid Solheim', 'proctor', 'c4'), row('l1', 'Jonas Weber', 'lead', 'c5'), row('a1', 'Amara Okafor', 'admin', 'c6')];
  const lead = you === 'l1';
  return { candidates, team: { ratio: 8, proctors: [...proctors.filter((one) => one.you), ...proctors.filter((one) => !one.you)], unassigned: 2 }, leads: lead, role: lead ? 'lead' : 'proctor', name: lead ? 'Jonas Weber' : 'Proctor 1', timeline: [entry('c1', 10 * S, { what: 'broadcast', message: 'b1', audience: 'everyone', by: 'Jonas Weber', text: 'Question 4 has a misprint: read “ribosome” in the second line.', reach: { recipients: 29, delivered: 27, acknowledged: 11 } }), entry('p012', 30 * S, did('mute', 'Jonas Weber')), entry('p020', 50 * S, { what: 'assigned', to: 'Tom Ashby', by: 'Jonas Weber' }), ...timeline()] };
};

export const base = (over: Partial<ProctorView> = {}): ProctorView => ({
  step: 'wall',
  busy: false,
  notice: null,
  certificate: null,
  server: 'exam.example.org',
  email: 'proctor1@example.org',
  name: 'Proctor 1',
  exams: [
    { ...exam, ...office, roster: 33, online: 28 },
    { ...exam, ...office, id: 'e2', title: 'Contract law', code: 'LAW-110', status: 'scheduled', starts_at: now + 138 * MIN, ends_at: now + 258 * MIN, roster: 64, online: 0 },
    { ...exam, ...office, id: 'e3', title: 'Statistics I, resit', code: 'STAT-1R', status: 'paused', roster: 9, online: 9 },
  ],
  exam,
  leads: false,
  office: null,
  link: { state: 'connected' },
  media: { state: 'up' },
  clock_offset: 0,
  candidates: thirty(),
  team: alone(29),
  timeline: timeline(),
  focus: null,
  listening: null,
  sending: null,
  web_decoder: true,
  role: 'proctor',
  invitation: null,
  people: { users: [], link: null },
  asks_code: false,
  account: { own: null, offer: null, recovery: [], done: null },
  systems: { keys: [], webhooks: [], secret: null, tested: null },
  provider: { name: null, waiting: null },
  ...over,
});

const sha256 = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';
const certificate = (changed: boolean) => ({ authority: '10.0.0.5:8443', sha256, changed });
const many = () => Array.from({ length: 118 }, (_, i) => tile(i + 1));

const user = (name: string, role: Role, over: Partial<UserInfo> = {}): UserInfo => ({ id: `u${serial++}`, email: `${name.toLowerCase().replaceAll(' ', '.')}@example.org`, name, role, state: 'active', created_at: now - 90 * 24 * 60 * MIN, link_expires_at: null, second_factor: false, oidc_linked: false, ...over });
const users = (): UserInfo[] => [
  user('Amara Okafor', 'admin', { email: 'admin@example.org' }),
  user('Jonas Weber', 'lead', { second_factor: true, oidc_linked: true }),
  user('Mei Tanaka', 'lead'),
  user('Proctor 1', 'proctor', { email: 'proctor1@example.org' }),
  user('Lucía Fernández', 'proctor', { email: 'lucia@example.org' }),
  user('Tom Ashby', 'proctor', { state: 'invited', link_expires_at: now + 61 * 60 * MIN }),
  user('Ingrid Solheim', 'proctor', { state: 'invited', link_expires_at: now - 5 * 60 * MIN }),
  user('Viktor Marek', 'proctor', { state: 'deactivated' }),
];
const people = (over: Partial<ProctorView> = {}) => base({ step: 'people', role: 'admin', email: 'admin@example.org', name: 'Amara Okafor', people: { users: users(), link: null }, ...over });
const key = (name: string, scopes: ApiScope[], over: Partial<ApiKeyInfo> = {}): ApiKeyInfo => ({ id: `k${serial++}`, name, scopes, created_by: 'u1', created_at: now - 80 * 24 * 60 * MIN, expires_at: null, revoked_at: null, last_used_at: null, ...over });
const keys = (): ApiKeyInfo[] => [
  key('Student records', ['exams:read', 'rosters:write'], { last_used_at: now - 4 * MIN, expires_at: now + 240 * 24 * 60 * MIN }),
  key('Timetable', ['exams:write'], { last_used_at: now - 26 * 60 * MIN }),
  key('Timetable (old)', ['exams:write'], { last_used_at: now - 40 * 24 * 60 * MIN, revoked_at: now - 39 * 24 * 60 * MIN }),
  key('Trial of the library', ['exams:read'], { expires_at: now - 3 * 24 * 60 * MIN }),
];
const hook = (id: string, url: string, over: Partial<WebhookInfo> = {}): WebhookInfo => ({ id, url, kinds: [], created_at: now - 60 * 24 * 60 * MIN, delivered_at: now - 2 * MIN, attempts: 0, last_error: null, next_at: null, ...over });
const hooks = (): WebhookInfo[] => [
  hook('h1', 'https://records.example.org/hooks/invigil'),
  hook('h2', 'https://alarm.example.org/v2/incoming?team=exam-office', { kinds: ['incident.noticed'], attempts: 4, last_error: 'it answered 503', next_at: now + 7 * MIN }),
  hook('h3', 'https://old-records.example.org/hook', { kinds: ['exam.changed', 'session.entered', 'session.finished'], stopped: 'gone' }),
];
const systems = (over: Partial<SystemsView> = {}, view: Partial<ProctorView> = {}) => base({ step: 'systems', role: 'admin', leads: true, email: 'admin@example.org', name: 'Amara Okafor', systems: { keys: keys(), webhooks: hooks(), secret: null, tested: null, ...over }, ...view });
const own = (over: Partial<OwnAccount> = {}): OwnAccount => ({ email: 'jonas.weber@example.org', name: 'Jonas Weber', role: 'lead', second_factor: false, recovery_codes_left: 0, oidc_linked: false, ...over });
const factorOn = own({ second_factor: true, recovery_codes_left: 8 });
const account = (over: Partial<AccountView> = {}, view: Partial<ProctorView> = {}) => base({ step: 'account', role: 'lead', leads: true, email: 'jonas.weber@example.org', name: 'Jonas Weber', account: { own: own(), offer: null, recovery: [], done: null, ...over }, ...view });
const offer = { secret: 'JBSWY3DPEHPK3PXPGEZDGNBVGY3TQOJQ', uri: 'otpauth://totp/Invigil:jonas.weber@example.org?secret=JBSWY3DPEHPK3PXPGEZDGNBVGY3TQOJQ&issuer=Invigil' };
const recovery = ['7K3F-9QXT-M2', 'RD4A-0ZPB-8V', 'WQ51-JH7C-NE', '2XYT-6GKM-D9', 'B8PF-S3RA-1H', 'C0VN-5WZJ-QT', 'E4MG-K7D2-XY', 'A9HB-R6PC-3F', 'ZT8W-1NQV-JS', 'M5EK-Y0GD-74'];
const wrongCode = { code: 'second_factor_wrong', params: { tries_left: '3' } };
const handed = { email: 'tom.ashby@example.org', name: 'Tom Ashby', link: 'invigil://exam.example.org:8443/invite?token=Qm9yaW5nLWJ1dC1yYW5kb20tMzItYnl0ZXMtaGVyZS4&sha256=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', expires_at: now + 72 * 60 * MIN, reset: false, mailed: null };
const invitation = { email: 'tom.ashby@example.org', name: 'Tom Ashby', role: 'proctor', reset: false } as const;

const university = { name: 'Example University', waiting: null };

export const proctorCases: Record<string, () => ProctorView> = {
  signin: () => base({ step: 'sign_in', email: '' }),
  'signin-error': () => base({ step: 'sign_in', notice: { code: 'credentials_wrong', params: {} } }),
  'signin-provider': () => base({ step: 'sign_in', email: '', provider: university }),
  'signin-provider-unknown': () => base({ step: 'sign_in', email: '', provider: { name: '', waiting: null } }),
  'signin-provider-none': () => base({ step: 'sign_in', provider: university, notice: { code: 'oidc_no_account', params: { email: 'jonas.weber@example.org' } } }),
  'signin-browser': () => base({ step: 'sign_in', busy: true, provider: { ...university, waiting: 'https://login.example.org/auth' } }),
  'signin-browser-missing': () => base({ step: 'sign_in', busy: true, provider: { ...university, waiting: 'https://login.example.org/auth' }, notice: { code: 'browser_missing', params: {} } }),
  certificate: () => base({ step: 'sign_in', certificate: certificate(false) }),
  'certificate-changed': () => base({ step: 'sign_in', certificate: certificate(true) }),
  invitation: () => base({ step: 'invitation', invitation, role: null }),
  'invitation-reset': () => base({ step: 'invitation', invitation: { ...invitation, reset: true }, role: null, notice: { code: 'unreachable', params: {} } }),
  people: () => people(),
  'people-one': () => people({ people: { users: users().slice(0, 1), link: null } }),
  'people-link': () => people({ people: { users: users(), link: handed } }),
  'people-link-mailed': () => people({ people: { users: users(), link: { ...handed, mailed: true } } }),
  'people-link-unmailed': () => people({ people: { users: users(), link: { ...handed, mailed: false } } }),
  'people-refused': () => people({ notice: { code: 'last_admin', params: {} } }),
  systems: () => systems(),
  'systems-empty': () => systems({ keys: [], webhooks: [] }),
  'systems-key': () => systems({ secret: { of: 'api_key', name: 'Student records', token: 'ivk_01983b6e-5b7a-7c11-9d1e-3f2a5c6b7d8e_q0TnVYdYcJm3sLr8wKfEo2BzPxHuA7gi' } }),
  'systems-secret': () => systems({ secret: { of: 'webhook', url: 'https://records.example.org/hooks/invigil', secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=' } }),
  'systems-tested': () => systems({ tested: { webhook: 'h1', test: { taken: true, status: 204, error: null } } }),
  'systems-refused': () => systems({ tested: { webhook: 'h2', test: { taken: false, status: 503, error: 'it answered 503' } } }),
  'systems-invalid': () => systems({}, { notice: { code: 'field_invalid', params: { field: 'url', limit: '2000' } } }),
  'signin-code': () => base({ step: 'sign_in', email: 'jonas.weber@example.org', asks_code: true }),
  'signin-code-wrong': () => base({ step: 'sign_in', email: 'jonas.weber@example.org', asks_code: true, notice: wrongCode }),
  account: () => account(),
  'account-linked': () => account({ own: own({ oidc_linked: true, second_factor: true, recovery_codes_left: 8 }) }, { provider: university }),
  'account-not-linked': () => account({}, { provider: university }),
  'account-loading': () => account({ own: null }, { busy: true }),
  'account-on': () => account({ own: factorOn }),
  'account-few': () => account({ own: own({ second_factor: true, recovery_codes_left: 1 }) }),
  'account-changed': () => account({ own: factorOn, done: 'password_changed' }),
  'account-offer': () => account({ offer }),
  'account-offer-wrong': () => account({ offer }, { notice: wrongCode }),
  'account-recovery': () => account({ own: factorOn, recovery }),
  'account-enrolled': () => account({ own: { ...factorOn, recovery_codes_left: 10 }, done: 'factor_on' }),
  'exams-admin': () => base({ step: 'exams', role: 'admin', name: 'Amara Okafor' }),
  exams: () => base({ step: 'exams' }),
  'exams-empty': () => base({ step: 'exams', exams: [] }),
  wall: () => base(),
  'wall-one': () => base({ candidates: [tile(1)], timeline: timeline().slice(-1) }),
  'wall-demo': () => base({ candidates: Array.from({ length: 21 }, (_, i) => tile(i + 1, { publications: [pub('camera/0', { test_picture: true }), pub('screen/0'), pub('microphone/0')] })), timeline: [] }),
  'wall-many': () => base({ candidates: many(), timeline: [] }),
  'wall-empty': () => base({ candidates: [], timeline: [] }),
  'wall-connecting': () => base({ candidates: [], timeline: [], link: { state: 'connecting' } }),
  'wall-loading': () => base({ candidates: Array.from({ length: 30 }, (_, i) => tile(i + 1, { publications: [pub('camera/9'), pub('screen/9')] })), timeline: [] }),
  'wall-offline': () => base({ link: { state: 'offline', since: now - 26 * S } }),
  'wall-media-lost': () => base({ media: { state: 'lost', since: now - 26 * S } }),
  'wall-media-blocked': () => base({ media: { state: 'blocked', since: now - 95 * S } }),
  'wall-weak': () => base({ link: { state: 'weak' } }),
  'wall-back': () => base({ link: { state: 'back', offline_s: 22 }, listening: 'p006' }),
  'wall-lead': () => base({ leads: true, role: 'lead' }),
  'wall-shared': () => base(shared('w1')),
  'wall-team': () => base(shared('l1')),
  'focus-shared': () => base({ ...shared('l1'), focus: 'p012' }),
  'focus-alone': () => base({ ...shared('l1'), focus: 'p030' }),
  'wall-paused': () => base({ leads: true, exam: { ...exam, status: 'paused' } }),
  'wall-busy': () => base({ candidates: busy(), timeline: busyTimeline() }),
  'focus-waiting': () => base({ candidates: busy(), timeline: busyTimeline(), focus: 'p007' }),
  'focus-moving': () => base({ candidates: busy(), timeline: busyTimeline(), focus: 'p018' }),
  'focus-paused': () => base({ candidates: busy(), timeline: busyTimeline(), focus: 'p010' }),
  'focus-ended': () => base({ candidates: busy(), timeline: busyTimeline(), focus: 'p027' }),
  focus: () => base({ focus: 'p002' }),
  'focus-signal': () => base({ focus: 'p014', listening: 'p014' }),
  'focus-lost': () => base({ focus: 'p003' }),
  'focus-test': () => base({ focus: 'p021' }),
  'focus-finished': () => base({ focus: 'p028' }),
  'focus-gone': () => base({ focus: 'p999' }),
};
