/** Bounds of the protocol that a window keeps too; shared/src/limits.rs has the reasons. */

/** Characters of a message between people. */
/** `MAX_REASON_CHARS` and `MAX_EXTRA_MIN`. */
export const MAX_REASON = 300;
export const MAX_EXTRA = 480;
export const MAX_MESSAGE = 2000;
/** Characters of a password, at least. */
export const MIN_PASSWORD = 8;
/** Bytes of a roster as CSV. */
export const MAX_ROSTER_CSV = 512 * 1024;
