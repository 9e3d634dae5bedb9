/** Every visible word of both windows, by key. Rust and the server send codes and parameters, never prose. */

import { candidate } from './strings/candidate';
import { office } from './strings/office';
import { people } from './strings/people';
import { proctor } from './strings/proctor';
import { systems } from './strings/systems';

export const strings = {
  'app.name': 'Invigil',
  'app.light': 'Light theme',
  'app.dark': 'Dark theme',
  'app.cancel': 'Cancel',
  'app.close': 'Close',
  'app.failed': 'Invigil could not open its window',
  'app.failed_text': 'Close Invigil and open it again. If it stays like this, write to your institution.',

  'unit.s': '{n} s',
  'unit.min': '{n} min',
  'unit.min_s': '{m} min {s} s',
  'unit.h': '{n} h',
  'unit.h_min': '{h} h {m} min',

  'certificate.title': 'Is this the right server?',
  'certificate.title_changed': 'This server shows another certificate than before',
  'certificate.text': '{server} proves who it is with a certificate that no public authority vouches for. Compare this fingerprint with the one your institution gave you.',
  'certificate.text_changed': '{server} had another certificate the last time. Go on only if your institution says that it changed, and gave you this fingerprint.',
  'certificate.label': 'SHA-256 fingerprint of {server}',
  'certificate.accept': 'It is the same, trust it',
  'certificate.refuse': 'It is not the same',
  'certificate.note': 'You are asked once. Invigil then refuses any other certificate of this server.',

  // Notices: what went wrong, what it means, what to do.
  'notice.unreachable': 'The server does not answer. Check the address and this computer’s network, then try again.',
  'notice.certificate_changed': 'This server shows another certificate than the one you trusted. Nothing was sent to it.',
  'notice.certificate_refused': 'You did not trust this server. Nothing was sent to it.',
  'notice.link_invalid': 'This is not a whole join link. Copy it again from your invitation, from “invigil://” to its end.',
  'notice.invitation_link': 'This is not a whole invitation. Copy it again, from “invigil://” to its end.',
  'notice.field_missing': 'Fill in every field first.',
  'notice.server_invalid': 'This is not a server address. It looks like “exam.example.org” or “10.0.0.5:8443”.',
  'notice.bad_message': 'The server did not understand this Invigil. Update both to the same version.',
  'notice.too_large': 'This is too large for the server.',
  'notice.unsupported': 'The server cannot do this. It may be older than this Invigil.',
  'notice.version_too_old': 'This Invigil is too old for the server. Update it, and what you typed is kept.',
  'notice.not_authenticated': 'The server no longer knows who you are. Sign in again.',
  'notice.token_invalid': 'Your sign-in is no longer good. Sign in again.',
  'notice.token_expired': 'Your sign-in ran out. Sign in again.',
  'notice.forbidden': 'Your role does not allow this.',
  'notice.not_found': 'There is nothing here under this name.',
  'notice.not_in_room': 'This exam is not open here yet.',
  'notice.exam_not_open': 'The exam is not open yet. Try again when it opens.',
  'notice.exam_transition': 'The exam had changed before you asked. Look at it again.',
  'notice.exam_closed': 'This exam is over.',
  'notice.sitting_transition': 'This candidate’s exam had changed before you asked. Look at it again.',
  'notice.sitting_ended': 'A proctor ended your exam.',
  'notice.sitting_ended_because': 'A proctor ended your exam: “{reason}”',
  'notice.removed': 'You were put out of the room.',
  'notice.removed_because': 'You were put out of the room: “{reason}”',
  'notice.not_admitted': 'A proctor did not let you in. Ask them what to do.',
  'notice.not_admitted_because': 'A proctor did not let you in: “{reason}”',
  'notice.field_invalid': 'One of the values is not possible.',
  'notice.exam_frozen': 'This can no longer be changed: the exam has gone on meanwhile. Look at it again.',
  'notice.relay_missing': 'This exam wants its pictures and sound through a relay, and the server has none. Its operator can set one up, or the exam goes without.',
  'notice.exam_code_taken': 'Another exam has this code.',
  'notice.edit_conflict': 'Somebody else has changed this exam meanwhile. It is shown as it is now: change it again.',
  'notice.label_taken': 'Somebody on the roster has this label.',
  'notice.roster_full': 'All places of this exam are taken. Raise “Places” in its details.',
  'notice.entry_used': 'This candidate has joined meanwhile. The entry stays as it is.',
  'notice.legal_hold': 'A legal hold keeps these data. Release it first.',
  'notice.exam_not_over': 'Data are erased once the exam is over.',
  'notice.import_refused': 'The list no longer fits the roster. Nothing was stored.',
  'notice.idempotency_mismatch': 'This was asked for twice in different ways. Try again.',
  'notice.room_full': 'This exam has no free place on the server. Tell your institution.',
  'notice.rate_limited': 'That was too much at once. Try again in a moment.',
  'notice.rate_limited_in': 'That was too much at once. Try again in {retry_after_s} s.',
  'notice.secret_wrong': 'This secret does not fit this exam code. There is no letter O in a secret: try zero.',
  'notice.secret_wrong_left': 'This secret does not fit this exam code. There is no letter O in a secret: try zero. Tries left: {tries_left}.',
  'notice.secret_throttled': 'Too many tries. Wait 5 minutes, or ask your institution for a new secret.',
  'notice.secret_throttled_in': 'Too many tries. You can try again in {retry_after_s} s, or ask your institution for a new secret.',
  'notice.credentials_wrong': 'E-mail and password do not fit together.',
  'notice.second_factor_required': 'Type the code that your authenticator app shows.',
  'notice.second_factor_wrong': 'This code is not good: it is mistyped, too old, or was used. Type the one that is shown now.',
  'notice.second_factor_wrong_left': 'This code is not good: it is mistyped, too old, or was used. Type the one that is shown now. Tries left: {tries_left}.',
  'notice.second_factor_exists': 'Two-step sign-in is on already, perhaps from another computer.',
  'notice.password_wrong': 'This is not your password.',
  'notice.password_wrong_left': 'This is not your password. Tries left: {tries_left}.',
  'notice.access_revoked': 'Your account was changed. Sign in again.',
  'notice.account_deactivated': 'This account was deactivated. An admin of your institution can activate it.',
  'notice.oidc_unavailable': 'Your institution’s sign-in does not answer. Try again, or sign in with your password.',
  'notice.oidc_refused': 'This sign-in took too long, or was used before. Begin anew.',
  'notice.oidc_no_account': 'There is no account here for your e-mail. Ask an admin of your institution to invite you.',
  'notice.oidc_no_account_for': 'There is no account here for {email}. Ask an admin of your institution to invite you.',
  'notice.oidc_email_unverified': 'Your institution’s sign-in does not vouch for your e-mail address. Have it confirmed there, or sign in with your password.',
  'notice.oidc_link_taken': 'This account belongs to somebody else at your institution’s sign-in. An admin can unlink it under People.',
  'notice.provider_none': 'On this server people sign in with a password alone.',
  'notice.browser_missing': 'No browser could be opened on this computer. Copy the address, and open it in one.',
  'notice.browser_timed_out': 'Nothing came back from your browser within 5 minutes. Try again.',
  'notice.browser_turned_away': 'You turned away in the browser, and nobody was signed in.',
  'notice.browser_refused': 'Your institution’s sign-in refused. Try again, or sign in with your password.',
  'notice.session_revoked': 'A lead has ended your access to this exam. Ask your institution.',
  'notice.invitation_invalid': 'This link does not work any more: it was used, replaced, or is too old. Ask for a new one.',
  'notice.email_taken': 'There is an account with this e-mail already.',
  'notice.last_admin': 'This is the only admin who can sign in. Make another one first.',
  'notice.setup_code_wrong': 'This setup code is wrong, or was used before. It stands in the server’s output of its first start.',
  'notice.join_link_invalid': 'This link does not work any more: it was replaced, or is too old. Ask your institution for a new one.',
  'notice.join_link_used': 'This link was used on another computer, and is good once. Go on there, or ask your institution for a new link.',
  'notice.device_waits': 'This exam is open on another computer. A proctor was asked to move it here.',
  'notice.device_refused': 'A proctor did not move your exam to this computer. Go on at the other one, or talk to a proctor.',
  'notice.session_moved': 'Your exam goes on at another computer. This one is no longer part of it.',
  'notice.session_elsewhere': 'This exam is open on another computer. Close it there first, or ask a proctor to move you here.',
  'notice.resume_refused': 'The server does not know this computer for this session. Join again with your exam code and secret.',
  'notice.sdp_invalid': 'The server and this Invigil could not agree on how to send pictures.',
  'notice.fingerprint_mismatch': 'Someone else answered in place of the server. Nothing was sent.',
  'notice.transport_unknown': 'The connection for pictures was closed. Invigil opens a new one.',
  'notice.transport_limit': 'The server allows no further connection for pictures.',
  'notice.publication_invalid': 'The server did not accept one of the pictures.',
  'notice.publication_limit': 'The server allows no further camera or screen.',
  'notice.intent_invalid': 'The server did not accept which pictures to send.',
  'notice.chain_gap': 'The record has a gap. Invigil sends what is missing.',
  'notice.chain_fork': 'The record on this computer and on the server differ.',
  'notice.message_too_long': 'This message is too long. Shorten it to 2000 characters.',
  'notice.storage_failed': 'The server could not store this. It was not sent, try again.',
  'notice.too_slow': 'This computer read too slowly and was connected again.',
  'notice.idle_timeout': 'The connection was silent for too long and is opened again.',
  'notice.replaced': 'Invigil was opened a second time, and that window is connected now.',
  'notice.server_draining': 'The server restarts. Invigil connects again by itself.',
  'notice.internal': 'Something failed in the server. Try again; the server’s log has the details.',
  'notice.unknown': 'Something went wrong that this Invigil has no words for. Update it.',
  'notice.code': 'Code for support: {code}',
  ...candidate,
  ...people,
  ...proctor,
  ...systems,
  ...office,
} as const;

export type StringKey = keyof typeof strings;
type Params = Record<string, string | number>;

/** The words of a key, with `{name}` filled in. */
export function t(key: StringKey, params: Params = {}): string {
  return strings[key].replace(/\{(\w+)\}/g, (_, name: string) => String(params[name] ?? ''));
}

export const isKey = (key: string): key is StringKey => Object.hasOwn(strings, key);

/** The words of a notice. A parameter that has a sentence of its own picks that sentence. */
export function notice(code: string, params: Params = {}): string {
  const detailed = { tries_left: '_left', retry_after_s: '_in', reason: '_because', email: '_for' } as const;
  for (const [name, suffix] of Object.entries(detailed)) {
    const key = `notice.${code}${suffix}`;
    if ((params[name] ?? '') !== '' && isKey(key)) return t(key, params);
  }
  const key = `notice.${code}`;
  return isKey(key) ? t(key, params) : t('notice.unknown', params);
}
